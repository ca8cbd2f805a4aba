"""Constants that several evaluation modules share."""

MONTH_SESSIONS = 21
"""Sessions in a window of MRAD."""

TAILS = (0.01, 0.05)
"""Tail probabilities of value at risk and expected shortfall."""

SIZE = 0.05
"""P-value below which a test rejects."""

MEASURED_SIZES: dict[str, dict[float, float]] = {
    "Mincer-Zarnowitz": {5: 0.021, 21: 0.021},
    "Acerbi-Szekely": {0.025: 0.032},
    "dynamic quantile": {0.01: 0.034},
}
"""Tests at 5% whose measured size is outside 3.5% to 6.5%: by sessions ahead or tail, the size furthest from 5%.

From the table of `docs/evaluation.md`, which ``benchmarks/bench_tests.py`` prints.
"""


def measured_size(test: str, key: float) -> float:
    """Return how often a test at 5% rejects right forecasts: 0.05 where that is within 3.5% to 6.5%.

    Parameters
    ----------
    test : str
        Name of the test.
    key : float
        Sessions ahead (the nearest measured number counts) or tail probability.
    """
    sizes = MEASURED_SIZES.get(test, {})
    if key < 1:
        return sizes.get(key, SIZE)
    return sizes.get(min((1, 5, 21), key=lambda measured: abs(measured - key)), SIZE)
