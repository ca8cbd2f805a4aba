"""Forecast covariance and volatility targeting in cvxportfolio (https://www.cvxportfolio.com).

    from volplugin.adapters.cvxportfolio import ForecastSigma, TargetVolatility

    risk = cvx.FullCovariance(ForecastSigma(default_risk_model(), panel))
    policy = cvx.SinglePeriodOptimization(cvx.ReturnsForecast() - 5 * risk, [cvx.LeverageLimit(1.5)])

The classes have the methods that cvxportfolio calls, and import nothing of it.

Units: cvxportfolio's covariance is of the returns of one trading period, *daily* for daily prices; so is
ours with ``periods=1``. Only `VolatilityTarget.target` is annual.

Timing: at `t` cvxportfolio trades at the prices whose returns it is given. With open prices, its own convention, the
last completed session is the one before `t`; with close prices it is `t`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from volplugin.adapters.targeting import SessionForecasts, TargetingRun, checked, session_of
from volplugin.data.panel import PricePanel
from volplugin.errors import ParameterError
from volplugin.portfolio import VolatilityTarget
from volplugin.risk.covariance import CovarianceForecast, Weights
from volplugin.risk.model import RiskModel
from volplugin.units import as_number

__all__ = ["ForecastSigma", "TargetVolatility"]


class _Gated:
    """Forecasts at the times of a simulation."""

    def __init__(self, forecasts: SessionForecasts, prices: str) -> None:
        self._forecasts = forecasts
        self.prices = checked("prices", prices, ("open", "close"))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._forecasts!r}, prices={self.prices!r})"

    def _at(self, t: pd.Timestamp, past_returns: pd.DataFrame) -> CovarianceForecast:
        if self.prices == "close":
            return self._forecasts.at(t)
        return self._forecasts.at(t, days_before=1, through=past_returns.index[-1])


class ForecastSigma(_Gated):
    """Forecast covariance for ``cvx.FullCovariance(Sigma=...)``.

    Parameters
    ----------
    model : RiskModel
        Fitted, or with vintages.
    panel : PricePanel
        Prices from well before the simulation through its last session, with the names of its assets.
    horizon : int, default 21
        Sessions that a forecast covers.
    view : {"structure", "risk", "targeting"}, default "structure"
        For an optimiser, for total risk, or for a limit on volatility.
    prices : {"open", "close"}, default "open"
        Prices of the simulation's returns. "open" uses sessions before `t`, "close" `t` too.
    periods : float, default 1
        Sessions per trading period, such as 5 for weekly; multiplies the *daily* covariance.

    Raises
    ------
    ParameterError
        For parameters outside their domain.
    """

    def __init__(
        self,
        model: RiskModel,
        panel: PricePanel,
        horizon: int = 21,
        view: str = "structure",
        prices: str = "open",
        periods: float = 1,
    ) -> None:
        super().__init__(SessionForecasts(model, panel, horizon, view), prices)
        if not 0 < as_number(periods) < np.inf:
            raise ParameterError(f"periods is {periods}; pass the number of sessions per trading period")
        self.periods = periods

    def values_in_time(self, t: pd.Timestamp, past_returns: pd.DataFrame, **kwargs: Any) -> pd.DataFrame:
        """Return the covariance of one trading period, of the assets of `past_returns` but its last column, cash.

        `past_returns` is read for dates and names only. Raises a `MissingForecastError` if an asset has no forecast
        at `t`, a `LookAheadError` if the panel ends before the last session completed at `t`.
        """
        return self._at(t, past_returns).select(past_returns.columns[:-1]).covariance * self.periods


class TargetVolatility(_Gated):
    """Policy that holds a portfolio at its target volatility, as `RiskProvider.target` does in zipline.

    Parameters
    ----------
    model, panel, prices
        As in `ForecastSigma`.
    rule : VolatilityTarget or float
        A float is the target, *annual*: 0.10 is ten percent a year.
    weights : Series or mapping of asset to weight, optional
        Wanted composition, at any leverage; equal weights by default.
    frequency : {"daily", "weekly", "monthly"}, default "daily"
        How often to rebalance; the rule's `guard` rebalances early.
    missing : {"raise", "drop"}, default "raise"
        What to do with a wanted asset that has no forecast, or does not trade: raise, or leave it out.
    """

    def __init__(
        self,
        model: RiskModel,
        panel: PricePanel,
        rule: VolatilityTarget | float,
        weights: Weights | None = None,
        frequency: str = "daily",
        missing: str = "raise",
        prices: str = "open",
    ) -> None:
        super().__init__(SessionForecasts(model, panel), prices)
        self._run = TargetingRun(rule, weights, frequency, missing)

    def initialize_estimator_recursive(self, **kwargs: Any) -> None:
        """Do nothing: the state belongs to the run, not to a universe."""

    def finalize_estimator_recursive(self, **kwargs: Any) -> None:
        """Do nothing."""

    def values_in_time_recursive(
        self,
        t: pd.Timestamp,
        current_weights: pd.Series,
        current_portfolio_value: float,
        past_returns: pd.DataFrame,
        **kwargs: Any,
    ) -> pd.Series:
        """Return the weights after trading, cash last."""
        held, last = current_weights.iloc[:-1], session_of(past_returns.index[-1])
        forecast, value = self._at(t, past_returns), current_portfolio_value
        scaled = self._run.weights(session_of(t), lambda _: last, forecast, held.index, held[held != 0], value)
        if scaled is None:
            return current_weights
        after = scaled.reindex(current_weights.index, fill_value=0.0)
        after.iloc[-1] = 1 - after.iloc[:-1].sum()
        return after
