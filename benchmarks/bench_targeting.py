"""How closely each covariance holds an equal-weight portfolio at 10% a year, through real zipline with costs.

    python benchmarks/bench_targeting.py --store pretrained --out build/targeting

Needs the bundle dow30 (`volplugin ingest dow30`); trains what the store lacks of the LSTM. Every row has the same
rule, the defaults of `volplugin.VolatilityTarget` (or with `--guard` another guard), so that only the covariance
differs within a calendar. Finished runs are stored in the folder --out; an interrupted benchmark resumes there.

Prints a Markdown table: realised volatility of the whole period, percent a year; mean distance of the volatility of the
last 63 sessions from 10, points, from the 31st session on; the same of calendar years; turnover, percent of the
portfolio per session, buying and selling counted; seconds of the run, forecasts included and training not.
"""

import json
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import click
import pandas as pd
from joblib import Parallel, delayed
from machine import describe_machine

from volplugin import RiskModel, RiskProvider, RollingCorrelation, RollingVolatility, WalkForward, read_bundle
from volplugin._gallery.shared import follow
from volplugin._gallery.vol_target import compose
from volplugin.adapters.zipline import register_metrics
from volplugin.adapters.zipline.run import run_hooks
from volplugin.portfolio import VolatilityTarget
from volplugin.risk.defaults import default_risk_model, ewma_covariance, load_walk_forward, volatility_named
from volplugin.storage.atomic import write_atomically
from volplugin.units import annualize
from volplugin.workflows.backtest import train

BUNDLE, TARGET, WINDOW, FIRST = "dow30", 0.10, 63, 30
FIVE_YEARS = 1260

MODELS: dict[str, Callable[[str], RiskModel]] = {
    "ours: LSTM + two-speed correlation": default_risk_model,
    "EWMA 0.94 covariance": lambda store: ewma_covariance(),
    "rolling 60-day covariance": lambda store: RiskModel(
        RollingVolatility(60), RollingCorrelation(60), devolatilise=False
    ),
    "GJR-GARCH + constant correlation": lambda store: RiskModel(
        volatility_named("GJR"), RollingCorrelation(FIVE_YEARS)
    ),
    "LSTM + rolling correlation": lambda store: RiskModel(load_walk_forward(store), RollingCorrelation()),
}
PEERS = tuple(MODELS)[1:4]
"""Covariances without any part of ours, for the last lines."""

CALENDARS: dict[str, tuple[str, dict[str, float]]] = {
    "daily": ("daily", {}),
    "weekly": ("weekly", {}),
    "monthly": ("monthly", {}),
    "daily without band": ("daily", {"band": 0.0, "drift": 0.0}),
    "weekly without guard": ("weekly", {"guard": math.inf}),
}
COLUMNS = ["calendar", "covariance", "realised", "63 sessions", "years", "turnover", "seconds"]


def run(
    covariance: str, calendar: str, start: str, end: str, store: str, guard: float | None
) -> tuple[pd.DataFrame, float]:
    """Run the equal-weight portfolio through zipline; return perf and seconds, training not counted."""
    frequency, changes = CALENDARS[calendar]
    changes = changes if guard is None else changes | {"guard": guard}
    model = MODELS[covariance](store)
    if isinstance(model.volatility, WalkForward) and model.volatility.store is None:
        model.volatility.train(read_bundle(BUNDLE), start, end, n_jobs=1, progress=False)

    def initialize(context: object) -> None:
        risk = RiskProvider(model, bundle=BUNDLE)
        follow(context, compose, risk, VolatilityTarget(TARGET, **changes), frequency)

    began = time.perf_counter()
    perf = run_hooks({"initialize": initialize}, BUNDLE, start, end, 1e6, None, None, "volplugin")
    return perf, time.perf_counter() - began


