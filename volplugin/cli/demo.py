"""volplugin demo: all steps on the shipped prices."""

from __future__ import annotations

import time
from pathlib import Path

import click
import pandas as pd

from volplugin.cli.config import record
from volplugin.cli.logging import log, on_terminal
from volplugin.cli.options import DEMO_END, DEMO_START, NamedPath, jobs_option


@click.command(short_help="Ingest, backtest and report on the shipped prices.")
@click.option(
    "--out",
    default="demo-output",
    show_default=True,
    type=NamedPath(file_okay=False),
    help="Folder to write.",
)
@click.option("--train", "training", is_flag=True, help="Train models on the shipped prices alone.")
@jobs_option
def demo(out: str, training: bool, jobs: int) -> None:
    """Ingest the shipped prices, backtest at 10% volatility, score the forecasts, write a report.

    Uses the pretrained models. With --train, models are trained first and stored in the folder; a second run uses
    them.
    """
    from volplugin._bundles import ingest_bundle, register_dow30
    from volplugin.report.summary import report_lines
    from volplugin.workflows import backtest as work

    began = time.perf_counter()
    log("ingesting bundle dow30 (30 stocks, 1999 to 2021)")
    register_dow30()
    ingest_bundle("dow30", show_progress=on_terminal())
    store = str(Path(out) / "models") if training else "pretrained"
    job = work.Backtest(
        strategy="vol_target",
        bundle="dow30",
        store=store,
        out=out,
        start=pd.Timestamp(DEMO_START),
        end=pd.Timestamp(DEMO_END),
        parameters={"target": 0.10, "frequency": "monthly", "store": store},
        compare=("rolling",),
        jobs=jobs,
    )
    report = work.backtest(job, log=log)
    record(out)
    log(f"done in {time.perf_counter() - began:.0f} s")
    click.echo("no report" if report is None else report_lines(report))
