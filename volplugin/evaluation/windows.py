"""Rolling bias statistics of many books under forecasts that are renewed every `horizon` sessions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

MONTH = 21
"""Sessions of a window."""


@dataclass(frozen=True, eq=False)
class Windows:
    """How far windows of standardised returns are from a standard deviation of one.

    Attributes
    ----------
    deviation, count : ndarray of shape (n_origins, n_books)
        Sum over the windows that belong to an origin, and their number.
    """

    deviation: np.ndarray
    count: np.ndarray


def rolling_deviation(score: np.ndarray, places: np.ndarray) -> Windows:
    """Measure the windows of 21 sessions of each phase.

    Forecasts renewed every `horizon` sessions make one series a phase; a window belongs to the origin that stands
    over its first day. Windows that are not complete, as at a gap between origins, are left out.

    Parameters
    ----------
    score : ndarray of shape (n_origins, horizon, n_books)
        Daily returns over the volatility forecast at the origin.
    places : ndarray of int, shape (n_origins,)
        Number of each origin's session, increasing.

    References
    ----------
    Menchero, Orr and Wang (2011), The Barra US Equity Model (USE4), Methodology Notes.
    """
    origins, horizon, books = score.shape
    deviation, count = np.zeros((origins, books)), np.zeros((origins, books))
    for phase in np.unique(places % horizon):
        rows = np.flatnonzero(places % horizon == phase)
        days = (places[rows] - places[rows[0]])[:, None] + np.arange(horizon)
        series = np.full((int(days[-1, -1]) + MONTH, books), np.nan)
        series[days] = score[rows]
        away = np.abs(_window_std(series) - 1)[days]
        deviation[rows] = np.nansum(away, axis=1)
        count[rows] = np.isfinite(away).sum(axis=1)
    return Windows(deviation, count)


def _window_std(series: np.ndarray) -> np.ndarray:
    """Sample standard deviation of the `MONTH` rows from each row on; NaN where one is missing or beyond the end."""
    return pd.DataFrame(series).rolling(MONTH, min_periods=MONTH).std().shift(1 - MONTH).to_numpy()
