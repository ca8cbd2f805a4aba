"""Beyond the last horizon with a head: forecasts revert to a level that was learned in training.

The mean variance of each stretch of sessions after the last head, such as sessions 22 to 42, is a log regression on
the forecast at that head, the slow level b and the level of half a year, fitted on all assets together::

    ln(v_stretch / b) = a + c1 ln(v_last / b) + c2 ln b + c3 level

mixed with the long-run level of an asset, ``m + k (ln b - mean of ln b)``, which is learned by regressing each asset's
mean of ln v_stretch over the training span on ln b: a regression over a decade that holds one great storm reverts too
slowly after the next. Then one rescale (Jensen). Each stretch has a positive variance, so total variance increases
with the horizon.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from volplugin.data.panel import PricePanel
from volplugin.volatility.bias_correction import close_to_close_ratio, forward_variance
from volplugin.volatility.regression import forecast_ratio, mean_ratio, regress_logs

LONG_HORIZONS = (42, 63, 126, 252)
"""Horizons in sessions at which the stretches end."""

MINIMUM_SESSIONS = 4 * 252
"""Training sessions needed to fit the mean reversion; with fewer, the last head's variance is extended."""

REVERSION = 0.4
"""Weight of the long-run level: the least multiple of 0.1 with which realised variance is at least 85% of the forecast
at each of `LONG_HORIZONS` in the stormiest 5% of the origins 2005 to 2009 (Dow 30)."""


@dataclass(frozen=True)
class TermStructure:
    """Variance beyond the last head, from the forecast there and the levels.

    Attributes
    ----------
    table : ndarray of shape (5, n_stretches)
        Intercept, slopes and rescale factor of each stretch, as of `regress_logs`.
    bounds : ndarray of shape (2, 3)
        Least and greatest of each regressor in training: values beyond them are moved to them.
    """

    table: np.ndarray
    bounds: np.ndarray

    @classmethod
    def fit(
        cls, panel: PricePanel, variance: np.ndarray, base: np.ndarray, level: np.ndarray, last: int
    ) -> TermStructure | None:
        """Regress on the forecasts of a training panel; None if it is too short.

        Parameters
        ----------
        panel : PricePanel
        variance : ndarray of shape (n_sessions, n_assets)
            Forecast at the last head.
        base, level : ndarray of shape (n_sessions, n_assets)
            Slow level b, and the input named level.
        last : int
            Sessions of the last head.
        """
        horizons = long_horizons(last)
        if len(panel.sessions) < MINIMUM_SESSIONS or not horizons:
            return None
        days = (last, *horizons)
        means = forward_variance(panel, days, close_to_close_ratio(panel))
        stretches = np.diff(means * days, axis=-1) / np.diff(days)
        x = _regressors(variance, base, level)
        table = regress_logs(x, stretches / base[..., None])
        if table is None:
            return None
        table = _reverted(table, x, stretches / base[..., None], REVERSION)
        flat = x[np.isfinite(x).all(axis=-1)]
        return cls(table, np.stack([flat.min(axis=0), flat.max(axis=0)]))

    def extend(self, variance: np.ndarray, base: np.ndarray, level: np.ndarray, last: int) -> np.ndarray:
        """Append the mean daily variance at `long_horizons` to that at the heads.

        Parameters
        ----------
        variance : ndarray of shape (..., n_assets, n_heads)
        base, level : ndarray of shape (..., n_assets)
        last : int

        Returns
        -------
        ndarray of shape (..., n_assets, n_heads + n_stretches)
        """
        x = np.clip(_regressors(variance[..., -1], base, level), *self.bounds)
        stretches = forecast_ratio(self.table, x) * base[..., None]
        days = np.array([last, *long_horizons(last)])
        total = np.cumsum(stretches * np.diff(days), axis=-1) + last * variance[..., -1:]
        return np.concatenate([variance, total / days[1:]], axis=-1)


def long_horizons(last: int) -> tuple[int, ...]:
    """Return the horizons beyond the last head."""
    return tuple(horizon for horizon in LONG_HORIZONS if horizon > last)


def all_horizons(heads: Sequence[int], structure: TermStructure | None) -> tuple[int, ...]:
    """Return the horizons of the heads, and the longer ones where a term structure was fitted."""
    return (*heads, *(() if structure is None else long_horizons(heads[-1])))


def _reverted(table: np.ndarray, x: np.ndarray, y: np.ndarray, share: float) -> np.ndarray:
    """Mix the regressions with the assets' long-run levels, and rescale them again.

    Parameters
    ----------
    table : ndarray of shape (5, n_stretches)
        Of `regress_logs`.
    x : ndarray of shape (n_sessions, n_assets, 3)
    y : ndarray of shape (n_sessions, n_assets, n_stretches)
        Variance relative to the slow level; its log plus ln b is the log variance.
    share : float
        Weight of the long-run level.
    """
    mixed = (1 - share) * table
    log_base = x[..., 1]
    for place, target in enumerate(np.moveaxis(y, -1, 0)):
        usable = np.isfinite(target) & (target > 0) & np.isfinite(x).all(axis=-1)
        rows, columns = np.nonzero(usable)
        log_variance, base = np.log(target[rows, columns]) + log_base[rows, columns], log_base[rows, columns]
        count = np.bincount(columns, minlength=y.shape[1])
        long_run = (np.bincount(columns, log_variance, y.shape[1]) / np.maximum(count, 1))[columns]
        slope = np.cov(long_run, base)[0, 1] / base.var(ddof=1)
        mixed[0, place] += share * (long_run.mean() - slope * base.mean())
        mixed[2, place] += share * (slope - 1)
        mixed[-1, place] = mean_ratio(x, target, mixed[:-1, place])
    return mixed


def _regressors(variance: np.ndarray, base: np.ndarray, level: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):  # a variance of zero is clipped to the training bounds
        return np.stack([np.log(variance / base), np.log(base), level], axis=-1)
