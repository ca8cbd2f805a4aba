"""Predicted against realised volatility of the portfolio held, as a zipline metrics set.

zipline's default metrics (its statistics are computed at the end of the run, with the same values) plus these
columns, all annual, in the row of session t:

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

from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd
from zipline.finance import metrics
from zipline.utils.algo_instance import get_algo_instance

from volplugin.adapters.zipline.default_metrics import default_metrics
from volplugin.adapters.zipline.portfolio_risk import (
    NOTHING_HELD,
    Holdings,
    PortfolioRisk,
    cash_and_drift,
    portfolio_risks,
)
from volplugin.adapters.zipline.provider import RiskProvider, providers_of
from volplugin.data.calendars import calendar_periods
from volplugin.errors import InsufficientHistoryError
from volplugin.portfolio import VolatilityTarget
from volplugin.risk.covariance_path import CovarianceArrays
from volplugin.risk.tail_risk import HISTORY_SESSIONS
from volplugin.units import annualize, deannualize

NAME = "volplugin"
AT_REBALANCE = "volplugin-at-rebalance"
"""Former name of a set that forecast at rebalances only: now the same set."""
WINDOW = 63
"""Sessions of ``realized_vol``: a quarter."""

NO_FORECAST = (*PortfolioRisk(), np.nan)
COLUMNS = (*PortfolioRisk._fields, "forecast_horizon", "value_at_risk", "expected_shortfall", "tail_method")
"""Columns of a provider: `NO_FORECAST` and `NO_TAILS` in a row without a forecast."""
NO_TAILS = (np.nan, np.nan, None)
TAIL_LEVELS = (0.01, 0.025)
"""Tail probabilities of the value at risk and the expected shortfall."""


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
    return {*default_metrics(), RiskMetrics()}


class RiskMetrics:
    """The columns of this module, and the scorecard at the end of the run.

    A close stores its portfolio and forecast; the numbers are computed for many closes at once, and written into the
    rows at the end of the run.
    """

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._periods = 252
        self._traded = NOTHING_HELD
        self._rows: list[dict[str, Any]] = []
        self._sessions: list[pd.Timestamp] = []
        self._portfolios: list[tuple[Holdings, Holdings | None]] = [(NOTHING_HELD, None)]
        self._providers: list[_ProviderColumns] = []

    def start_of_simulation(self, ledger: Any, emission_rate: str, calendar: Any, *others: Any) -> None:
        """Forget the run before: zipline uses one object for many runs."""
        self._reset()
        self._periods = calendar_periods(calendar.name)

    def end_of_session(self, packet: dict[str, Any], ledger: Any, session: pd.Timestamp, *others: Any) -> None:
        """Store the row of a session, and the portfolio and its forecast for the next row."""
        row, algorithm = packet["daily_perf"], get_algo_instance()
        self._rows.append(row)
        self._sessions.append(session if session.tzinfo is None else session.tz_localize(None))
        held, providers = Holdings.of_ledger(ledger), providers_of(algorithm)
        if ledger.transactions(row["period_close"]):
            self._traded = held
        is_worth = bool(providers) and ledger.portfolio.portfolio_value > 0
        self._portfolios.append((held, self._traded if is_worth else None))
        for provider in providers[len(self._providers) :]:
            columns = _ProviderColumns(provider, self._periods, self._sessions, ledger.daily_returns_array)
            provider.read_history(algorithm, columns.past)
            self._providers.append(columns)
        for columns in self._providers:
            columns.close(algorithm, held if is_worth else None)

    def end_of_simulation(self, packet: dict[str, Any], ledger: Any, *others: Any) -> None:
        """Write the columns and evaluate the run: the packet becomes ``context.risk_report``."""
        from volplugin.evaluation.portfolio import portfolio_scorecard

        index = pd.DatetimeIndex(self._sessions)
        returns = pd.Series(ledger.daily_returns_array, index=index, name="returns")
        realized = annualize(returns.rolling(WINDOW).std(), self._periods).tolist()
        for place, columns in enumerate(self._providers):
            columns.write(self._rows, f"_{place + 1}" if place else "", returns)
        drifts: list[Any] = []
        for traded, portfolios in groupby(self._portfolios, itemgetter(1)):
            held = [one for one, _ in portfolios]
            drifts += [(np.nan, np.nan)] * len(held) if traded is None else cash_and_drift(held, traded)
        for row, (cash, drift), past in zip(self._rows, drifts, realized, strict=False):
            if not self._providers:
                row.update(zip(COLUMNS, NO_FORECAST + NO_TAILS, strict=True))
            row.update(cash_weight=cash, weight_drift=drift, realized_vol=past, periods_per_year=self._periods)
        predicted, ahead = (
            deannualize(pd.Series([row[name] for row in self._rows], index, dtype=float).rename(name), self._periods)
            for name in ("predicted_vol", "predicted_vol_horizon")
        )
        with suppress(InsufficientHistoryError):  # too few predictions for a scorecard
            horizon = self._providers[0].horizon if self._providers else 1
            longer: dict[str, Any] = {"predicted_horizon": ahead, "horizon": horizon} if horizon != 1 else {}
            target = _target(get_algo_instance())
            packet.update(portfolio_scorecard(predicted, returns, target, **longer, periods=self._periods))


class _ProviderColumns:
    """The columns of one provider in one run; the run adds its sessions and returns to the lists passed here."""

    def __init__(self, provider: RiskProvider, periods: float, sessions: list[pd.Timestamp], returns: Any) -> None:
        self.horizon = provider.horizon
        self._provider, self._periods, self._sessions, self._returns = provider, periods, sessions, returns
        self._columns: list[tuple[Any, ...]] = [NO_FORECAST] * len(sessions)
        self._pending: list[tuple[Holdings, list[CovarianceArrays] | list[None]]] = []

    def close(self, algorithm: Any, held: Holdings | None) -> None:
        """Store the portfolio and its forecast at a close; no portfolio if it is worth nothing."""
        horizons = (1,) if self.horizon == 1 else (1, self.horizon)
        if held is None:
            self._compute()
            self._columns.append(NO_FORECAST)
            return
        forecasts = self._provider.arrays_at(algorithm, self._sessions[-1], held.assets, *horizons)
        if self._pending:
            last, earlier = self._pending[-1]
            is_same = all(_assets(one) is _assets(other) for one, other in zip(forecasts, earlier, strict=True))
            size = len(self._pending) * len(_assets(forecasts[0])) ** 2
            if held.assets != last.assets or not is_same or size > PENDING_ENTRIES:
                self._compute()
        self._pending.append((held, forecasts))

    def past(self) -> pd.DataFrame:
        """Return the rows so far for `RiskProvider.history`, with *annual* volatilities."""
        self._compute()
        count = len(self._sessions)
        begin = max(0, count - HISTORY_SESSIONS)
        volatility = [row[0] for row in self._columns[begin:count]]
        sessions = pd.DatetimeIndex(self._sessions[begin:], name="session")
        return pd.DataFrame({"returns": self._returns[begin:count], "volatility": volatility}, sessions)

    def write(self, rows: list[dict[str, Any]], suffix: str, returns: pd.Series) -> None:
        """Write the columns into the run's rows; the tails of each session use the sessions before it only."""
        from volplugin.evaluation.tail_limits import limits_by_level

        self._compute()
        annual = pd.Series([one[0] for one in self._columns[: len(rows)]], returns.index)
        limits = limits_by_level(returns, deannualize(annual, self._periods), TAIL_LEVELS)
        var, shortfall = limits.values()
        tails = zip(-var["value_at_risk"], -shortfall["expected_shortfall"], var["method"], strict=True)
        names = [name + suffix for name in COLUMNS]
        for row, columns, tail in zip(rows, self._columns, tails, strict=False):
            row.update(zip(names, columns + tail, strict=True))

    def _compute(self) -> None:
        """Compute the columns of the stored closes."""
        if not self._pending:
            return
        held, forecasts = zip(*self._pending, strict=True)
        self._pending = []
        risks = portfolio_risks(*zip(*forecasts, strict=True), held=held, periods=self._periods)
        self._columns += [(*risk, self.horizon) for risk in risks]


PENDING_ENTRIES = 2**20
"""Entries of the correlation matrices of stored closes: 8 MB."""


def _assets(covariance: CovarianceArrays | None) -> Any:
    return () if covariance is None else covariance.assets


def _target(algorithm: Any) -> float | None:
    """Annual target of the strategy, if it stores a `VolatilityTarget` as ``context.target``."""
    rule: Any = getattr(algorithm, "target", None)
    # By name: in a notebook the class may have been reloaded since the strategy made its object.
    is_rule = type(rule).__name__ == VolatilityTarget.__name__
    return rule.target if is_rule and rule.measure == "volatility" else None
