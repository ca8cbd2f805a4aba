"""A model's forecasts of recent sessions, and the returns that followed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from volplugin.correlation.base import CorrelationEstimator

STANDS = 21
"""Sessions after which a forecast is renewed at the latest, however far it looks."""

FEWEST = 63
"""Minimum sessions behind a past correlation, unless its estimator uses fewer."""


@dataclass(frozen=True, eq=False)
class PastForecasts:
    """Forecasts that the current model makes of the sessions up to `asof`, and the returns of these sessions.

    Attributes
    ----------
    horizon : int
        Sessions that each forecast covers.
    returns : DataFrame of shape (n_sessions, n_assets)
        Daily log returns, NaN where missing; the last row is `asof`.
    volatility : DataFrame of shape (n_sessions, n_assets)
        Daily volatility over the `horizon` sessions after each row, forecast at its close; NaN without one.
    z : DataFrame of shape (n_sessions, n_assets)
        Standardized returns, on which correlations are estimated.
    market : Index
        Assets of the reference universe, so that a forecast does not depend on the other assets of the panel.
    correlation : CorrelationEstimator
        The model's.
    portfolios : PastPortfolios
        Stored forecasts of the reference portfolio.
    paths : mapping of int to DataFrame
        `volatility` by horizon, event-free under minus the horizon, for the horizons that the adjustments need.
    """

    horizon: int
    returns: pd.DataFrame
    volatility: pd.DataFrame
    z: pd.DataFrame
    market: pd.Index
    correlation: CorrelationEstimator
    portfolios: PastPortfolios
    paths: Mapping[int, pd.DataFrame] = field(default_factory=dict)

    def over(self, horizon: int) -> PastForecasts:
        """Return the same for another horizon of `paths`."""
        return replace(self, horizon=horizon, volatility=self.paths[horizon])

    def standing(self, rows: int) -> pd.DataFrame:
        """Squared daily returns of the last `rows` sessions over the forecasts that covered them.

        A forecast made at `t` covers the sessions after it, for its horizon or until it is `STANDS` sessions old;
        each return is divided by every forecast that covered it, and the ratios are averaged.
        """
        rows = min(rows, len(self.returns))
        squares = self.returns.tail(rows).to_numpy() ** 2
        values = squares * _inverse_variance(self.volatility.to_numpy(), rows, self.holding_sessions)
        return pd.DataFrame(values, index=self.returns.index[-rows:], columns=self.returns.columns)

    def standing_portfolio(self, rows: int) -> pd.Series:
        """`standing` of the reference portfolio: equal weight in every asset of the reference universe."""
        rows = min(rows, len(self.returns))
        simple = np.expm1(self.returns.loc[:, self.market].tail(rows))
        forecasts = self.portfolios.of(self, rows + self.holding_sessions)
        inverse = _inverse_variance(forecasts.to_numpy(dtype=float)[:, None], rows, self.holding_sessions)[:, 0]
        return simple.mean(axis=1) ** 2 * inverse

    @property
    def holding_sessions(self) -> int:
        """Sessions that each forecast covers."""
        return min(self.horizon, STANDS)


class PastPortfolios:
    """Past forecasts of the reference portfolio, each from data up to its session, stored by session.

    They are stored because `VolatilityRegimeAdjustment` needs 273 of them per forecast, with one correlation estimate
    each; the next session needs one new one.
    """

    def __init__(self) -> None:
        self._made_by: tuple[Any, pd.Index] | None = None
        self._known: dict[tuple[int, pd.Timestamp], float] = {}

    def keep(self, model: Any, assets: pd.Index) -> None:
        """Drop the stored forecasts if the volatility model or the universe has changed."""
        if self._made_by is None or self._made_by[0] is not model or not self._made_by[1].equals(assets):
            self._made_by, self._known = (model, assets), {}

    def of(self, past: PastForecasts, rows: int) -> pd.Series:
        """Daily volatility of the portfolio, forecast at each of the last `rows` sessions; NaN where impossible."""
        sessions = past.volatility.index[-rows:]
        for session in sessions:
            if (past.horizon, session) not in self._known:
                self._known[past.horizon, session] = _portfolio_volatility(past, session)
        return pd.Series([self._known[past.horizon, session] for session in sessions], index=sessions)


def _portfolio_volatility(past: PastForecasts, session: pd.Timestamp) -> float:
    """Forecast of the reference portfolio at the close of one session."""
    sigma = past.volatility.loc[session, past.market].dropna()
    stop = past.z.index.searchsorted(session, side="right")
    z = past.z.iloc[max(0, stop - past.correlation.lookback) : stop][sigma.index]
    if sigma.empty or z.notna().any(axis=1).sum() < min(FEWEST, past.correlation.lookback):
        return float("nan")
    exposure, own = sigma.to_numpy() / len(sigma), np.zeros(len(sigma))
    event_free = past.paths.get(-past.horizon)
    if event_free is not None:  # event variance is uncorrelated
        ratio = event_free.loc[session, sigma.index].to_numpy() / sigma.to_numpy()
        ratio = np.minimum(np.where(np.isfinite(ratio), ratio, 1.0), 1.0)
        exposure, own = exposure * np.sqrt(ratio), exposure**2 * (1 - ratio)
    return float(np.sqrt(exposure @ past.correlation.estimate(z).to_numpy() @ exposure + own.sum()))


def _inverse_variance(volatility: np.ndarray, rows: int, holding_sessions: int) -> np.ndarray:
    """Mean of one over the forecast variance, over the forecasts that covered each of the last `rows` sessions."""
    inverse = np.full((rows + holding_sessions, volatility.shape[1]), np.nan)
    recent = volatility[-len(inverse) :]
    inverse[len(inverse) - len(recent) :] = recent**-2.0
    windows = np.lib.stride_tricks.sliding_window_view(inverse[:-1], holding_sessions, axis=0)
    here = np.isfinite(windows)
    number = here.sum(axis=-1)
    return np.where(number > 0, np.where(here, windows, 0.0).sum(axis=-1) / np.maximum(number, 1), np.nan)
