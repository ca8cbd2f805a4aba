"""zipline's default metrics, with the same columns in less time.

At every close zipline computes each statistic of all returns so far anew, and looks each attribute of a position up
twice. Here both are written at the end of the run. In a monthly backtest of 30 stocks over eleven years this saves a
fifth of the time (``benchmarks/bench_backtest.py`` prints it).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd
from zipline.finance import metrics
from zipline.finance.metrics.metric import AlphaBeta, ReturnsStatistic, SimpleLedgerField

PERIODS = 252
"""Sessions per year of zipline's statistics, whatever the calendar."""
SMALLEST_VARIANCE = 1e-30
"""Of a benchmark with a beta, as in empyrical."""


REPLACED = {"positions", "algo_volatility", "sharpe", "sortino", "max_drawdown"}
"""Columns of zipline's metrics that are replaced, beside those of `AlphaBeta`."""


def default_metrics() -> set[Any]:
    """Make zipline's default metrics, with `Positions` and `ReturnsStatistics` in place of zipline's own."""
    own = metrics.load("default")
    replaced = [metric for metric in own if isinstance(metric, AlphaBeta) or _column(metric) in REPLACED]
    each_bar = [metric for metric in replaced if not isinstance(metric, SimpleLedgerField)]
    return {*own.difference(replaced), Positions(), ReturnsStatistics(each_bar)}


def _column(metric: Any) -> str | None:
    """Column of a metric of one column, of the kinds that are replaced."""
    if isinstance(metric, SimpleLedgerField):
        return str(metric._packet_field)
    return str(metric._field_name) if isinstance(metric, ReturnsStatistic) else None


class Positions(SimpleLedgerField):
    """The positions held, as zipline's lists of dictionaries; they are made at the end of the run."""

    def __init__(self) -> None:
        super().__init__("positions")
        self._closes: list[tuple[dict[str, Any], tuple[Any, ...]]] = []

    def start_of_simulation(self, *others: Any) -> None:
        """Forget the run before."""
        self._closes = []

    def end_of_session(self, packet: dict[str, Any], ledger: Any, *others: Any) -> None:
        """Store the positions of a session."""
        # The inner position: `Position.to_dict` looks each attribute up twice, in ten times the time.
        inner = [one.inner_position for one in ledger.position_tracker.positions.values()]
        columns = tuple(tuple(map(attribute, inner)) for attribute in _ATTRIBUTES)
        self._closes.append((packet["daily_perf"], columns))

    def end_of_simulation(self, *others: Any) -> None:
        """Write the positions of all sessions."""
        # 500 stocks over three years are 300,000 dictionaries: made one by one, each quarter more of them makes Python
        # look for cycles in all objects of the process, a twentieth of the time of the run.
        with _without_garbage_collection():
            for row, columns in self._closes:
                row["positions"] = [
                    {"sid": asset, "amount": amount, "cost_basis": cost, "last_sale_price": price}
                    for asset, amount, cost, price in zip(*columns, strict=True)
                    if amount != 0
                ]


_ATTRIBUTES = [attrgetter(name) for name in ("asset", "amount", "cost_basis", "last_sale_price")]


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class ReturnsStatistics:
    """Statistics of the returns up to each session: empyrical's, computed for all sessions at the end of the run.

    Parameters
    ----------
    each_bar : list
        Metrics that compute them at each bar, for a run that emits minutes.
    """

    def __init__(self, each_bar: list[Any]) -> None:
        self._each_bar = each_bar
        self._packets: list[dict[str, Any]] = []
        self._benchmark = np.empty(0)

    def start_of_simulation(
        self, ledger: Any, emission_rate: str, calendar: Any, sessions: Any, benchmark_source: Any
    ) -> None:
        """Forget the run before, and read the benchmark."""
        self._packets = []
        self._benchmark = benchmark_source.daily_returns(sessions[0], sessions[-1]).to_numpy()
        for metric in self._each_bar:
            if hasattr(metric, "start_of_simulation"):
                metric.start_of_simulation(ledger, emission_rate, calendar, sessions, benchmark_source)

    def end_of_bar(self, *arguments: Any) -> None:
        """Write the statistics of a bar."""
        for metric in self._each_bar:
            metric.end_of_bar(*arguments)

    def end_of_session(self, packet: dict[str, Any], *others: Any) -> None:
        """Store the packet of a session."""
        self._packets.append(packet["cumulative_risk_metrics"])

    def end_of_simulation(self, packet: dict[str, Any], ledger: Any, *others: Any) -> None:
        """Write the statistics of all sessions."""
        count = len(self._packets)
        statistics = expanding_statistics(ledger.daily_returns_array[:count], self._benchmark[:count])
        finite = statistics.astype(object).where(np.isfinite(statistics), None)
        for row, values in zip(self._packets, finite.itertuples(index=False), strict=True):
            row.update(zip(finite.columns, values, strict=True))


def expanding_statistics(returns: np.ndarray, benchmark: np.ndarray) -> pd.DataFrame:
    """Compute empyrical's statistics of the returns up to each session.

    Parameters
    ----------
    returns, benchmark : ndarray of shape (n_sessions,)
        Daily simple returns.

    Returns
    -------
    DataFrame of shape (n_sessions, 6)
        Columns: algo_volatility, sharpe, sortino, max_drawdown, alpha and beta; NaN or infinite where undefined.
    """
    own, other = pd.Series(returns), pd.Series(benchmark)
    expanding, downside = own.expanding(2), np.square(own.clip(upper=0.0)).expanding(2).mean()
    mean, volatility = expanding.mean(), np.sqrt(PERIODS) * expanding.std()
    wealth = (1 + own).cumprod()
    variance = other.expanding(2).var(ddof=0)
    beta = expanding.cov(other, ddof=0) / variance.where(variance >= SMALLEST_VARIANCE)
    both = own.where(other.notna()).expanding(2).mean()
    return pd.DataFrame(
        {
            "algo_volatility": volatility,
            "sharpe": PERIODS * mean / volatility,
            "sortino": np.sqrt(PERIODS) * mean / np.sqrt(downside),
            "max_drawdown": (wealth / wealth.cummax().clip(lower=1.0) - 1).cummin(),
            "alpha": (1 + both - beta * other.expanding(2).mean()) ** PERIODS - 1,
            "beta": beta,
        }
    )
