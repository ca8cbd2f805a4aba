"""What the plugin adds to a backtest: a run with it against the same orders without it, one after the other.

    python benchmarks/bench_backtest.py [--only monthly|short|daily|wide]

Equal weights at a volatility target. With the plugin: an LSTM risk model of the default shape (trained for a few steps,
which costs nothing in use) that forecasts at each rebalance, and the metrics set ``volplugin``, which forecasts for the
portfolio held at every close. Without: the weights of that run, written down beforehand, and zipline's default metrics.
Of the rounds, all but the first find the volatilities of past sessions in the cache of the run before, as a strategy
that is run again and again does; the first is printed separately. The set ``volplugin`` computes zipline's own
statistics for all sessions at once, which saves time: a third run, with the orders of the second and nothing but these
metrics, shows how much. Training is not counted; reading prices and loading models is. Times are processor times of one
thread, so that other load on the machine counts little.

Thirty stocks monthly over eleven years and over three, thirty stocks daily, and 500 simulated stocks, listed and
delisted, monthly over three years.
"""

import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import click
import pandas as pd
from machine import describe_machine
from zipline import run_algorithm
from zipline.api import date_rules, order_target_percent, schedule_function
from zipline.finance import metrics

from volplugin import LSTMVolatility, ModelStore, RiskProvider, VolatilityTarget, WalkForward, read_bundle
from volplugin._bundles import ingest_bundle, register_csv_folder, register_dow30
from volplugin.adapters.zipline import register_metrics
from volplugin.adapters.zipline.default_metrics import default_metrics
from volplugin.data.simulated import simulated_market

ROUNDS = 3
AT_END = "default, at the end"
"""Metrics set of zipline's default metrics, their statistics computed at the end of the run."""
GOAL_REBALANCE, GOAL_SLOWEST, GOAL_FIRST = 5.0, 15.0, 500.0
"""Milliseconds of a rebalance: the median, the slowest, and the first of each vintage (30 stocks)."""


class Case(NamedTuple):
    """One comparison."""

    bundle: str
    start: str
    end: str
    frequency: str
    goal: float
    """Largest share of processor time added."""


CASES = {
    "monthly": Case("dow30", "2010-01-04", "2021-04-20", "monthly", 0.15),
    "short": Case("dow30", "2018-01-02", "2020-12-30", "monthly", 0.15),
    "daily": Case("dow30", "2018-01-02", "2020-12-30", "daily", 0.25),
    "wide": Case("simulated", "2018-01-02", "2020-12-30", "monthly", 0.25),
}

RULES = {"monthly": date_rules.month_start, "daily": date_rules.every_day}
Weights = dict[pd.Timestamp, dict[str, float]]


class FullCollections:
    """Time of Python's full garbage collections, which walk through all objects of the process, whoever made them."""

    def __init__(self) -> None:
        self.milliseconds: list[float] = []
        self._began = 0.0
        gc.callbacks.append(self._notice)

    def _notice(self, phase: str, details: dict[str, int]) -> None:
        if details["generation"] == 2:
            now = 1e3 * time.process_time()
            self._began = now if phase == "start" else self._began
            self.milliseconds += [now - self._began] if phase == "stop" else []


COLLECTIONS = FullCollections()


class WithPlugin:
    """A run with the risk model, which records its weights, and the time and the vintage of each forecast."""

    def __init__(self, store: str, case: Case) -> None:
        self.store, self.case = store, case
        self.weights: Weights = {}
        self.milliseconds: list[tuple[float, str]] = []

    def initialize(self, context: Any) -> None:
        """Make the provider and schedule the rebalance."""
        self.weights, self.milliseconds = {}, []
        context.universe = _universe(context)
        context.risk = RiskProvider.from_store(self.store, bundle=self.case.bundle)
        context.target = VolatilityTarget(0.10, max_leverage=1.5)
        schedule_function(self.rebalance, RULES[self.case.frequency]())

    def rebalance(self, context: Any, data: Any) -> None:
        """Forecast, scale, decompose, order."""
        tradable = [asset for asset in context.universe if data.can_trade(asset)]
        began, collected = time.process_time(), sum(COLLECTIONS.milliseconds)
        forecast = context.risk.forecast(context, data, tradable)
        weights = context.target.scale(pd.Series(1 / len(forecast.assets), forecast.assets), forecast)
        forecast.risk_contributions(weights, periods=252)
        took = 1e3 * (time.process_time() - began) - (sum(COLLECTIONS.milliseconds) - collected)
        self.milliseconds.append((took, forecast.diagnostics["model"].get("trained_through", "")))
        self.weights[data.current_session] = {asset.symbol: weight for asset, weight in weights.items()}
        for asset, weight in weights.items():
            order_target_percent(asset, weight)


class WithoutPlugin:
    """The same orders from weights written down."""

    def __init__(self, weights: Weights, case: Case) -> None:
        self.weights, self.case = weights, case

    def initialize(self, context: Any) -> None:
        """Schedule the rebalance."""
        context.universe = {asset.symbol: asset for asset in _universe(context)}
        schedule_function(self.rebalance, RULES[self.case.frequency]())

    def rebalance(self, context: Any, data: Any) -> None:
        """Order."""
        for symbol, weight in self.weights[data.current_session].items():
            if data.can_trade(context.universe[symbol]):
                order_target_percent(context.universe[symbol], weight)


