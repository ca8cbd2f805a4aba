"""Predicted against realised volatility of the book held, as a zipline metrics set.

zipline's default metrics plus these columns, all annual, in the row of session t:

``predicted_vol``
    Forecast at the close of t-1 for the book that is held through t: an order placed at t-1 fills at the
    close of t and belongs to row t+1. NaN before the first forecast, 0 for a book of cash.
``risk_contributions``
    How that splits over the stocks: a dictionary by symbol that sums to ``predicted_vol``.
``unmodelled``, ``unmodelled_weight``
    Symbols of the stocks held without a forecast, which ``predicted_vol`` leaves out, and the sum of their
    absolute weights.
``cash_weight``
    One less the sum of the weights: negative where money is borrowed.
``weight_drift``
    How far prices have carried the weights from those after the last trade: the turnover, one way, that would
    bring them back.
``realized_vol``
    Standard deviation of the last 63 daily returns of the algorithm, through t.

A forecast at every close costs about as much as the rest of a monthly backtest. In the set
``volplugin-at-rebalance`` the strategy's own last forecast stands until it asks for another: the book is looked at
every session all the same.

After the run ``context.risk_report`` holds the scorecard; it stays empty for fewer than 63 predictions.
"""

from __future__ import annotations

import math
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from zipline.finance import metrics
from zipline.utils.algo_instance import get_algo_instance

from volplugin.adapters.zipline.portfolio_risk import NOTHING_HELD, Holdings, PortfolioRiskCalculator, forecast_of
from volplugin.adapters.zipline.provider import provider_of
from volplugin.errors import InsufficientHistoryError
from volplugin.portfolio import VolatilityTarget
from volplugin.units import annualize, deannualize

NAME = "volplugin"
AT_REBALANCE = "volplugin-at-rebalance"
WINDOW = 63
"""Sessions of ``realized_vol``: a quarter."""

NOTHING: dict[str, Any] = {
    "predicted_vol": np.nan,
    "risk_contributions": {},
    "unmodelled": (),
    "unmodelled_weight": np.nan,
    "cash_weight": np.nan,
    "weight_drift": np.nan,
}


def register_metrics(name: str = NAME) -> None:
    """Register the metrics sets, for ``zipline run --metrics-set volplugin``; again changes nothing.

    Parameters
    ----------
    name : str, default "volplugin"
        Name to register the main one under; ``volplugin-at-rebalance`` comes with it.
    """
    for wanted, refresh in ((name, True), (AT_REBALANCE, False)):
        if wanted not in metrics.metrics_sets:
            metrics.register(wanted, partial(volplugin_metrics, refresh=refresh))


def volplugin_metrics(*, refresh: bool = True) -> set[Any]:
    """Make zipline's default metrics and `RiskMetrics`."""
    return {*metrics.load("default"), RiskMetrics(refresh=refresh)}


class RiskMetrics:
    """The columns of this module, and the scorecard at the end.

    Parameters
    ----------
    window : int, default 63
        Sessions of ``realized_vol``.
    refresh : bool, default True
        Forecast at every close; if False the last forecast that the strategy asked for stands.
    """

    def __init__(self, window: int = WINDOW, *, refresh: bool = True) -> None:
        self.window = window
        self.refresh = refresh
        self._forget()

    def _forget(self) -> None:
        self._standing: dict[str, Any] = NOTHING
        self._predicted: dict[pd.Timestamp, float] = {}
        self._traded = NOTHING_HELD
        self._coverage = PortfolioRiskCalculator(None, [])

    def start_of_simulation(
        self, ledger: Any, emission_rate: str, calendar: Any, sessions: pd.DatetimeIndex, benchmark: Any
    ) -> None:
        """Forget the run before: zipline uses one object for many."""
        self._forget()

    def end_of_session(
        self, packet: dict[str, Any], ledger: Any, session: pd.Timestamp, session_ix: int, data_portal: Any
    ) -> None:
        """Write the row of a session, then look at the book that goes into the next."""
        row, today = packet["daily_perf"], _naive(session)
        row.update(self._standing)
        row["realized_vol"] = _realized(ledger.daily_returns_array[: session_ix + 1], self.window)
        self._predicted[today] = self._standing["predicted_vol"]
        held = Holdings.of_ledger(ledger)
        if ledger.transactions(row["period_close"]):
            self._traded = held
        self._standing = self._expected(held, today) if ledger.portfolio.portfolio_value > 0 else NOTHING

    def _expected(self, held: Holdings, session: pd.Timestamp) -> dict[str, Any]:
        """Look at the book at a close: what is expected of it over the sessions to come."""
        algorithm = get_algo_instance()
        provider = provider_of(algorithm)
        if provider is None:
            return NOTHING
        forecast = (
            forecast_of(algorithm, provider, session, held.symbols)
            if self.refresh
            else provider.last_forecast(algorithm)
        )
        if not self._coverage.is_of(forecast, held.symbols):
            self._coverage = PortfolioRiskCalculator(forecast, held.symbols)
        risk = self._coverage.risk(held.weights)
        return {
            "predicted_vol": risk.predicted_vol,
            "risk_contributions": risk.contributions,
            "unmodelled": risk.unmodelled,
            "unmodelled_weight": risk.unmodelled_weight,
            "cash_weight": held.cash,
            "weight_drift": held.drift_from(self._traded),
        }

    def end_of_simulation(
        self,
        packet: dict[str, Any],
        ledger: Any,
        calendar: Any,
        sessions: pd.DatetimeIndex,
        data_portal: Any,
        benchmark: Any,
    ) -> None:
        """Judge the run: the packet becomes ``context.risk_report``."""
        from volplugin.evaluation.portfolio import portfolio_scorecard

        predicted = deannualize(pd.Series(self._predicted, dtype=float).rename("predicted_vol"))
        returns = pd.Series(ledger.daily_returns_array, index=predicted.index, name="returns")
        with suppress(InsufficientHistoryError):  # a run too short to be judged
            packet.update(portfolio_scorecard(predicted, returns, target=_target(get_algo_instance())))


def _realized(returns: np.ndarray, window: int) -> float:
    """Annual standard deviation of the last returns, on bare arrays: this is asked every session."""
    if len(returns) < window:
        return np.nan
    apart = returns[-window:] - returns[-window:].sum() / window
    return annualize(math.sqrt(apart @ apart / (window - 1)))


def _target(algorithm: Any) -> float | None:
    """Annual target of the strategy, if it keeps a `VolatilityTarget` as ``context.target``."""
    kept: Any = getattr(algorithm, "target", None)
    # By name: in a notebook the class may have been loaded anew since the strategy made its own.
    return kept.target if type(kept).__name__ == VolatilityTarget.__name__ else None


def _naive(session: pd.Timestamp) -> pd.Timestamp:
    return session if session.tz is None else session.tz_localize(None)
