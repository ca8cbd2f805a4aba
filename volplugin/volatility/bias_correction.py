"""Variance targets, and the multiplicative rescale of forecasts, estimated out of sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from volplugin.data.panel import PricePanel
from volplugin.volatility.features import clip_levels, level_bounds
from volplugin.volatility.regression import forecast_ratio, log_moments, mean_ratio, solve
from volplugin.volatility.rolling import forward_mean


def close_to_close_ratio(panel: PricePanel) -> float:
    """Mean squared return over mean daily variance proxy: the factor from the proxy to the close-to-close scale."""
    squared, proxy = panel.returns.to_numpy() ** 2, panel.variance.to_numpy()
    both = np.isfinite(squared) & np.isfinite(proxy)
    return float(squared[both].mean() / proxy[both].mean())


def forward_variance(panel: PricePanel, horizons: Sequence[int], ratio: float) -> np.ndarray:
    """Mean over the next h sessions of ``0.5 (r^2 + ratio v)``: the target, less noisy than r^2 alone.

    Returns
    -------
    ndarray of shape (n_sessions, n_assets, n_horizons)
        NaN where a session of the horizon is missing or lies beyond the panel.
    """
    daily = 0.5 * (panel.returns.to_numpy() ** 2 + ratio * panel.variance.to_numpy())
    return np.stack([forward_mean(daily, horizon) for horizon in horizons], axis=-1)


def purged(y: np.ndarray, horizons: Sequence[int]) -> np.ndarray:
    """Drop the targets that reach beyond the end of a table.

    Parameters
    ----------
    y : ndarray of shape (n_sessions, n_assets, n_horizons)
        Cut from a longer table, so that its last rows may reach beyond the cut.
    horizons : sequence of int
        In sessions.
    """
    kept = y.copy()
    for column, horizon in enumerate(horizons):
        kept[max(len(y) - horizon, 0) :, :, column] = np.nan
    return kept


def rescale(target: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    """Return the factor by horizon that makes ``mean(target / forecast)`` one (Jensen's correction, QLIKE's optimum).

    Parameters
    ----------
    target, forecast : ndarray of shape (..., n_horizons)
        Variances; pairs with a NaN are left out.
    """
    quotient = (target / forecast).reshape(-1, target.shape[-1])
    return np.nanmean(quotient, axis=0)


FIRST_FIT = 5 * 252
"""Sessions of the first regression, long enough for calm and turbulent markets."""

REFIT = 252
"""Sessions between two refits."""


def out_of_sample_ratio(x: np.ndarray, y: np.ndarray, names: tuple[str, ...], horizons: Sequence[int]) -> np.ndarray:
    """Realised over forecast variance of a pooled log regression that walks through the training span.

    A factor estimated in sample is too small out of sample, because the model was fitted on the same turbulent periods.
    Here the regression, with its in-sample factor, is refitted each year on earlier data and forecasts the next year;
    the result is the mean of realised over forecast variance of these forecasts.

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
        ahead = clip_levels(x[cut : cut + REFIT], names, level_bounds(x[:cut], names))
        for knot, table in enumerate(tables):
            if table is not None:
                forecasts[cut : cut + REFIT, :, knot] = forecast_ratio(table, ahead)
    return rescale(y[begin:], forecasts[begin:])


def _refits(x: np.ndarray, y: np.ndarray, cuts: Sequence[int], horizon: int) -> Iterator[np.ndarray | None]:
    """Regress on the rows before each cut whose targets were known there, of one horizon; None for too few.

    Each refit uses all rows of the refit before it: their moments are summed once.
    """
    moments, done = np.zeros((x.shape[-1] + 2,) * 2), 0
    for cut in cuts:
        known = max(cut - horizon, done)
        moments = moments + log_moments(x[done:known], y[done:known])
        line, done = solve(moments), known
        yield None if line is None else np.append(line, mean_ratio(x[:known], y[:known], line))
