"""zipline's default metrics, computed at the end of the run: the columns that zipline computes."""

import warnings

import empyrical
import numpy as np
import pandas as pd
import pytest
from zipline.api import order_target_percent, schedule_function, symbol
from zipline.finance import metrics
from zipline.finance.metrics.metric import ReturnsStatistic, SimpleLedgerField

from adapters.zipline import strategies
from volplugin.adapters.zipline.default_metrics import ReturnsStatistics, default_metrics, expanding_statistics

RANDOM = 0.01 * np.random.default_rng(0).standard_t(4, (2, 300))


def long_short_and_flat(context):
    """Nothing for a month, then long and short, then nothing again: every statistic begins and ends undefined."""

    def rebalance(context, data):
        context.month = getattr(context, "month", 0) + 1
        for name, weight in (("AAA", 0.9), ("BBB", -0.4)):
            order_target_percent(symbol(name), weight if 20 < context.month < 120 else 0.0)

    schedule_function(rebalance)


@pytest.mark.parametrize("benchmark", [None, "CCC"])
def test_every_column_is_zipline_s(small, benchmark):
    def initialize(context):
        long_short_and_flat(context)
        if benchmark:
            context.set_benchmark(symbol(benchmark))

    perfs = [
        strategies.run(small, "2016-11-01", "2017-09-15", initialize, metrics_set=name)
        for name in ("default", "volplugin")
    ]
    theirs, ours = (perf.drop(columns=["orders", "transactions"]) for perf in perfs)  # with ids drawn at random
    assert set(theirs) <= set(ours)
    pd.testing.assert_frame_equal(ours[list(theirs)], theirs, rtol=1e-9, atol=1e-15)
    assert theirs["sharpe"].notna().sum() > 100
    assert theirs["beta"].notna().any() == bool(benchmark)
    assert max(map(len, theirs["positions"])) == 2


@pytest.mark.parametrize(
    ("returns", "benchmark"),
    [
        pytest.param(RANDOM[0], RANDOM[1], id="both"),
        pytest.param(RANDOM[0], np.zeros(300), id="benchmark that never moves"),
        pytest.param(np.where(np.arange(300) < 30, 0.0, RANDOM[0]), RANDOM[1], id="nothing held at first"),
        pytest.param(np.where(np.arange(300) < 30, RANDOM[0], 0.0), RANDOM[1], id="nothing held at last"),
        pytest.param(np.abs(RANDOM[0]), RANDOM[1], id="never a loss"),
        pytest.param(np.where(np.arange(300) == 50, -1.0, RANDOM[0]), RANDOM[1], id="everything lost"),
        pytest.param(RANDOM[0], np.where(np.arange(300) < 5, np.nan, RANDOM[1]), id="benchmark that begins late"),
        pytest.param(RANDOM[0, :1], RANDOM[1, :1], id="one session"),
    ],
)
def test_statistics_are_empyrical_s_of_the_returns_so_far(returns, benchmark):
    ours = expanding_statistics(returns, benchmark)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # means of nothing
        for stop in range(1, len(returns) + 1, 7):
            alpha, beta = empyrical.alpha_beta_aligned(returns[:stop], benchmark[:stop])
            wanted = {
                "algo_volatility": empyrical.annual_volatility(returns[:stop]),
                "sharpe": empyrical.sharpe_ratio(returns[:stop]),
                "sortino": empyrical.sortino_ratio(returns[:stop]),
                "max_drawdown": empyrical.max_drawdown(returns[:stop]),
                "alpha": alpha,
                "beta": beta,
            }
            np.testing.assert_allclose(
                ours.iloc[stop - 1].where(np.isfinite), pd.Series(wanted).where(np.isfinite), rtol=1e-8, atol=1e-12
            )


def test_minutes_have_zipline_s_statistics(small):
    """A run that emits minutes has no end to wait for: zipline's own metrics write each bar."""

    class Ledger:
        daily_returns_array = RANDOM[0]

    class Benchmark:
        @staticmethod
        def daily_returns(*sessions):
            return pd.Series(RANDOM[1])

    sessions = pd.bdate_range("2020-01-01", periods=300)
    written = []
    for metrics_set in (metrics.load("default"), default_metrics()):
        packet = {"cumulative_risk_metrics": {}}
        for metric in metrics_set:
            if type(metric).__name__ in ("AlphaBeta", "ReturnsStatistic", ReturnsStatistics.__name__):
                if hasattr(metric, "start_of_simulation"):
                    metric.start_of_simulation(Ledger, "minute", None, sessions, Benchmark)
                metric.end_of_bar(packet, Ledger, sessions[99], 99, None)
        written.append(packet["cumulative_risk_metrics"])
    assert written[0] == written[1]
    assert len(written[0]) == 6


def test_metrics_that_a_user_added_stay(monkeypatch):
    added = ReturnsStatistic(empyrical.tail_ratio), SimpleLedgerField("portfolio.cash")
    ours = metrics.load("default") | set(added)
    monkeypatch.setattr(metrics, "load", lambda name: ours)
    assert set(added) <= default_metrics()
    assert len(default_metrics()) == len(ours) - 4  # six replaced by two
