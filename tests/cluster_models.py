"""Models that end their own process once, for tests of clusters: a module that workers can import."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from volplugin import HARVolatility, PricePanel
from volplugin.volatility.base import State, VolatilityForecaster


class Fused(VolatilityForecaster):
    """Whoever fits first finds the fuse, takes it away and is killed before anyone hears of it.

    The fuse is a file that holds the number of the one process that must not fit, the test's own.
    """

    runtime_params = ("device", "fuse")
    fuse: str

    def fit_member(self, panel: PricePanel) -> State:
        state = super().fit_member(panel)
        fuse = Path(self.fuse)
        if self.fuse and _took(fuse):
            os.kill(os.getpid(), signal.SIGKILL)
        return state


def _took(fuse: Path) -> bool:
    """Take the fuse away, which one process can."""
    try:
        assert fuse.read_text() != str(os.getpid()), "this was to be fitted by a worker"
        fuse.unlink()
    except FileNotFoundError:
        return False
    return True


class FusedHAR(Fused, HARVolatility):
    def __init__(self, terms: str = "market", fuse: str = "") -> None:
        super().__init__(terms)
        self.fuse = fuse


def fused_lstm(fuse: str) -> VolatilityForecaster:
    """Return a tiny network of two seeds; torch is loaded only here."""
    from volplugin import LSTMVolatility

    class FusedLSTM(Fused, LSTMVolatility):
        def __init__(self, units: Any = (4,), window=10, seeds: Any = (0, 1), steps=5, device="cpu", fuse="") -> None:
            super().__init__(units=units, window=window, seeds=seeds, steps=steps, device=device)
            self.fuse = fuse

    return FusedLSTM(fuse=fuse)
