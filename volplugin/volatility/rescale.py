"""The one multiplicative rescale, learned where it will be used: out of sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from volplugin.volatility.inputs import level_bounds, within_levels
from volplugin.volatility.linear import forecast_ratio, regress_logs
from volplugin.volatility.targets import purged, rescale

FIRST_FIT = 5 * 252
"""Sessions that the first of the regressions is fitted on: enough to have seen a storm and a calm."""

REFIT = 252
"""Sessions that each of them answers."""


def out_of_sample_ratio(x: np.ndarray, y: np.ndarray, names: tuple[str, ...], horizons: Sequence[int]) -> np.ndarray:
    """Realised over forecast variance of a pooled log regression that walks through the training span.

    A factor fitted in sample is too small out of sample: a model has seen the storms that it was fitted
    on. Here the regression, its in-sample factor included, is refitted year by year on what was known
    and answers the year after; the mean of realised over forecast variance there is what was missing.

    Parameters
    ----------
    x : ndarray of shape (n_sessions, n_assets, n_regressors)
        NaN in rows without inputs.
    y : ndarray of shape (n_sessions, n_assets, n_horizons)
        Forward variance relative to the slow level.
    names : tuple of str
        Of the regressors.
    horizons : sequence of int
        In sessions, for the purge before each refit.

    Returns
    -------
    ndarray of shape (n_horizons,)
        Ones where fewer than two years are out of sample.
    """
    usable = np.flatnonzero(np.isfinite(x).all(axis=-1).any(axis=1))
    begin = (int(usable[0]) if len(usable) else len(x)) + FIRST_FIT
    if len(x) - begin < 2 * REFIT:
        return np.ones(y.shape[-1])
    forecasts = np.full_like(y, np.nan)
    for cut in range(begin, len(x), REFIT):
        table = regress_logs(x[:cut], purged(y[:cut], horizons))
        if table is not None:
            ahead = within_levels(x[cut : cut + REFIT], names, level_bounds(x[:cut], names))
            forecasts[cut : cut + REFIT] = forecast_ratio(table, ahead)
    return rescale(y[begin:], forecasts[begin:])
