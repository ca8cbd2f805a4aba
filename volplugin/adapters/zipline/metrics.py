"""Predicted against realised volatility of the portfolio held, as a zipline metrics set.

zipline's default metrics plus these columns, all annual, in the row of session t:

``predicted_vol``
    One-session forecast, made at the close of t-1, of the portfolio that is held through t: an order placed at t-1
    fills at the close of t and belongs to row t+1. NaN before the first forecast, 0 for a portfolio of cash.
``risk_contributions``
    Contribution of each stock to ``predicted_vol``: a dictionary by symbol that sums to it.
``predicted_vol_market``, ``predicted_vol_specific``
    The part of ``predicted_vol`` from the market, the equal-weight portfolio of all stocks with a forecast (negative
    for a negative beta), and the rest; the sum of their squares is the square of ``predicted_vol``.
``predicted_vol_horizon``, ``forecast_horizon``
    Volatility of the same portfolio over the provider's horizon, and that horizon in sessions.
``unmodelled``, ``unmodelled_weight``
    Symbols of the stocks held without a forecast, which ``predicted_vol`` leaves out, and the sum of their
    absolute weights.
``cash_weight``
    One less the sum of the weights: negative if money is borrowed.
``weight_drift``
    One-way turnover that would restore the weights after the last trade, from which prices have moved them.
``realized_vol``
    Standard deviation of the last 63 daily returns of the algorithm, through t.
``periods_per_year``
    Sessions per year of the run's calendar, by which the volatilities are annual: 252 for XNYS.
``value_at_risk``, ``expected_shortfall``, ``tail_method``
    Not annual: losses in session t of the same portfolio, forecast with ``predicted_vol``. The loss exceeded with a
    probability of 1%, and the mean of the worst 2.5%. The method is "historical" (the last 1,260 standardised returns
    of the portfolio held) from 500 returns on, "student" before.

The columns of a provider (the first four rows above and the last) have the suffix ``_2`` for the second one,
``_3`` for the third.

After the run ``context.risk_report`` holds the scorecard of the first provider; it stays empty for fewer than 63
predictions.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
from zipline.finance import metrics
from zipline.utils.algo_instance import get_algo_instance

from volplugin.adapters.zipline.portfolio_risk import (
    NOTHING_HELD,
    Holdings,
    PortfolioRiskCalculator,
    covariances_at_close,
)
from volplugin.adapters.zipline.provider import RiskProvider, providers_of
from volplugin.data.calendars import calendar_periods
from volplugin.errors import InsufficientHistoryError
from volplugin.portfolio import VolatilityTarget
from volplugin.units import annualize, deannualize

NAME = "volplugin"
AT_REBALANCE = "volplugin-at-rebalance"
"""Former name of a set that forecast at rebalances only: now the same set."""
WINDOW = 63
"""Sessions of ``realized_vol``: a quarter."""

NO_FORECAST: dict[str, Any] = {
    "predicted_vol": np.nan,
    "predicted_vol_market": np.nan,
    "predicted_vol_specific": np.nan,
    "predicted_vol_horizon": np.nan,
    "forecast_horizon": np.nan,
    "risk_contributions": {},
    "unmodelled": (),
    "unmodelled_weight": np.nan,
}
TAIL_COLUMNS = ("value_at_risk", "expected_shortfall", "tail_method")
TAIL_LEVELS = (0.01, 0.025)
"""Tail probabilities of the value at risk and the expected shortfall."""
NO_PORTFOLIO: dict[str, Any] = {"cash_weight": np.nan, "weight_drift": np.nan}


def register_metrics(name: str = NAME) -> None:
    """Register the metrics set, for ``zipline run --metrics-set volplugin``; a second call changes nothing.

    Parameters
    ----------
    name : str, default "volplugin"
        Name of the set; ``volplugin-at-rebalance`` is another name for it.
    """
    for wanted in (name, AT_REBALANCE):
        if wanted not in metrics.metrics_sets:
            metrics.register(wanted, volplugin_metrics)


def volplugin_metrics() -> set[Any]:
    """Make zipline's default metrics and `RiskMetrics`."""
    return {*metrics.load("default"), RiskMetrics()}


