"""volplugin backtest: run a strategy and report on its risk."""

from __future__ import annotations

from typing import Any

import click
import pandas as pd

from volplugin.cli.config import record
from volplugin.cli.logging import log
from volplugin.cli.options import bundle_option, end_of, end_option, jobs_option, start_option, vintages_option


@click.command()
@click.argument("strategy")
@bundle_option
@start_option
@end_option
@click.option("--target", type=float, default=0.10, show_default=True, help="Annual volatility to hold.")
@click.option(
    "--frequency",
    type=click.Choice(["daily", "weekly", "monthly"]),
    default="monthly",
    show_default=True,
    help="How often to rebalance.",
)
@click.option("--out", default="results", show_default=True, type=click.Path(file_okay=False), help="Folder to write.")
@vintages_option
@click.option("--train/--no-train", "training", default=True, show_default=True, help="Train what the store lacks.")
@click.option("--judge/--no-judge", "judging", default=True, show_default=True, help="Score the models in the report.")
@click.option("--max-leverage", type=float, default=1.5, show_default=True, help="Largest sum of absolute weights.")
@click.option("--band", type=float, default=0.0, show_default=True, help="No-trade band, a fraction of the leverage.")
@click.option(
    "--correlation",
    type=click.Choice(["default", "rolling"]),
    default="default",
    show_default=True,
    help="Correlation estimator.",
)
@click.option("--compare", is_flag=True, help="Run it with rolling correlation too, and show both.")
@click.option("--capital", type=float, default=1e6, show_default=True, help="Starting capital.")
@jobs_option
def backtest(
    strategy: str,
    bundle: str,
    start: pd.Timestamp,
    end: pd.Timestamp | None,
    out: str,
    store: str,
    training: bool,
    judging: bool,
    compare: bool,
    capital: float,
    jobs: int,
    **parameters: Any,
) -> None:
    """Run STRATEGY (a file, or a gallery name such as vol_target) and report how its risk was predicted.

    Writes perf.pkl, scorecard.json, history.npz, report.html and the plots to the folder --out; volplugin report
    draws the page again from them.
    """
    from volplugin.workflows import backtest as work

    job = work.Backtest(
        strategy=strategy,
        bundle=bundle,
        store=store,
        out=out,
        start=start,
        end=end_of(bundle, start, end),
        parameters=parameters,
        compare=("rolling",) if compare else (),
        capital=capital,
        jobs=jobs,
    )
    report = work.backtest(job, training=training, judging=judging, log=log)
    record(out)
    click.echo(f"report: {report}")
