"""volplugin evaluate: evaluate forecasts over years."""

from __future__ import annotations

from pathlib import Path

import click
import pandas as pd

from volplugin.cli.config import record
from volplugin.cli.logging import log
from volplugin.cli.options import (
    NamedPath,
    address_option,
    anchor_option,
    backend_option,
    bundle_option,
    end_option,
    horizons_of,
    jobs_option,
    market_option,
    range_of,
    start_option,
    vintages_option,
    working,
)


@click.command(short_help="Compare volatility models over many years.")
@bundle_option
@market_option
@start_option
@end_option
@vintages_option
@click.option(
    "--models",
    default="LSTM,HAR,EWMA94",
    show_default=True,
    help="Volatility models, by name; 'all' selects every model.",
)
@click.option("--horizons", default="1,5,21", show_default=True, help="Sessions that forecasts cover.")
@click.option(
    "--out", type=NamedPath(file_okay=False), help="Folder for evaluation.html, numbers, plots, finished forecasts."
)
@click.option("--train/--no-train", "training", default=True, show_default=True, help="Train missing vintages.")
@anchor_option
@jobs_option
@backend_option
@address_option
def evaluate(
    bundle: str,
    market: str | None,
    start: pd.Timestamp | None,
    end: pd.Timestamp | None,
    store: str,
    models: str,
    horizons: str,
    out: str | None,
    training: bool,
    anchor: str | None,
    jobs: int,
    backend: str,
    address: str | None,
) -> None:
    """Evaluate forecasts of single stocks and of the equal-weight portfolio, every session an origin.

    QLIKE against squared returns, lower is better; every model is refitted at each year's end. With --out, forecasts
    are saved in OUT/forecasts as they are computed: an interrupted or repeated run computes only the missing ones.
    """
    from volplugin.adapters.zipline.bundles import read_bundle, with_named_market
    from volplugin.evaluation.volatility import evaluate_volatility_forecasts
    from volplugin.report.evaluation import evaluation_text, write_evaluation
    from volplugin.storage.forecast_cache import ForecastCache
    from volplugin.volatility.pretrained import require_trained
    from volplugin.workflows import backtest as work
    from volplugin.workflows.evaluate_portfolio import forecast_portfolios
    from volplugin.workflows.evaluate_volatility import forecast_volatility, known_before, model_names

    names, days = model_names(models), horizons_of(horizons)
    panel = with_named_market(read_bundle(bundle), market)
    first, last = range_of(bundle, start, end)
    kept = ForecastCache(None if out is None else Path(out) / "forecasts")
    with working(backend, address, panel):
        walk_forward = (
            work.train(panel, store, first, last, jobs=jobs) if training else require_trained(store, first, panel)
        )
        made = forecast_volatility(
            panel, walk_forward, first, last, models=names, horizons=days, jobs=jobs, cache=kept, log=log
        )
        ours = forecast_portfolios(
            panel, walk_forward, first, last, volatilities=made.table, jobs=jobs, cache=kept, log=log, anchor=anchor
        )
    evaluated = evaluate_volatility_forecasts(
        made.table,
        panel,
        components=made.components,
        parents=made.parents,
        portfolios=ours.by_volatility,
        calibrated_through=known_before(first),
    )
    click.echo(evaluation_text(evaluated, ours.portfolios))
    if out is not None:
        record(out)
        click.echo(f"\nreport: {write_evaluation(evaluated, ours.portfolios, out)}")