class RiskMetrics:
    """The columns of this module, and the scorecard at the end of the run."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._periods = 252
        self._row: dict[str, Any] = NO_FORECAST | NO_PORTFOLIO
        self._predicted: dict[pd.Timestamp, float] = {}
        self._ahead: dict[pd.Timestamp, float] = {}
        self._horizon: int | None = None
        self._traded = NOTHING_HELD
        self._calculators: list[PortfolioRiskCalculator] = []
        self._rows: list[dict[str, Any]] = []

    def start_of_simulation(
        self, ledger: Any, emission_rate: str, calendar: Any, sessions: pd.DatetimeIndex, benchmark: Any
    ) -> None:
        """Forget the run before: zipline uses one object for many runs."""
        self._reset()
        self._periods = calendar_periods(calendar.name)

    def end_of_session(
        self, packet: dict[str, Any], ledger: Any, session: pd.Timestamp, session_ix: int, data_portal: Any
    ) -> None:
        """Write the row of a session, then predict the risk of the portfolio for the next row."""
        row, today = packet["daily_perf"], _naive(session)
        row.update(self._row)
        row["realized_vol"] = _realized(ledger.daily_returns_array[: session_ix + 1], self._periods)
        row["periods_per_year"] = self._periods
        self._rows.append(row)
        for place, provider in enumerate(providers_of(get_algo_instance())):
            predicted = self._row.get(f"predicted_vol{_suffix(place)}", np.nan)
            provider.observe(get_algo_instance(), today, float(ledger.daily_returns_array[session_ix]), predicted)
        self._predicted[today] = self._row["predicted_vol"]
        self._ahead[today] = self._row["predicted_vol_horizon"]
        if np.isfinite(self._row["forecast_horizon"]):
            self._horizon = int(self._row["forecast_horizon"])
        held = Holdings.of_ledger(ledger)
        if ledger.transactions(row["period_close"]):
            self._traded = held
        self._row = self._next_row(held, today) if ledger.portfolio.portfolio_value > 0 else NO_FORECAST | NO_PORTFOLIO

    def _next_row(self, held: Holdings, session: pd.Timestamp) -> dict[str, Any]:
        """Columns of the next session, from the portfolio and the forecasts at a close."""
        algorithm = get_algo_instance()
        providers = providers_of(algorithm)
        if not providers:
            return NO_FORECAST | NO_PORTFOLIO
        row: dict[str, Any] = {"cash_weight": held.cash, "weight_drift": held.drift_from(self._traded)}
        for place, provider in enumerate(providers):
            if place == len(self._calculators):
                self._calculators.append(PortfolioRiskCalculator(self._periods))
            columns = self._columns(self._calculators[place], algorithm, provider, held, session)
            suffix = _suffix(place)
            row.update({name + suffix: value for name, value in columns.items()})
        return row

    @staticmethod
    def _columns(
        calculator: PortfolioRiskCalculator,
        algorithm: Any,
        provider: RiskProvider,
        held: Holdings,
        session: pd.Timestamp,
    ) -> dict[str, Any]:
        """Columns of one provider."""
        horizon = provider.horizon
        next_session, ahead = covariances_at_close(algorithm, provider, session, held.symbols, 1, horizon)
        risk = calculator.risk(next_session, held)
        return {
            "predicted_vol": risk.predicted_vol,
            "predicted_vol_market": risk.market_vol,
            "predicted_vol_specific": math.sqrt(max(risk.predicted_vol**2 - risk.market_vol**2, 0.0)),
            "predicted_vol_horizon": risk.predicted_vol if horizon == 1 else calculator.volatility(ahead, held),
            "forecast_horizon": horizon,
            "risk_contributions": risk.contributions,
            "unmodelled": risk.unmodelled,
            "unmodelled_weight": risk.unmodelled_weight,
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
        """Evaluate the run: the packet becomes ``context.risk_report``."""
        from volplugin.evaluation.portfolio import portfolio_scorecard

        predicted = deannualize(pd.Series(self._predicted, dtype=float).rename("predicted_vol"), self._periods)
        returns = pd.Series(ledger.daily_returns_array, index=predicted.index, name="returns")
        self._write_tails(returns)
        with suppress(InsufficientHistoryError):  # too few predictions for a scorecard
            target, several = _target(get_algo_instance()), self._horizon not in (None, 1)
            ahead = deannualize(pd.Series(self._ahead, dtype=float), self._periods) if several else None
            horizon = self._horizon if several else None
            longer: dict[str, Any] = {"predicted_horizon": ahead, "horizon": horizon}
            packet.update(portfolio_scorecard(predicted, returns, target, **longer, periods=self._periods))

    def _write_tails(self, returns: pd.Series) -> None:
        """Add the tail columns to the rows of all sessions; each uses the sessions before it only."""
        from volplugin.evaluation.tail_limits import limits_by_level

        for suffix in map(_suffix, range(max(1, len(self._calculators)))):
            annual = pd.Series([row.get(f"predicted_vol{suffix}", np.nan) for row in self._rows], returns.index)
            var, shortfall = limits_by_level(
                returns, deannualize(annual.astype(float), self._periods), TAIL_LEVELS
            ).values()
            columns = (-var["value_at_risk"], -shortfall["expected_shortfall"], var["method"])
            for row, *cells in zip(self._rows, *columns, strict=True):
                row.update({name + suffix: cell for name, cell in zip(TAIL_COLUMNS, cells, strict=True)})


def _suffix(place: int) -> str:
    """Return the ending of the columns of a provider."""
    return f"_{place + 1}" if place else ""


def _realized(returns: np.ndarray, periods: float) -> float:
    """Annual standard deviation of the last returns; on plain arrays, as it is computed at every close."""
    if len(returns) < WINDOW:
        return np.nan
    recent = returns[-WINDOW:]
    deviations = recent - recent.sum() / WINDOW
    return annualize(math.sqrt(deviations @ deviations / (WINDOW - 1)), periods)


def _target(algorithm: Any) -> float | None:
    """Annual target of the strategy, if it stores a `VolatilityTarget` as ``context.target``."""
    rule: Any = getattr(algorithm, "target", None)
    # By name: in a notebook the class may have been reloaded since the strategy made its object.
    is_rule = type(rule).__name__ == VolatilityTarget.__name__
    return rule.target if is_rule and rule.measure == "volatility" else None


def _naive(session: pd.Timestamp) -> pd.Timestamp:
    return session if session.tz is None else session.tz_localize(None)
