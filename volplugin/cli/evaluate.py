"""volplugin evaluate: judge forecasts over years."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pandas as pd

from volplugin.cli.options import (
    bundle_option,
    end_of,
    end_option,
    horizons_of,
    jobs_option,
    start_option,
    store_option,
)


@click.command()
@bundle_option
@start_option
@end_option
@store_option
@click.option("--models", default="LSTM,HAR,EWMA94", show_default=True, help="Volatility models, by name.")
@click.option("--horizons", default="1,5,21", show_default=True, help="Sessions that forecasts cover.")
@click.option("--out", type=click.Path(file_okay=False), help="Folder for the numbers as JSON.")
@click.option("--train/--no-train", "training", default=True, show_default=True, help="Train what the store lacks.")
@jobs_option
def evaluate(
    bundle: str,
    start: pd.Timestamp,
    end: pd.Timestamp | None,
    store: str,
    models: str,
    horizons: str,
    out: str | None,
    training: bool,
    jobs: int,
) -> None:
    """Judge forecasts of single stocks and of the equal-weight book, every session an origin.

    QLIKE against squared returns, lower is better; every model is refitted at each year's end.
    """
    from volplugin import jobs as work
    from volplugin.adapters.zipline.bundles import read_bundle
    from volplugin.evaluation import book_scorecard
    from volplugin.files import write_atomically
    from volplugin.report.text import book_table, volatility_table

    days = horizons_of(horizons)
    panel = read_bundle(bundle)
    last = end_of(bundle, start, end)
    walk = work.train(panel, store, start, last, jobs=jobs) if training else work.require_trained(store, start)
    names = [name.strip() for name in models.split(",")]
    scores = work.judge_volatility(panel, walk, start, last, models=names, horizons=days, jobs=jobs)
    click.echo(volatility_table(scores))
    books = work.judge_books(panel, walk, start, last, jobs=jobs)
    click.echo("\n" + book_table(books))
    if out is not None:
        numbers = {
            "volatility": scores.as_dict(),
            "book": json.loads(book_scorecard(books).to_json(orient="index")),
        }
        file = write_atomically(Path(out) / "evaluation.json", (json.dumps(numbers, indent=2) + "\n").encode())
        click.echo(f"\nwritten: {file}")
