"""What the plugin adds to a backtest: a run with it against the same trades without it, one after the other.

    python benchmarks/bench_backtest.py

Thirty stocks, equal weights at a volatility target, rebalanced monthly. With the plugin: an LSTM risk model of the
default shape (trained for a few steps, which does not change its run time) at each rebalance, and the metrics set
``volplugin``, which forecasts for the portfolio every session, or ``volplugin-at-rebalance``, which uses the strategy's
own forecasts. Without: the weights of that run, written down beforehand, and zipline's default metrics. Training
is not counted; reading prices and loading models is. Of the rounds, all but the first find the volatilities of past
sessions where the run before kept them, as a strategy that is run again and again does. Times are those of the
processor, one thread, so that what else the machine does counts little.

Over eleven years, and over three of them: what is done once a run, such as reading the bundle, costs the same
whatever the length, so that a short backtest pays a larger share.
"""

import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import pandas as pd
from machine import describe_machine
from zipline import run_algorithm
from zipline.api import date_rules, order_target_percent, schedule_function

from volplugin import LSTMVolatility, ModelStore, RiskProvider, VolatilityTarget, WalkForward, read_bundle
from volplugin._bundles import ingest_bundle, register_dow30
from volplugin.adapters.zipline import register_metrics

SPANS = (("2010-01-04", "2021-04-20"), ("2018-01-02", "2020-12-30"))
ROUNDS = 3
GOAL_SHARE, GOAL_REBALANCE = 0.15, 10.0

Weights = dict[pd.Timestamp, dict[str, float]]


class WithPlugin:
    """A run with forecasts that records its weights and the time per forecast."""

    def __init__(self, store: str) -> None:
        self.store = store
        self.weights: Weights = {}
        self.milliseconds: list[float] = []

    def initialize(self, context: Any) -> None:
        """Make the provider and schedule the rebalance."""
        self.weights, self.milliseconds = {}, []
        context.universe = _universe(context)
        context.risk = RiskProvider.from_store(self.store, bundle="dow30")
        context.target = VolatilityTarget(0.10, max_leverage=1.5)
        schedule_function(self.rebalance, date_rules.month_start())

    def rebalance(self, context: Any, data: Any) -> None:
        """Forecast, measure the portfolio's volatility, order."""
        tradable = [asset for asset in context.universe if data.can_trade(asset)]
        began = time.process_time()
        forecast = context.risk.forecast(context, data, tradable)
        weights = context.target.scale(pd.Series(1 / len(forecast.assets), forecast.assets), forecast)
        forecast.risk_contributions(weights, periods=252)
        self.milliseconds.append(1e3 * (time.process_time() - began))
        self.weights[data.current_session] = {asset.symbol: weight for asset, weight in weights.items()}
        for asset, weight in weights.items():
            order_target_percent(asset, weight)


class WithoutPlugin:
    """The same orders from weights written down."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights

    def initialize(self, context: Any) -> None:
        """Schedule the rebalance."""
        context.universe = {asset.symbol: asset for asset in _universe(context)}
        schedule_function(self.rebalance, date_rules.month_start())

    def rebalance(self, context: Any, data: Any) -> None:
        """Order."""
        for symbol, weight in self.weights[data.current_session].items():
            if data.can_trade(context.universe[symbol]):
                order_target_percent(context.universe[symbol], weight)


def _universe(context: Any) -> list[Any]:
    return context.asset_finder.retrieve_all(context.asset_finder.equities_sids)


def run(span: tuple[str, str], initialize: Callable[[Any], None], metrics_set: str) -> tuple[float, pd.Series]:
    """Return the seconds that a run took, and the portfolio's values."""
    gc.collect()  # what the run before left behind is not this one's
    began = time.process_time()
    perf = run_algorithm(
        start=pd.Timestamp(span[0]),
        end=pd.Timestamp(span[1]),
        initialize=initialize,
        capital_base=1e7,
        bundle="dow30",
        metrics_set=metrics_set,
    )
    return time.process_time() - began, perf["portfolio_value"].copy()


def prepare(folder: str) -> str:
    """Ingest the bundle and train a store, both under a folder; returns the store's path."""
    os.environ["ZIPLINE_ROOT"] = folder
    register_dow30()
    ingest_bundle("dow30")
    register_metrics()
    store = str(Path(folder) / "models")
    walk_forward = WalkForward(LSTMVolatility(steps=5), store=ModelStore(store))
    panel = read_bundle("dow30")
    for span in SPANS:
        walk_forward.train(panel, *span, progress=False)
    return store


def compare(store: str, span: tuple[str, str]) -> None:
    """Print the figures of one span."""
    plugin = WithPlugin(store)
    run(span, plugin.initialize, "volplugin")  # to warm up, and for the weights
    plain = WithoutPlugin(dict(plugin.weights))
    runs = {name: (plugin.initialize, name) for name in ("volplugin", "volplugin-at-rebalance")}
    runs["without"] = (plain.initialize, "default")
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        values = {}
        for name, arguments in runs.items():
            took, values[name] = run(span, *arguments)
            seconds[name].append(took)
        pd.testing.assert_series_equal(values["volplugin"], values["without"])
        pd.testing.assert_series_equal(values["volplugin-at-rebalance"], values["without"])
    best = {name: min(took) for name, took in seconds.items()}
    asked = sorted(plugin.milliseconds)
    sessions = len(values["without"])
    print(
        f"{span[0]} to {span[1]}: {len(plugin.weights)} rebalances of 30 stocks over {sessions} sessions, "
        f"best of {ROUNDS} runs each, in turn"
    )
    for name, took in best.items():
        more = "" if name == "without" else f"{took / best['without'] - 1:9.0%} more (goal: at most {GOAL_SHARE:.0%})"
        print(f"  {name:<24}{took:6.2f} s{1e3 * took / sessions:8.2f} ms a session{more}")
    print(
        f"  {'a rebalance':<24}{asked[len(asked) // 2]:6.1f} ms, slowest {asked[-1]:.0f} ms "
        f"(goal: at most {GOAL_REBALANCE:.0f} ms; forecast, target and risk contributions, no training)"
    )


def main() -> None:
    """Print the figures."""
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        store = prepare(folder)
        for span in SPANS:
            compare(store, span)


if __name__ == "__main__":
    main()
