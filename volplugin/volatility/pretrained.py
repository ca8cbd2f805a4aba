"""The vintages that come with the package: a volatility model that needs no training, and knows no future."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import pandas as pd

from volplugin.data.panel import PricePanel
from volplugin.errors import MissingVintageError
from volplugin.storage import ModelStore
from volplugin.volatility import RangesOrCloses, VolatilityForecaster
from volplugin.volatility.lstm import LSTMVolatility
from volplugin.volatility.registry import stored_walk_forward
from volplugin.volatility.walk_forward import WalkForward

SHIPPED = Path(__file__).parents[1] / "_pretrained"
PRETRAINED = "pretrained"
"""Stands for the folder of the shipped vintages, where a store is asked for."""


def load_walk_forward(store: str | Path) -> WalkForward:
    """Return the walk whose vintages a folder holds, with the forecaster that wrote them; the shipped one by its name.

    Raises
    ------
    MissingVintageError
        If the folder holds none, with the command that trains them.
    StoreCorruptError
        If its description names an unknown forecaster, parameter or schedule.
    """
    return PretrainedVolatility() if str(store) == PRETRAINED else stored_walk_forward(store)


def require_trained(store: str | Path, start: pd.Timestamp) -> WalkForward:
    """Return the store's walk, refusing a store that cannot answer at `start`.

    Raises
    ------
    MissingVintageError
        With the command that trains what is missing.
    """
    if str(store) != PRETRAINED and ModelStore(store).configuration is None:
        raise MissingVintageError(
            f"{store} holds no trained models; train them: volplugin train --start {start.date()} --store {store}"
        )
    walk_forward = load_walk_forward(store)
    walk_forward.vintage_at(start)
    return walk_forward


def backbone(seeds: int = 3, steps: int | Sequence[int] = 600, closes: bool = True) -> VolatilityForecaster:
    """Return the forecaster that is pretrained on a wide panel, unfitted.

    On many stocks more gradient steps pay than on thirty (chosen on the years to 2009). The network for closes
    is one small layer, which keeps the files small.

    Parameters
    ----------
    seeds : int
        Networks of an ensemble.
    steps : int or sequence of int
        Gradient steps of each network; several to choose from on a purged tail of the training span.
    closes : bool, default True
        Whether a second ensemble answers for panels of closes alone.
    """
    each = tuple(range(seeds))
    ranges = LSTMVolatility(seeds=each, steps=steps, mode="shared")
    if not closes:
        return ranges
    return RangesOrCloses(ranges, LSTMVolatility(seeds=each, steps=steps, mode="shared", inputs="closes", units=(32,)))


class PretrainedVolatility(WalkForward):
    """Vintages of a backbone trained on hundreds of stocks, one a year; at `asof` the newest that may answer does.

    Ready to predict. To `fit` it to a panel tunes head and skip of the vintage of the panel's last session to
    each of the panel's assets, where that improves the loss on a purged tail; the tuned one answers from then
    on, and makes the panel's market the reference universe. Untuned, market-wide inputs are means over the universe
    that the vintage names; a panel without it, and without ``market=``, is answered without them.

    Parameters
    ----------
    path : str or Path, optional
        Folder of vintages that `volplugin pretrain` wrote; those shipped if not given.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = path
        walk_forward = stored_walk_forward(SHIPPED if path is None else path)
        super().__init__(walk_forward.forecaster, walk_forward.schedule, walk_forward.store)

    def train(self, *arguments: Any, **settings: Any) -> Self:
        """Train nothing: all vintages that there are were trained before."""
        return self

    def _fit(self, panel: PricePanel) -> None:
        date = panel.last_session
        backbone = super()._vintage(max(known for known in self._shipped(date)))
        self._tuned[date] = backbone.fine_tuned(panel)

    @property
    def _tuned(self) -> dict[pd.Timestamp, VolatilityForecaster]:
        """Vintages tuned to a panel, by its last session; outside the parameters, so that a clone starts without."""
        return self.__dict__.setdefault("tuned_", {})

    def _shipped(self, asof: pd.Timestamp) -> list[pd.Timestamp]:
        self.vintage_at(asof)  # refuses dates before the first
        return [date for date in super()._known() if date <= asof]

    def _known(self) -> set[pd.Timestamp]:
        return super()._known() | self._tuned.keys()

    def _vintage(self, date: pd.Timestamp) -> VolatilityForecaster:
        return self._tuned[date] if date in self._tuned else super()._vintage(date)

    def _missing(self, asof: pd.Timestamp) -> str:
        first = min(super()._known()).date()
        return (
            f"the pretrained models in {self.store!r} begin with the one trained through {first}, and {asof.date()} is "
            f"earlier; begin later, or train your own: volplugin train --start {asof.date()} --store models"
        )
