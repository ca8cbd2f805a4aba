"""volplugin demo: the whole job on the shipped prices."""

from __future__ import annotations

import time
from pathlib import Path

import click
import pandas as pd

from volplugin.cli.config import record
from volplugin.cli.logging import log
from volplugin.cli.options import DEMO_END, DEMO_START, jobs_option


@click.command()
@click.option(
    "--out",
    default="demo-output",
    show_default=True,
    type=click.Path(file_okay=False),
    help="Folder to write.",
)
@click.option("--train", "training", is_flag=True, help="Train on the shipped prices alone, from nothing.")
@jobs_option
def demo(out: str, training: bool, jobs: int) -> None:
    """Do the whole job on the shipped prices: ingest, backtest at 10% volatility, judge, report.

    With the pretrained models; or, with --train, with models that are trained first and kept in the folder, so that
    a second run has nothing to train.
    """
    from volplugin._bundles import ingest_bundle, register_dow30
    from volplugin.workflows import backtest as work

    began = time.perf_counter()
    log("ingesting bundle dow30 (30 stocks, 1999 to 2021)")
    register_dow30()
    ingest_bundle("dow30")
    job = work.Backtest(
        strategy="vol_target",
        bundle="dow30",
        store=str(Path(out) / "models") if training else "pretrained",
        out=out,
        start=pd.Timestamp(DEMO_START),
        end=pd.Timestamp(DEMO_END),
        parameters={"target": 0.10, "frequency": "monthly", "max_leverage": 1.5, "band": 0.0},
        compare=("rolling",),
        jobs=jobs,
    )
    report = work.backtest(job, log=log)
    record(out)
    click.echo(f"report: {report} ({time.perf_counter() - began:.0f} s in all)")