def measure(perf: pd.DataFrame) -> dict[str, float]:
    """Reduce a run to the table's numbers, from its 31st session on: the portfolio is built by then."""
    earning = perf.iloc[FIRST:]
    returns = earning["returns"]
    traded = earning["transactions"].map(lambda day: sum(abs(t["amount"]) * t["price"] for t in day))
    quarters, years = returns.rolling(WINDOW).std(), returns.groupby(returns.index.year).std()
    return {
        "realised": 100 * annualize(returns.std()),
        "63 sessions": 100 * (annualize(quarters.dropna()) - TARGET).abs().mean(),
        "years": 100 * (annualize(years) - TARGET).abs().mean(),
        "turnover": 100 * (traded / earning["portfolio_value"]).mean(),
    }


def measured(
    covariance: str, calendar: str, start: str, end: str, store: str, guard: float | None, out: Path
) -> dict[str, float]:
    """Measure a run, or read the stored measurement."""
    name = f"{calendar} {covariance} {start} {end}" + ("" if guard is None else f" guard {guard:g}")
    file = out / ("".join(letter if letter.isalnum() else "-" for letter in name) + ".json")
    if not file.exists():
        register_metrics()
        perf, seconds = run(covariance, calendar, start, end, store, guard)
        write_atomically(file, json.dumps(measure(perf) | {"seconds": seconds}).encode())
    return json.loads(file.read_text())


def markdown(rows: dict[tuple[str, str], dict[str, float]]) -> str:
    """Lay out the numbers, one row per run."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for (calendar, covariance), row in rows.items():
        numbers = [f"{row[name]:.2f}" for name in COLUMNS[2:6]] + [f"{row['seconds']:.0f}"]
        lines.append(f"| {' | '.join([calendar, covariance, *numbers])} |")
    return "\n".join(lines)


def against_peers(rows: dict[tuple[str, str], dict[str, float]]) -> str:
    """Compare our distance over 63 sessions with the best peer's, and the turnover with and without the band."""
    ours, lines = next(iter(MODELS)), []
    for calendar in CALENDARS:
        distance = {name: rows[calendar, name]["63 sessions"] for name in (ours, *PEERS) if (calendar, name) in rows}
        if len(distance) == len(PEERS) + 1:
            best = min(PEERS, key=distance.__getitem__)
            lines.append(f"{calendar}: {distance[ours] / distance[best]:.0%} of the best peer's distance ({best})")
    plain, banded = rows.get(("daily without band", ours)), rows.get(("daily", ours))
    if plain and banded:
        lines.append(f"daily: {banded['turnover'] / plain['turnover']:.0%} of the turnover with the band")
    return "\n".join(lines)


@click.command()
@click.option("--start", default="2010-01-04", show_default=True)
@click.option("--end", default="2021-04-20", show_default=True)
@click.option("--store", default="pretrained", show_default=True, help="Folder of trained models.")
@click.option("--out", default="build/targeting", show_default=True, type=click.Path(path_type=Path))
@click.option("--jobs", default=2, show_default=True)
@click.option("--only", default="", help="Comma-separated calendars; all if empty.")
@click.option("--covariances", default="", help="Comma-separated parts of covariances' names; all if empty.")
@click.option("--guard", type=float, help="Guard of the rule, in place of the default.")
def main(
    start: str, end: str, store: str, out: Path, jobs: int, only: str, covariances: str, guard: float | None
) -> None:
    """Run every covariance on every calendar, and print the table."""
    train(read_bundle(BUNDLE), store, pd.Timestamp(start), pd.Timestamp(end), jobs=jobs)
    calendars = [name for name in CALENDARS if not only or name in only.split(",")]
    parts = covariances.split(",")
    models = [name for name in MODELS if any(part in name for part in parts)]
    runs = [(calendar, covariance) for calendar in calendars for covariance in models]
    results = Parallel(n_jobs=jobs)(
        delayed(measured)(covariance, calendar, start, end, store, guard, out) for calendar, covariance in runs
    )
    rows = dict(zip(runs, results, strict=True))
    print(describe_machine())
    cap = VolatilityTarget(TARGET).max_leverage
    print(f"\n{start} to {end}, {TARGET:.0%} a year, equal weights, leverage to {cap:g}\n")
    print(markdown(rows))
    print(f"\n{against_peers(rows)}")


if __name__ == "__main__":
    main()
