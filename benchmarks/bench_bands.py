"""Scorecards of simulated zipline runs whose one-session forecasts are right: how often each band holds.

    python benchmarks/bench_bands.py
    python benchmarks/bench_bands.py --runs 20

Each run has its own bundle of four stocks, returns with a common GARCH(1, 1) volatility, Student-t(6) innovations and
constant correlations, and a risk model that forecasts their true covariance. The strategy holds equal weights, traded
monthly without costs. Prints a Markdown table of shares over the runs' scorecards: inside each band, or not rejected at
5%, with twice the binomial standard error of the runs. With `--sizes` the sizes of tests outside 3% to 7% are stored
where the package reads them.
"""

import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import click
import numpy as np
import pandas as pd
from bench_tests import write_sizes
from machine import describe_machine
from zipline.api import date_rules, order_target_percent, schedule_function, set_commission, set_slippage, symbol
from zipline.finance import commission, slippage
from zipline.utils.calendar_utils import get_calendar

from volplugin import PricePanel, RiskModel, RiskProvider
from volplugin._bundles import bundle_from_frames
from volplugin.adapters.zipline import register_metrics
from volplugin.adapters.zipline.run import run_hooks
from volplugin.correlation.base import CorrelationEstimator
from volplugin.correlation.moments import PairMoments
from volplugin.evaluation.portfolio import TAIL_TESTS
from volplugin.volatility.base import VolatilityForecaster

NAMES = ["AAA", "BBB", "CCC", "DDD"]
SIGMA = np.array([0.010, 0.015, 0.020, 0.012])
RHO = np.array([[1.0, 0.5, 0.4, 0.3], [0.5, 1.0, 0.5, 0.4], [0.4, 0.5, 1.0, 0.2], [0.3, 0.4, 0.2, 1.0]])
DOF, ALPHA, BETA = 6.0, 0.08, 0.90
WARM_UP = 30
"""Sessions before the run."""


class TrueVolatility(VolatilityForecaster):
    """Volatility of the session after `asof`, from a table.

    Parameters
    ----------
    table : DataFrame of shape (n_sessions, n_assets)
        Daily volatility of the next session.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    @property
    def lookback(self) -> int:
        """One session."""
        return 1

    @property
    def requires_fit(self) -> bool:
        """Nothing is learned."""
        return False

    def _predict_path(self, panel: PricePanel, horizon: int, first: int) -> pd.DataFrame:
        return self.table.reindex(index=panel.sessions, columns=panel.assets)


class TrueCorrelation(CorrelationEstimator):
    """The constant correlation of the simulation."""

    @property
    def lookback(self) -> int:
        """One session."""
        return 1

    def _estimate(self, z: np.ndarray) -> PairMoments:
        return PairMoments(RHO, np.full(RHO.shape, 1e9))


def simulate(seed: int, sessions: pd.DatetimeIndex) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Bars by stock, and the true daily volatility of the session after each session."""
    random, count = np.random.default_rng(seed), len(sessions)
    scale = np.sqrt((DOF - 2) / random.chisquare(DOF, count))
    z = random.standard_normal((count, 4)) @ np.linalg.cholesky(RHO).T * scale[:, None]
    common = z.mean(axis=1) / np.sqrt(RHO.mean())  # of unit variance; drives the volatility
    variance = np.ones(count + 1)
    for t in range(count):
        variance[t + 1] = 1 - ALPHA - BETA + (ALPHA * common[t] ** 2 + BETA) * variance[t]
    level = np.sqrt(variance)
    returns = np.clip(z * SIGMA * level[:-1, None], -0.5, 0.5)
    # High prices, as zipline stores thousandths.
    close = np.round(5000 * np.cumprod(1 + returns, axis=0), 3)
    table = pd.DataFrame(np.outer(level[1:], SIGMA), sessions, NAMES)
    bars = {
        name: pd.DataFrame({field: close[:, place] for field in ("open", "high", "low", "close")}, sessions).assign(
            volume=1e9
        )
        for place, name in enumerate(NAMES)
    }
    return bars, table


