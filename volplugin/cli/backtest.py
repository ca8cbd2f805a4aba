"""volplugin backtest: run a strategy and report on its risk."""

from __future__ import annotations

from typing import Any

import click
import pandas as pd

from volplugin.cli.config import record
from volplugin.cli.logging import log
from volplugin.cli.options import (
    NamedPath,
    Number,
    anchor_option,
    bundle_option,
    end_option,
    jobs_option,
    market_option,
    range_of,
    start_option,
    strategy_parameters,
    vintages_option,
)


@click.command(short_help="Run a strategy, and report on its predicted risk.")
@click.argument("strategy")
@bundle_option
@start_option
@end_option
@click.option("--target", type=Number(), help="Annual volatility to hold.  [default: 0.10]")
@click.option(
    "--frequency",
    type=click.Choice(["daily", "weekly", "monthly"]),
    help="How often to rebalance.  [default: monthly]",
)
@click.option("--out", default="results", show_default=True, type=NamedPath(file_okay=False), help="Folder to write.")
@vintages_option
@click.option("--train/--no-train", "training", default=True, show_default=True, help="Train missing vintages.")
@click.option("--judge/--no-judge", "judging", default=True, show_default=True, help="Score the models in the report.")
@click.option("--max-leverage", type=Number(), help="Largest sum of absolute weights.  [default: 1.5]")
@click.option("--band", type=Number(), help="No-trade band, a fraction of the leverage; 0 for none.  [default: 0.10]")
@click.option(
    "--correlation",
    help="Correlation estimator: default, ewma, rolling, two-speed, ledoit-wolf, nonlinear, factor or dcc.  "
    "[default: default]",
)
@anchor_option
@market_option
@click.option("-x", "given", multiple=True, metavar="NAME=VALUE", help="Any parameter that the strategy reads.")
@click.option("--compare", is_flag=True, help="Also run with rolling correlation, and show both.")
@click.option("--capital", type=Number(), default=1e6, show_default=True, help="Starting capital.")
@jobs_option
def backtest(
    strategy: str,
    bundle: str,
    start: pd.Timestamp | None,
    end: pd.Timestamp | None,
    out: str,
    store: str,
    training: bool,
    judging: bool,
    given: tuple[str, ...],
    compare: bool,
    capital: float,
    jobs: int,
    **options: Any,
) -> None:
    """Run STRATEGY (a file, a module, or a gallery name such as vol_target) and report on its predicted risk.

    Writes perf.pkl, scorecard.json, history.npz, report.html and the plots to the folder --out. `volplugin report`
    writes the page again from these files.

    The strategy reads --target, --frequency, --max-leverage, --band, --correlation, --anchor, --market, --store and -x
    by read_parameters(). An option that it does not read is an error.
    """
    from volplugin.report.summary import report_lines
    from volplugin.workflows import backtest as work

    first, last = range_of(bundle, start, end)
    parameters = strategy_parameters(given, {**options, "store": store})
    job = work.Backtest(
        strategy=strategy,
        bundle=bundle,
        store=str(parameters.get("store", store)),
        out=out,
        start=first,
        end=last,
        parameters=parameters,
        compare=("rolling",) if compare else (),
        capital=capital,
        jobs=jobs,
    )
    report = work.backtest(job, training=training, judging=judging, log=log)
    record(out)
    click.echo(f"no report; the perf frame is in {out}" if report is None else report_lines(report))
