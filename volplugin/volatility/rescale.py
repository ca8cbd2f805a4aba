"""The one multiplicative rescale, learned where it will be used: out of sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from volplugin.volatility.inputs import level_bounds, within_levels
from volplugin.volatility.linear import forecast_ratio, log_moments, mean_ratio, solve
from volplugin.volatility.targets import rescale

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
    cuts = range(begin, len(x), REFIT)
    refits = [_refits(x, y[..., knot], cuts, horizon) for knot, horizon in enumerate(horizons)]
    for cut, *tables in zip(cuts, *refits, strict=True):
        ahead = within_levels(x[cut : cut + REFIT], names, level_bounds(x[:cut], names))
        for knot, table in enumerate(tables):
            if table is not None:
                forecasts[cut : cut + REFIT, :, knot] = forecast_ratio(table, ahead)
    return rescale(y[begin:], forecasts[begin:])


def _refits(x: np.ndarray, y: np.ndarray, cuts: Sequence[int], horizon: int) -> Iterator[np.ndarray | None]:
    """Regress on the rows before each cut whose targets were known there, of one horizon; None for too few.

    The rows of one refit are among those of the next: their moments are summed once.
    """
    moments, done = np.zeros((x.shape[-1] + 2,) * 2), 0
    for cut in cuts:
        known = max(cut - horizon, done)
        moments = moments + log_moments(x[done:known], y[done:known])
        line, done = solve(moments), known
        yield None if line is None else np.append(line, mean_ratio(x[:known], y[:known], line))
