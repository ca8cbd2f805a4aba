"""Predicted against realised volatility of the book held, as a zipline metrics set.

zipline's default metrics plus these columns, all annual, in the row of session t:

``predicted_vol``
    Forecast at the close of t-1 for the book that is held through t: an order placed at t-1 fills at the
    close of t and belongs to row t+1. NaN before the first forecast, 0 for a book of cash.
``risk_contributions``
    How that splits over the stocks: a dictionary by symbol that sums to ``predicted_vol``.
``unmodelled_weight``
    Sum of absolute weights of stocks held without a forecast; ``predicted_vol`` leaves them out.
``cash_weight``
    One less the sum of the weights: negative where money is borrowed.
``realized_vol``
    Standard deviation of the last 63 daily returns of the algorithm, through t.

After the run ``context.risk_report`` holds the scorecard; it stays empty for fewer than 63 predictions.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
from zipline.finance import metrics
from zipline.utils.algo_instance import get_algo_instance

from volplugin.adapters.zipline.provider import RiskProvider, provider_of
from volplugin.covariance import CovarianceForecast
from volplugin.errors import InsufficientHistoryError
from volplugin.targeting import VolatilityTarget
from volplugin.units import TRADING_DAYS, annualize, deannualize

NAME = "volplugin"
WINDOW = 63
"""Sessions of ``realized_vol``: a quarter."""

NOTHING: dict[str, Any] = {
    "predicted_vol": np.nan,
    "risk_contributions": {},
    "unmodelled_weight": np.nan,
    "cash_weight": np.nan,
}


def register_metrics(name: str = NAME) -> None:
    """Register the metrics set, for ``zipline run --metrics-set volplugin``; again changes nothing.

    Parameters
    ----------
    name : str, default "volplugin"
        Name to register it under.
    """
    if name not in metrics.metrics_sets:
        metrics.register(name, volplugin_metrics)


def volplugin_metrics() -> set[Any]:
    """Make zipline's default metrics and `RiskMetrics`."""
    return {*metrics.load("default"), RiskMetrics()}


class RiskMetrics:
    """The columns of this module, and the scorecard at the end.

    Parameters
    ----------
    window : int, default 63
        Sessions of ``realized_vol``.
    """

    def __init__(self, window: int = WINDOW) -> None:
        self.window = window
        self._standing = NOTHING
        self._predicted: dict[pd.Timestamp, float] = {}

    def start_of_simulation(
        self, ledger: Any, emission_rate: str, calendar: Any, sessions: pd.DatetimeIndex, benchmark: Any
    ) -> None:
        """Forget the run before: zipline uses one object for many."""
        self._standing, self._predicted = NOTHING, {}

    def end_of_session(
        self, packet: dict[str, Any], ledger: Any, session: pd.Timestamp, session_ix: int, data_portal: Any
    ) -> None:
        """Write the row of a session, then look at the book that goes into the next."""
        row = packet["daily_perf"]
        row.update(self._standing)
        row["realized_vol"] = _realized(ledger.daily_returns_array[: session_ix + 1], self.window)
        self._predicted[_naive(session)] = self._standing["predicted_vol"]
        algorithm = get_algo_instance()
        self._standing = _expected(algorithm, provider_of(algorithm), ledger.portfolio, _naive(session))

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
        from volplugin.evaluation.scorecard import portfolio_scorecard

        predicted = deannualize(pd.Series(self._predicted, dtype=float).rename("predicted_vol"))
        returns = pd.Series(ledger.daily_returns_array, index=predicted.index, name="returns")
        with suppress(InsufficientHistoryError):  # a run too short to be judged
            packet.update(portfolio_scorecard(predicted, returns, target=_target(get_algo_instance())))


def _expected(algorithm: Any, provider: RiskProvider | None, portfolio: Any, session: pd.Timestamp) -> dict[str, Any]:
    """Look at the book at a close: what is expected of it over the sessions to come."""
    value = portfolio.portfolio_value
    if provider is None or not value > 0:
        return NOTHING
    weights = pd.Series(
        {asset.symbol: held.amount * held.last_sale_price / value for asset, held in portfolio.positions.items()},
        dtype=float,
    )
    forecast = _forecast(algorithm, provider, session, list(weights.index))
    modelled = weights.index.isin([] if forecast is None else forecast.assets)
    expected = {
        "predicted_vol": 0.0,
        "risk_contributions": {},
        "unmodelled_weight": float(weights[~modelled].abs().sum()),
        "cash_weight": 1.0 - float(weights.sum()),
    }
    if forecast is not None:
        contributions = forecast.risk_contributions(weights[modelled], periods=TRADING_DAYS)
        expected["predicted_vol"] = float(contributions.sum())
        expected["risk_contributions"] = contributions.to_dict()
    return expected


def _forecast(
    algorithm: Any, provider: RiskProvider, session: pd.Timestamp, symbols: list[str]
) -> CovarianceForecast | None:
    """Forecast what can be forecast of the book; None if nothing can."""
    if not symbols:
        return None
    try:
        return provider.forecast_at(algorithm, session, symbols)
    except InsufficientHistoryError:
        return None


def _realized(returns: np.ndarray, window: int) -> float:
    return float(annualize(returns[-window:].std(ddof=1))) if len(returns) >= window else np.nan


def _target(algorithm: Any) -> float | None:
    """Annual target of the strategy, if it keeps a `VolatilityTarget` as ``context.target``."""
    kept = getattr(algorithm, "target", None)
    return kept.target if isinstance(kept, VolatilityTarget) else None


def _naive(session: pd.Timestamp) -> pd.Timestamp:
    return session if session.tz is None else session.tz_localize(None)
