"""Covariances at the sessions of one vintage, from arrays that are computed once.

Volatilities of all sessions come from one pass of the model; correlations are updated from session to session. The
numbers of a session use the rows up to its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from volplugin.correlation.base import CorrelationEstimator
from volplugin.correlation.estimate import CorrelationEstimate
from volplugin.correlation.sliding import SlidingCorrelation
from volplugin.risk.volatility_history import Paths
from volplugin.volatility.base import VolatilityForecaster

MAX_STANDARDIZED_RETURN = 4.2
"""Standardized returns are clipped at this number of standard deviations before correlations are estimated."""


class CovarianceArrays(NamedTuple):
    """The numbers of a forecast covariance, ``D_s rho D_s + diag(sigma^2 - s^2)``, without checks and diagnostics."""

    assets: pd.Index
    volatility: np.ndarray
    """Daily, sigma, of shape (n_assets,)."""
    correlated: np.ndarray
    """Daily volatility without the uncorrelated event variance, s, of shape (n_assets,)."""
    correlation: np.ndarray
    """rho, of shape (n_assets, n_assets)."""


def variance_parts(covariances: Sequence[Any], *weights: np.ndarray) -> np.ndarray:
    """Parts of a portfolio's daily variance by asset, ``x * (rho x) + (sigma^2 - s^2) w^2`` with ``x = s w``.

    Parameters
    ----------
    covariances : sequence of CovarianceArrays
        Of the same assets.
    *weights : ndarray of shape (n_covariances, n_assets)
        One portfolio under each covariance.

    Returns
    -------
    ndarray of shape (n_portfolios, n_covariances, n_assets)
    """
    sigma = np.stack([one.volatility for one in covariances])
    correlated = np.stack([one.correlated for one in covariances])
    exposure = correlated * np.stack(weights)
    # Vector by vector: BLAS multiplies a large matrix by two of them at once in twice the time.
    by_covariance = zip(covariances, exposure.swapaxes(0, 1), strict=True)
    products = np.stack([np.matmul(one.correlation, x[:, :, None])[:, :, 0] for one, x in by_covariance], axis=1)
    return np.asarray(exposure * products + (sigma**2 - correlated**2) * np.square(weights))


class _Horizon(NamedTuple):
    """Arrays of one horizon, of shape (n_sessions, n_assets) unless stated."""

    volatility: np.ndarray
    correlated: np.ndarray
    share: np.ndarray
    """Share of each asset's variance that is event variance, ``1 - min(1, sigma0 / sigma)``; zero without sigma0."""
    live: np.ndarray
    """Whether there is a forecast."""
    is_whole: list[bool]
    """By session, whether every asset has a forecast."""
    sliding: SlidingCorrelation


