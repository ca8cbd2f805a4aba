"""Means that depend on the last `window` sessions only.

A plain exponential mean depends on the first session of the data. These means give sessions before the window no
weight at all, so a long history and one cut to the window give the same value. Missing values (NaN) have no weight.
Arrays are sessions x assets; `first` is the first row wanted, and the result begins there.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

FEW = 4
"""Number of rows up to which summing each row directly is faster than filtering the whole array."""


def rolling_mean(values: np.ndarray, window: int, minimum: int = 1, first: int = 0) -> np.ndarray:
    """Equal-weight mean of the trailing `window` sessions; NaN below `minimum` values."""
    return ew_mean(values, 1.0, window, minimum, first)


def ew_mean(values: np.ndarray, decay: float, window: int, minimum: int = 1, first: int = 0) -> np.ndarray:
    """Exponentially weighted mean, weights ``decay ** age`` for ages below `window`, normalised.

    Parameters
    ----------
    values : ndarray of shape (n_sessions, n_assets)
        NaN where missing.
    decay : float
        Weight of a session relative to the next one: 0.94 in RiskMetrics, ``1 - 2 / (span + 1)`` for a span.
    window : int
        Number of sessions with a weight.
    minimum : int, default 1
        Least number of values; NaN with fewer.
    first : int, default 0
        First row wanted.

    Returns
    -------
    ndarray of shape (n_sessions - first, n_assets)
    """
    if first + 1 > window:
        values, first = values[first + 1 - window :], window - 1
    here = np.isfinite(values)
    total, weight, number = _sums(values, here, decay, window, first)
    enough = number >= max(minimum, 1)
    return np.where(enough, total / np.where(enough, weight, 1.0), np.nan)


def forward_mean(values: np.ndarray, horizon: int) -> np.ndarray:
    """Mean of the `horizon` sessions after each row; NaN if any of them is missing."""
    ahead = np.full_like(values, np.nan, dtype=float)
    if len(values) > horizon:
        windows = np.lib.stride_tricks.sliding_window_view(values[1:], horizon, axis=0)
        ahead[: len(windows)] = windows.mean(axis=-1)
    return ahead


def ffill_limited(values: np.ndarray, limit: int) -> np.ndarray:
    """Fill at most `limit` missing rows with the last value."""
    rows = np.arange(len(values))[:, None]
    last = np.maximum.accumulate(np.where(np.isfinite(values), rows, -1), axis=0)
    fresh = (last >= 0) & (rows - last <= limit)
    return np.where(fresh, np.take_along_axis(values, np.maximum(last, 0), axis=0), np.nan)


def _sums(
    values: np.ndarray, here: np.ndarray, decay: float, window: int, first: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted sum, sum of weights, and number of values, of each window that ends at or after `first`."""
    known = np.where(here, values, 0.0)
    if len(values) - first <= FEW:
        rows = [_row_sums(known, here, decay, window, row) for row in range(first, len(values))]
        total, weight, number = (np.stack(parts) for parts in zip(*rows, strict=True))
        return total, weight, number
    number = _window_sum(here.astype(float), window)
    if decay == 1.0:
        return _window_sum(known, window)[first:], number[first:], number[first:]
    weight = _ew_sum(here.astype(float), decay, window)
    return _ew_sum(known, decay, window)[first:], weight[first:], number[first:]


def _row_sums(
    known: np.ndarray, here: np.ndarray, decay: float, window: int, row: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    begin = max(0, row + 1 - window)
    weights = decay ** np.arange(row - begin, -1, -1)
    seen = here[begin : row + 1]
    return weights @ known[begin : row + 1], weights @ seen, seen.sum(axis=0)


def _window_sum(values: np.ndarray, window: int) -> np.ndarray:
    total = np.cumsum(values, axis=0)
    total[window:] = total[window:] - total[:-window]
    return total


def _ew_sum(values: np.ndarray, decay: float, window: int) -> np.ndarray:
    entering = values.copy()
    # A value leaves the sum, with its decayed weight, `window` sessions after it entered.
    entering[window:] -= decay**window * values[:-window]
    return lfilter([1.0], [1.0, -decay], entering, axis=0)
