"""Constants that several evaluation modules share."""

import json
from functools import cache
from pathlib import Path

MONTH_SESSIONS = 21
"""Sessions in a window of MRAD."""

TAILS = (0.01, 0.05)
"""Tail probabilities of value at risk and expected shortfall."""

SIZE = 0.05
"""P-value below which a test rejects."""


@cache
def _measured_sizes() -> dict[str, dict[str, float]]:
    """Read the sizes that ``benchmarks/bench_tests.py --sizes`` and ``bench_bands.py --sizes`` stored."""
    return dict(json.loads((Path(__file__).parent / "measured_sizes.json").read_text()))


def measured_size(test: str, key: float = 1) -> float:
    """Return how often a test at 5% rejects right forecasts: 0.05 where that is within 3.5% to 6.5%.

    `test` is its name in `docs/evaluation.md`, `key` sessions ahead (the nearest measured number counts) or a tail.
    """
    nearest = key if key < 1 else min((1, 5, 21), key=lambda measured: abs(measured - key))
    return _measured_sizes().get(test, {}).get(f"{nearest:g}", SIZE)