class CovariancePath:
    """Volatilities and correlations at the sessions of one vintage.

    Parameters
    ----------
    model : VolatilityForecaster
        The vintage.
    correlation : CorrelationEstimator
    returns : DataFrame of shape (n_sessions, n_assets)
        Daily log returns of the universe.
    paths : dict of int to DataFrame of shape (n_sessions + 1 or fewer, n_assets)
        Daily volatility by horizon, event-free under minus the horizon; the last row is of the last session of
        `returns`.
    standardize : bool
        Whether correlations are estimated on standardized returns.
    first : Timestamp
        First session that may be requested; the rows before it are the past of its window.
    """

    def __init__(
        self,
        model: VolatilityForecaster,
        correlation: CorrelationEstimator,
        returns: pd.DataFrame,
        paths: Paths,
        standardize: bool,
        first: pd.Timestamp,
    ) -> None:
        self.model, self.assets, self.sessions = model, returns.columns, returns.index
        self.returns, self.paths = returns.to_numpy(), paths
        self.z = standardized(self.returns, paths[1].to_numpy()) if standardize else self.returns
        self.last_session = pd.Timestamp(self.sessions[-1])
        self._first = int(self.sessions.searchsorted(first))
        # Whole numbers: making a Timestamp of each session took longer than reading the volatilities.
        moments = self.sessions[self._first :].as_unit("ns").asi8.tolist()
        self._rows = dict(zip(moments, range(self._first, len(self.sessions)), strict=True))
        self._horizons: dict[int, _Horizon] = {}
        self._live: dict[bytes, pd.Index] = {}
        self._correlation = correlation

    def row(self, session: pd.Timestamp) -> int | None:
        """Return the row of a session; None for a session outside the vintage's."""
        return self._rows.get(session.value)

    def volatility(self, row: int, horizon: int) -> np.ndarray:
        """Daily volatility of the universe at a row, NaN without a forecast."""
        return self._of(horizon).volatility[row]

    def estimate(self, row: int, horizon: int, view: str) -> CorrelationEstimate:
        """Correlation of the assets with a volatility for this horizon."""
        return self._of(horizon).sliding.at(row, view)

    def event_share(self, row: int, horizon: int) -> np.ndarray:
        """Share of each asset's variance that is event variance, ``1 - min(1, sigma0 / sigma)``.

        Zero for models without an event-free forecast sigma0.
        """
        return self._of(horizon).share[row]

    def correlation(self, row: int, horizon: int, view: str) -> np.ndarray:
        """Correlation of Sigma: event variance is uncorrelated, so it scales the other assets' correlations down."""
        at = self._of(horizon)
        rho = at.sliding.matrix(row, view)
        if not at.share[row].any():
            return rho
        kept = np.sqrt(1 - at.share[row][at.live[row]])
        scaled = rho * np.outer(kept, kept)
        np.fill_diagonal(scaled, 1.0)
        return scaled

    def arrays(self, row: int, horizon: int, view: str) -> CovarianceArrays | None:
        """Return volatilities and correlations of the assets with a forecast; None without any."""
        if horizon not in self.paths:
            return None
        at = self._of(horizon)
        if at.is_whole[row]:
            return CovarianceArrays(self.assets, at.volatility[row], at.correlated[row], at.sliding.matrix(row, view))
        live = at.live[row]
        if not live.any():
            return None
        # One label object per set of assets, so that callers compare them by identity.
        assets = self._live.setdefault(live.tobytes(), self.assets[live])
        return CovarianceArrays(
            assets, at.volatility[row, live], at.correlated[row, live], at.sliding.matrix(row, view)
        )

    def _of(self, horizon: int) -> _Horizon:
        if horizon not in self._horizons:
            self._horizons[horizon] = self._computed(horizon)
        return self._horizons[horizon]

    def _computed(self, horizon: int) -> _Horizon:
        count = len(self.sessions)
        volatility = _last_rows(self.paths[horizon].to_numpy(), count)
        live, share = np.isfinite(volatility), np.zeros(volatility.shape)
        if -horizon in self.paths:
            ratio = _last_rows(self.paths[-horizon].to_numpy(), count) / volatility
            share = 1 - np.minimum(np.where(np.isfinite(ratio), ratio, 1.0), 1.0)
        # Horizons with forecasts of the same assets share the matrices.
        same = [at.sliding for at in self._horizons.values() if np.array_equal(at.live, live)]
        sliding = same[0] if same else self._correlation.sliding(self.z, live)
        is_whole = live.all(axis=1).tolist()
        return _Horizon(volatility, volatility * np.sqrt(1 - share), share, live, is_whole, sliding)


def standardized(returns: np.ndarray, volatility: np.ndarray) -> np.ndarray:
    """Divide each return by the forecast made at the close before it, and clip; both end at the same session."""
    before = _last_rows(volatility[:-1], len(returns))
    return np.clip(returns / before, -MAX_STANDARDIZED_RETURN, MAX_STANDARDIZED_RETURN)


def _last_rows(values: np.ndarray, count: int) -> np.ndarray:
    """Return the last rows, with rows of NaN before them where there are fewer."""
    rows = np.full((count, values.shape[1]), np.nan)
    taken = min(count, len(values))
    rows[count - taken :] = values[len(values) - taken :]
    return rows
