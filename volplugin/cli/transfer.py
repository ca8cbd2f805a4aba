"""volplugin transfer: measure models on another market."""

from __future__ import annotations

import click
import pandas as pd

from volplugin.cli.options import DATE, NamedPath, bundle_option, market_option, vintages_option


@click.command(short_help="Measure the shipped models on another market.")
@bundle_option
@market_option
@vintages_option
@click.option("--asof", type=DATE, default=None, help="Last session used.  [default: the bundle's last]")
@click.option(
    "--train/--no-train",
    "training",
    default=True,
    show_default=True,
    help="Also train a model there and measure it, which takes minutes; otherwise a local HAR takes its place.",
)
@click.option(
    "--recalibrate",
    "folder",
    type=NamedPath(file_okay=False),
    help="Do not measure: write recalibrated models for every year of the bundle to this folder, for --store.",
)
def transfer(
    bundle: str, market: str | None, store: str, asof: pd.Timestamp | None, training: bool, folder: str | None
) -> None:
    """Measure models on a bundle of another market, and recommend to use, recalibrate or replace them.

    Prints the QLIKE of the stored models, EWMA94, a local HAR, a recalibration and a model trained there, all fitted
    on the first part of the bundle and measured on the last.
    """
    from volplugin.adapters.zipline.bundles import read_bundle, with_named_market
    from volplugin.workflows.transfer import measure_transfer, recalibrate, transfer_text

    panel = with_named_market(read_bundle(bundle), market)
    panel = panel if asof is None else panel.asof(asof)
    if folder is None:
        found = measure_transfer(panel, store, training=training)
        click.echo(transfer_text(found, bundle if market is None else f"{bundle} --market {market}", store))
        return
    dates = recalibrate(panel, folder, store).vintage_dates()
    click.echo(f"{len(dates)} models in {folder}, recalibrated through {dates[0].date()} to {dates[-1].date()}")
