"""Interpolation of variance between the fitted horizons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FITTED_HORIZONS = (1, 5, 21)
"""Fitted horizons in sessions; other horizons are interpolated."""

SMALLEST_SHARE = 0.05
"""Least daily variance between two fitted horizons, as a share of the daily variance at the longest one."""


def interpolate_variance(variance: np.ndarray, fitted_horizons: Sequence[int], horizon: int) -> np.ndarray:
    """Mean daily variance at `horizon` by linear interpolation of total variance between fitted horizons.

    Total variance ``h * v_h`` grows by a constant daily amount between two fitted horizons, and beyond the last one
    by the same amount as between the last two. One-day variance is never scaled by the horizon.

    Parameters
    ----------
    variance : ndarray of shape (..., n_fitted_horizons)
        Mean daily variance at each fitted horizon.
    fitted_horizons : sequence of int
        Increasing, in sessions.
    horizon : int
        Horizon wanted, in sessions.

    Returns
    -------
    ndarray of shape (...)
    """
    if horizon in fitted_horizons:
        return variance[..., list(fitted_horizons).index(horizon)]
    days = np.asarray(fitted_horizons, dtype=float)
    total = np.concatenate([np.zeros((*variance.shape[:-1], 1)), variance * days], axis=-1)
    ends = np.concatenate([[0.0], days])
    daily = np.diff(total, axis=-1) / np.diff(ends)
    # A steep forecast may imply hardly any variance, or less than none, for the later days.
    daily = np.maximum(daily, SMALLEST_SHARE * variance[..., -1:])
    # Days of the horizon in each interval between fitted horizons; the last interval is open.
    ends[-1] = max(ends[-1], horizon)
    spent = np.clip(horizon - ends[:-1], 0, np.diff(ends))
    return (daily * spent).sum(axis=-1) / horizon
