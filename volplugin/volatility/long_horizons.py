"""Beyond the last horizon with a head: forecasts revert to a level that was learned in training.

The mean variance of each stretch of sessions after the last head, such as sessions 22 to 42, is a log regression on
the forecast at that head, the slow level b and the level of half a year, fitted on all assets together::

    ln(v_stretch / b) = a + c1 ln(v_last / b) + c2 ln b + c3 level

then one rescale (Jensen). Each stretch has a positive variance, so total variance increases with the horizon.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from volplugin.data.panel import PricePanel
from volplugin.volatility.bias_correction import close_to_close_ratio, forward_variance
from volplugin.volatility.regression import forecast_ratio, regress_logs

LONG_HORIZONS = (42, 63, 126, 252)
"""Horizons in sessions at which the stretches end."""

MINIMUM_SESSIONS = 4 * 252
"""Training sessions needed to fit the mean reversion; with fewer, the last head's variance is extended."""


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


def _regressors(variance: np.ndarray, base: np.ndarray, level: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):  # a variance of zero is clipped to the training bounds
        return np.stack([np.log(variance / base), np.log(base), level], axis=-1)
