"""Earnings season from prices alone: idiosyncratic moves, and when large ones are due again.

Companies that report quarterly, outside trading hours, move by themselves and overnight when they do, and again 63,
126, 189 and 252 sessions later. With o the overnight and r the daily log return, and medians and means over the
reference universe::

    e(t) = (o(t) - median_j o_j(t))^2        d(t) = (r(t) - mean_j r_j(t))^2

    idio_n       = ln max(mean of e over t-n+1 .. t, 1e-7) - ln b(t)                        n = 1, 5, 22
    season_max_h = ln max(median over k in {63, 126, 189, 252} of
                          the maximum of e over t-k+1-w .. t-k+h+w, 1e-7) - ln b(t)         h = 1, 5, 21
    season_last_h = ln max(mean of d over t-63 .. t-63+h+1, 1e-7) - ln b(t)                 h = 1, 5

w is 2 for h of 1 and 5, and 0 for 21. A season window ends at t - k + h + w, before t for every horizon here;
beyond 61 sessions it would reach into the future, so there is no such input.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from volplugin.volatility.rolling import rolling_mean

DAYS = (1, 5, 22)
"""Sessions over which e is averaged."""

QUARTERS = (63, 126, 189, 252)
"""Sessions since the same day of the last four quarters."""

MARGINS = {1: 2, 5: 2, 21: 0}
"""Sessions by which a season window is wider on either side, by horizon."""

LAST_HORIZONS = (1, 5)

SMALLEST_MOVE = 1e-7
"""Least squared move, which bounds its logarithm."""

SEASON = (
    *(f"idio_{days}" for days in DAYS),
    *(f"season_max_{horizon}" for horizon in MARGINS),
    *(f"season_last_{horizon}" for horizon in LAST_HORIZONS),
)
"""Names of the inputs, in order."""

SEASON_WINDOW = max(QUARTERS) + max(MARGINS.values())
"""Sessions of moves up to t that the inputs of t depend on."""


def season_inputs(
    overnight: np.ndarray, daily: np.ndarray, base: np.ndarray, first: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Return each input of the rows from `first` on, by name.

    Parameters
    ----------
    overnight, daily : ndarray of shape (n_sessions, n_assets)
        Squared idiosyncratic moves e and d; NaN where missing.
    base : ndarray of shape (n_sessions - first, n_assets)
        Slow variance level b.
    first : int

    Yields
    ------
    tuple of str and ndarray of shape (n_sessions - first, n_assets)
        NaN where there is nothing to go by.
    """
    level = np.log(base)

    def relative(moves: np.ndarray) -> np.ndarray:
        return np.log(np.maximum(moves, SMALLEST_MOVE)) - level

    for days in DAYS:
        yield f"idio_{days}", relative(rolling_mean(overnight, days, max(days // 2, 1), first))
    for horizon, margin in MARGINS.items():
        largest = rolling_max(overnight, horizon + 2 * margin)
        quarters = [_lagged(largest, quarter - horizon - margin, first) for quarter in QUARTERS]
        yield f"season_max_{horizon}", relative(_median(quarters))
    for horizon in LAST_HORIZONS:
        moves = rolling_mean(daily, horizon + 2)
        yield f"season_last_{horizon}", relative(_lagged(moves, QUARTERS[0] - horizon - 1, first))


def rolling_max(values: np.ndarray, window: int) -> np.ndarray:
    """Maximum of the trailing `window` rows; NaN where all of them are missing."""
    largest = np.where(np.isfinite(values), values, -np.inf)
    width = 1
    while width < window:
        # The maximum of two overlapping windows is the maximum of their union.
        step = min(width, window - width)
        wider = largest.copy()
        np.maximum(largest[step:], largest[:-step], out=wider[step:])
        largest, width = wider, width + step
    return np.where(np.isfinite(largest), largest, np.nan)


def _lagged(values: np.ndarray, lag: int, first: int) -> np.ndarray:
    """Rows from `first` on of a table moved down by `lag` rows; NaN where there are none."""
    begin, stop = first - lag, len(values) - lag
    moved = np.full((len(values) - first, values.shape[1]), np.nan)
    if stop > 0:
        moved[max(-begin, 0) :] = values[max(begin, 0) : stop]
    return moved


def _median(tables: list[np.ndarray]) -> np.ndarray:
    """Median of several tables over the values present; NaN where none is."""
    ordered = list(tables)
    # Exchanges of whole tables take a third of the time of sorting entry by entry; NaN comes last.
    for stop in range(len(tables) - 1, 0, -1):
        for place in range(stop):
            pair = ordered[place], ordered[place + 1]
            ordered[place], ordered[place + 1] = np.fmin(*pair), np.maximum(*pair)
    number = sum(np.isfinite(table).astype(int) for table in tables)
    low, high = np.maximum(number - 1, 0) // 2, np.minimum(number // 2, len(tables) - 1)
    return (np.choose(low, ordered) + np.choose(high, ordered)) / 2