def _universe(context: Any) -> list[Any]:
    return context.asset_finder.retrieve_all(context.asset_finder.equities_sids)


def run(case: Case, initialize: Callable[[Any], None], metrics_set: str) -> tuple[float, pd.Series]:
    """Return the seconds that a run took, and the portfolio's values."""
    gc.collect()  # garbage of the run before is not counted here
    began = time.process_time()
    perf = run_algorithm(
        start=pd.Timestamp(case.start),
        end=pd.Timestamp(case.end),
        initialize=initialize,
        capital_base=1e7,
        bundle=case.bundle,
        metrics_set=metrics_set,
    )
    return time.process_time() - began, perf["portfolio_value"].copy()


def register(folder: str, bundle: str) -> None:
    """Register a bundle under a folder, and the metrics sets."""
    os.environ["ZIPLINE_ROOT"] = folder
    if bundle == "dow30":
        register_dow30()
    else:
        register_csv_folder(bundle, Path(folder) / "prices")
    register_metrics()
    if AT_END not in metrics.metrics_sets:
        metrics.register(AT_END, default_metrics)


def prepare(folder: str, bundle: str, store: str, cases: list[Case]) -> None:
    """Ingest a bundle and train a store."""
    if bundle == "simulated":
        simulated_market(500, "2008-01-02", "2020-12-31").write_csv(Path(folder) / "prices")
    register(folder, bundle)
    ingest_bundle(bundle)
    walk_forward = WalkForward(LSTMVolatility(steps=5), store=ModelStore(store))
    panel = read_bundle(bundle)
    for case in cases:
        walk_forward.train(panel, case.start, case.end, progress=False)


def compare(store: str, case: Case) -> None:
    """Print the figures of one case."""
    plugin = WithPlugin(store, case)
    first, _ = run(case, plugin.initialize, "volplugin")  # for the weights
    uncached = list(plugin.milliseconds)
    plain = WithoutPlugin(dict(plugin.weights), case)
    runs = {"volplugin": plugin.initialize, "default": plain.initialize, AT_END: plain.initialize}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        values = {}
        for name, initialize in runs.items():
            took, values[name] = run(case, initialize, name)
            seconds[name].append(took)
        pd.testing.assert_series_equal(values["volplugin"], values["default"])
    best = {name: min(took) for name, took in seconds.items()}
    sessions, stocks = len(values["default"]), max(map(len, plugin.weights.values()))
    print(
        f"{case.start} to {case.end}: {len(plugin.weights)} rebalances of {stocks} stocks over {sessions} sessions, "
        f"best of {ROUNDS} runs each, in turn; {first:.1f} s with an empty cache"
    )
    for name, took in best.items():
        share = took / best["default"] - 1
        more = f"{share:9.0%} more (goal: at most {case.goal:.0%})" if name == "volplugin" else ""
        print(f"  {name:<24}{took:6.2f} s{1e3 * took / sessions:8.2f} ms per session{more}")
    print_rebalances(plugin.milliseconds, "with the cache")
    print_rebalances(uncached, "with an empty cache")
    longest = max(COLLECTIONS.milliseconds)
    print(f"  a full garbage collection takes up to {longest:.0f} ms wherever it falls, and is not in these")


def print_rebalances(milliseconds: list[tuple[float, str]], cache: str) -> None:
    """Print the time of a rebalance without full garbage collections, the first of each vintage apart."""
    vintages = [vintage for _, vintage in milliseconds]
    begins = [row == 0 or vintages[row] != vintages[row - 1] for row in range(len(vintages))]
    others = sorted(took for (took, _), first in zip(milliseconds, begins, strict=True) if not first)
    firsts = [took for (took, _), first in zip(milliseconds, begins, strict=True) if first]
    print(
        f"  {'a rebalance':<24}{others[len(others) // 2]:6.1f} ms, slowest {others[-1]:.0f} ms (goals: "
        f"{GOAL_REBALANCE:.0f} and {GOAL_SLOWEST:.0f} ms); first of each vintage {max(firsts):.0f} ms at most "
        f"(goal: {GOAL_FIRST:.0f} ms), {cache}"
    )


@click.command()
@click.option("--only", type=click.Choice(list(CASES)), multiple=True, help="Cases; all of them by default.")
def main(only: tuple[str, ...]) -> None:
    """Print the figures."""
    print(describe_machine())
    chosen = [CASES[name] for name in only or CASES]
    for bundle in dict.fromkeys(case.bundle for case in chosen):
        cases = [case for case in chosen if case.bundle == bundle]
        with tempfile.TemporaryDirectory() as folder:
            store = str(Path(folder) / f"models-{bundle}")
            # In a process of its own, as a command before the backtest: its memory is no part of the comparison.
            with ProcessPoolExecutor(1, get_context("spawn")) as other:
                other.submit(prepare, folder, bundle, store, cases).result()
            register(folder, bundle)
            for case in cases:
                compare(store, case)


if __name__ == "__main__":
    main()
