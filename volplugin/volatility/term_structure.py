"""From the horizons a model was fitted for to any other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FITTED_HORIZONS = (1, 5, 21)
"""Horizons in sessions that models are fitted for; others are interpolated."""

SMALLEST_SHARE = 0.05
"""Least share of the longest knot's daily variance that any further day is given."""


def interpolate_variance(variance: np.ndarray, fitted_horizons: Sequence[int], horizon: int) -> np.ndarray:
    """Mean daily variance at `horizon` by linear interpolation of *total* variance between knots.

    Total variance ``h * v_h`` grows by a constant daily amount between two knots, and beyond the last one
    as between the last two. Never the square root of time from one day.

    Parameters
    ----------
    variance : ndarray of shape (..., n_fitted_horizons)
        Mean daily variance at each knot.
    knots : sequence of int
        Increasing horizons in sessions.
    horizon : int
        Sessions wanted.
    """
    if horizon in fitted_horizons:
        return variance[..., list(fitted_horizons).index(horizon)]
    days = np.asarray(fitted_horizons, dtype=float)
    total = np.concatenate([np.zeros((*variance.shape[:-1], 1)), variance * days], axis=-1)
    ends = np.concatenate([[0.0], days])
    daily = np.diff(total, axis=-1) / np.diff(ends)
    daily = np.maximum(daily, SMALLEST_SHARE * variance[..., -1:])
    # Days spent in each stretch between knots; the last stretch has no end.
    ends[-1] = max(ends[-1], horizon)
    spent = np.clip(horizon - ends[:-1], 0, np.diff(ends))
    return (daily * spent).sum(axis=-1) / horizon