def scorecard(seed: int, sessions: pd.DatetimeIndex) -> dict[str, Any]:
    """Scorecard of one run."""
    bars, table = simulate(seed, sessions)
    name, found = f"bands{seed}", {}
    bundle_from_frames(name, bars)

    def rebalance(context: Any, data: Any) -> None:
        for asset in context.assets:
            order_target_percent(asset, 0.9 / len(NAMES))

    def initialize(context: Any) -> None:
        set_commission(us_equities=commission.PerShare(0.0, 0.0))
        set_slippage(us_equities=slippage.FixedSlippage(0.0))
        context.assets = [symbol(one) for one in NAMES]
        context.risk = RiskProvider(RiskModel(TrueVolatility(table), TrueCorrelation()), bundle=name, horizon=1)
        schedule_function(rebalance, date_rules.month_start())

    def analyze(context: Any, perf: pd.DataFrame) -> None:
        found.update(context.risk_report)

    hooks = {"initialize": initialize, "analyze": analyze}
    run_hooks(hooks, name, sessions[WARM_UP], None, 1e9, None, None, "volplugin", optional=("bundle",))
    return found


def inside(card: dict[str, Any]) -> dict[str, list[bool]]:
    """Whether each statistic of a scorecard is inside its band, or its test does not reject at 5%."""
    bias = card["bias_statistic"]
    found = {
        "bias": [bias["within"]],
        "bias, calendar years": [year["bias_statistic"]["within"] for year in card["by_year"].values()],
        "MRAD of 21 sessions": [card["mrad_21_band"]["lower"] <= card["mrad_21"] <= card["mrad_21_band"]["upper"]],
        "Q": [card["q_statistic_band"]["lower"] <= card["q_statistic"] <= card["q_statistic_band"]["upper"]],
        "Mincer-Zarnowitz": [card["mincer_zarnowitz"]["pvalue"] >= 0.05],
    }
    kinds = {"scorecards": card["tail_risk"], "historical limits in scorecards": card["exceedances"]["historical"]}
    for kind, tails in kinds.items():
        for tail, row in tails.items():
            for name, test in TAIL_TESTS.items():
                found[f"{test} of {kind}, {tail}"] = [row[f"{name}_pvalue"] >= 0.05]
    return found


def counted(cards: list[dict[str, Any]]) -> dict[str, list[bool]]:
    """Results of all scorecards by statistic."""
    counts: dict[str, list[bool]] = defaultdict(list)
    for card in cards:
        for name, results in inside(card).items():
            counts[name] += results
    return counts


def off_size(counts: Mapping[str, list[bool]]) -> dict[str, dict[str, float]]:
    """Of each test of tails, by tail: how often it rejects, where that is not 3% to 7%, nor chance."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for name, results in counts.items():
        test, _, tail = name.partition(", ")
        size, error = 1 - float(np.mean(results)), np.sqrt(0.05 * 0.95 / len(results))
        if tail.endswith("%") and abs(size - 0.05) > max(0.02, 2 * error):
            found[test][f"{float(tail[:-1]) / 100:g}"] = round(size, 3)
    return found


def table(cards: list[dict[str, Any]]) -> list[str]:
    """Lines of a Markdown table: shares over the scorecards, with twice their standard errors."""
    counts = counted(cards)
    lines = ["| statistic | inside, of 95% | two standard errors | number |", "|---|---|---|---|"]
    for name, results in counts.items():
        share = np.mean(results)
        error = 2 * np.sqrt(share * (1 - share) / len(results))
        lines.append(f"| {name} | {share:.1%} | {error:.1%} | {len(results)} |")
    quarters = [card["bias_63"]["share_inside"] for card in cards]
    error = 2 * np.std(quarters) / np.sqrt(len(quarters))
    return [*lines, f"| bias, 63 sessions | {np.mean(quarters):.1%} | {error:.1%} | {len(quarters)} runs |"]


@click.command()
@click.option("--runs", default=200, show_default=True, help="Zipline runs, seeds 0, 1, 2 and so on.")
@click.option("--start", default="2010-01-04", show_default=True)
@click.option("--end", default="2013-12-31", show_default=True)
@click.option("--sizes", type=click.Path(path_type=Path), help="JSON file of the sizes that p-values are printed with.")
def main(runs: int, start: str, end: str, sizes: Path | None) -> None:
    """Run, count and print."""
    register_metrics()
    sessions, began = get_calendar("XNYS").sessions_in_range(start, end), time.process_time()
    cards = []
    for seed in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["ZIPLINE_ROOT"] = folder
            cards.append(scorecard(seed, sessions))
    print(f"{describe_machine()}\n\n{runs} runs of {cards[0]['sessions']:,} sessions with a forecast\n")
    print("\n".join(table(cards)))
    if sizes is not None:
        counts = counted(cards)
        write_sizes(sizes, off_size(counts), [name for name in counts if name.endswith("%")])
    print(f"\n{time.process_time() - began:.0f} processor seconds")


if __name__ == "__main__":
    main()
