"""volplugin pretrain: train a volatility backbone on a wide panel."""

from __future__ import annotations

from pathlib import Path

import click
import pandas as pd

from volplugin.cli.options import DATE, NamedPath, address_option, backend_option, jobs_option, market_option, working
from volplugin.cli.resources import Cost


@click.command(short_help="Train models on many stocks, for use on any others.")
@click.option(
    "--panel",
    "panels",
    multiple=True,
    required=True,
    help="Parquet or CSV file of adjusted prices, folder of CSV files, or ingested bundle. Can be repeated.",
)
@market_option
@click.option("--store", required=True, type=NamedPath(file_okay=False), help="Folder of the vintages.")
@click.option(
    "--first", default=2004, show_default=True, type=click.IntRange(1900), help="Calendar year of the first vintage."
)
@click.option("--end", type=DATE, default=None, help="Last session to train on.  [default: the panel's last]")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(min=1), help="Networks per ensemble.")
@click.option(
    "--steps", default=2400, show_default=True, type=click.IntRange(min=1), help="Gradient steps per network."
)
@click.option(
    "--early-stopping",
    is_flag=True,
    help="Choose a quarter, half, one or two times --steps per network, by the loss on the purged last fifth of the "
    "training span. Takes four to five times as long.",
)
@click.option(
    "--closes/--no-closes",
    default=True,
    show_default=True,
    help="Also train networks for panels without open, high and low.",
)
@jobs_option
@backend_option
@address_option
def pretrain(
    panels: tuple[str, ...],
    market: str | None,
    store: str,
    first: int,
    end: pd.Timestamp | None,
    seeds: int,
    steps: int,
    early_stopping: bool,
    closes: bool,
    jobs: int,
    backend: str,
    address: str | None,
) -> None:
    """Train a volatility backbone on a wide panel: one vintage per calendar year end, and one at the panel's end.

    Stored vintages are not trained again, so interrupted training resumes where it stopped. Use the result with
    --store in the other commands, or PretrainedVolatility(DIR).
    """
    from volplugin.adapters.zipline.bundles import read_prices, with_named_market
    from volplugin.data.panel import PricePanel
    from volplugin.volatility.pretrained import backbone
    from volplugin.workflows.pretrain import pretrain as train
    from volplugin.workflows.pretrain import step_choices

    panel = PricePanel.concat([read_prices(name) for name in panels])
    panel = panel if end is None else panel.asof(end)
    panel = with_named_market(panel, market)
    forecaster = backbone(seeds, step_choices(steps) if early_stopping else steps, closes)
    cost = Cost()
    with working(backend, address, panel):
        walk_forward = train(panel, store, first, forecaster=forecaster, n_jobs=jobs)
    assert walk_forward.store is not None
    dates = walk_forward.store.vintages()
    size = sum(file.stat().st_size for file in Path(store).rglob("*.safetensors")) / 1e6
    click.echo(
        f"{len(dates)} vintages of {panel!r} in {store}, trained through {dates[0].date()} to {dates[-1].date()}, "
        f"{size:.1f} MB"
    )
    click.echo(cost.description(jobs if backend == "loky" else 1))
