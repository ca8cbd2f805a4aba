"""Covariances at the sessions of one vintage, from arrays that are computed once.

Volatilities of all sessions come from one pass of the model; correlations are updated from session to session. The
numbers of a session use the rows up to its own.
"""

from __future__ import annotations

from typing import NamedTuple

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
    """The numbers of a forecast covariance, without its checks and diagnostics."""

    assets: pd.Index
    volatility: np.ndarray
    """Daily, of shape (n_assets,)."""
    correlation: np.ndarray
    """Of shape (n_assets, n_assets)."""


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
        self._rows = {session: row for row, session in enumerate(self.sessions)}
        self._volatility = {days: _last_rows(path.to_numpy(), len(returns)) for days, path in paths.items()}
        self._sliding: dict[int, SlidingCorrelation] = {}
        self._live: dict[bytes, pd.Index] = {}
        self._last: dict[tuple[int, str], tuple[int, CorrelationEstimate]] = {}
        self._correlation = correlation

    def row(self, session: pd.Timestamp) -> int | None:
        """Return the row of a session; None for a session outside the vintage's."""
        row = self._rows.get(session, -1)
        return row if row >= self._first else None

    def volatility(self, row: int, horizon: int) -> np.ndarray:
        """Daily volatility of the universe at a row, NaN without a forecast."""
        return self._volatility[horizon][row]

    def estimate(self, row: int, horizon: int, view: str) -> CorrelationEstimate:
        """Correlation of the assets with a volatility for this horizon."""
        sliding = self._slide(horizon)
        # A strategy, a control and the metrics set need the matrix of the same close, which costs up to 4 ms.
        key = id(sliding), view
        if key not in self._last or self._last[key][0] != row:
            self._last[key] = row, sliding.at(row, view)
        return self._last[key][1]

    def event_share(self, row: int, horizon: int) -> np.ndarray:
        """Share of each asset's variance that is event variance, ``1 - min(1, sigma0 / sigma)``.

        Zero for models without an event-free forecast sigma0.
        """
        sigma, event_free = self._volatility[horizon][row], self._volatility.get(-horizon)
        if event_free is None:
            return np.zeros(len(sigma))
        ratio = event_free[row] / sigma
        return 1 - np.minimum(np.where(np.isfinite(ratio), ratio, 1.0), 1.0)

    def correlation(self, row: int, horizon: int, view: str) -> np.ndarray:
        """Correlation of Sigma: event variance is uncorrelated, so it scales the other assets' correlations down."""
        rho, share = self.estimate(row, horizon, view).correlation, self.event_share(row, horizon)
        if not share.any():
            return rho
        kept = np.sqrt(1 - share[np.isfinite(self._volatility[horizon][row])])
        scaled = rho * np.outer(kept, kept)
        np.fill_diagonal(scaled, 1.0)
        return scaled

    def arrays(self, row: int, horizon: int, view: str) -> CovarianceArrays:
        """Return volatilities and correlations of the assets with a forecast."""
        sigma = self._volatility[horizon][row]
        live = np.isfinite(sigma)
        if live.all():
            return CovarianceArrays(self.assets, sigma, self.correlation(row, horizon, view))
        # One label object per set of assets, so that callers compare them by identity.
        key = live.tobytes()
        if key not in self._live:
            self._live[key] = self.assets[live]
        rho = self.correlation(row, horizon, view) if live.any() else np.empty((0, 0))
        return CovarianceArrays(self._live[key], sigma[live], rho)

    def _slide(self, horizon: int) -> SlidingCorrelation:
        if horizon not in self._sliding:
            live = np.isfinite(self._volatility[horizon])
            # Horizons with forecasts of the same assets share the matrices.
            same = [slide for slide in self._sliding.values() if np.array_equal(slide.live, live)]
            self._sliding[horizon] = same[0] if same else self._correlation.sliding(self.z, live)
        return self._sliding[horizon]


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
