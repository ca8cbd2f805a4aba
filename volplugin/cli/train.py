"""volplugin train: the vintages that forecasts need."""

from __future__ import annotations

import time

import click
import pandas as pd

from volplugin.cli.options import (
    address_option,
    backend_option,
    bundle_option,
    end_option,
    jobs_option,
    market_option,
    range_of,
    start_option,
    store_option,
    working,
)


@click.command(short_help="Train the models that forecasts between two dates need.")
@bundle_option
@market_option
@start_option
@end_option
@store_option
@jobs_option
@backend_option
@address_option
def train(
    bundle: str,
    market: str | None,
    start: pd.Timestamp | None,
    end: pd.Timestamp | None,
    store: str,
    jobs: int,
    backend: str,
    address: str | None,
) -> None:
    """Train the yearly models that forecasts between two dates need.

    Each model is trained on the prices up to a year's end and is used from the next session on. Models that are in
    the store are not trained again; an interrupted training resumes.
    """
    from volplugin.adapters.zipline.bundles import read_bundle, with_named_market
    from volplugin.workflows import backtest as work

    # Anchored at the first session: no later split or dividend changes a training price.
    panel = with_named_market(read_bundle(bundle), market)
    first = range_of(bundle, start, end)[0] if start is None else start
    last = end or panel.last_session
    began = time.perf_counter()
    with working(backend, address, panel):
        walk_forward = work.train(panel, store, first, last, jobs=jobs)
    used = work.vintages(walk_forward, first, last)
    click.echo(
        f"{len(used)} models in {store}, trained through {used[0]['trained_through']} to {used[-1]['trained_through']}"
        f" ({time.perf_counter() - began:.0f} s)"
        if used
        else f"nothing to train: the model in {store} has no parameters to fit"
    )
