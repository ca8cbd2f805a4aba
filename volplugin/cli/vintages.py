"""volplugin vintages: list or delete trained models."""

from __future__ import annotations

import click
import pandas as pd

from volplugin.cli.options import DATE, vintages_option
from volplugin.errors import MissingVintageError, ParameterError


@click.command(short_help="List or delete trained models.")
@vintages_option
@click.option("--losses", metavar="BUNDLE", help="Add the QLIKE of each vintage over 21 sessions, on this bundle.")
@click.option("--keep", metavar="N", type=click.IntRange(min=1), help="Delete all vintages except the newest N.")
@click.option("--before", type=DATE, help="Delete vintages trained through an earlier date.")
@click.option("--dry-run", is_flag=True, help="List what would be deleted, without deleting it.")
@click.option("--yes", is_flag=True, help="Delete without confirmation.")
def vintages(
    store: str, losses: str | None, keep: int | None, before: pd.Timestamp | None, dry_run: bool, yes: bool
) -> None:
    """List the vintages of a store (end of training, assets, prices, size), and delete old ones.

    The vintages that come with the package cannot be deleted.
    """
    from volplugin.volatility.pretrained import PRETRAINED, load_walk_forward
    from volplugin.workflows.vintages import vintage_losses, vintage_table

    if store == PRETRAINED and (keep or before is not None):
        raise ParameterError(
            "the vintages that come with the package cannot be deleted; pass your own folder with --store"
        )
    walk_forward = load_walk_forward(store)
    assert walk_forward.store is not None
    found = walk_forward.store.vintages()
    click.echo(vintage_table(walk_forward.store, None if losses is None else vintage_losses(walk_forward, losses)))
    old = [] if keep is None else found[:-keep]
    old += [] if before is None else [date for date in found if date < before and date not in old]
    if not old:
        return
    if len(old) == len(found):
        raise MissingVintageError(f"this would delete all {len(found)} vintages of {store}; delete the folder itself")
    names = ", ".join(str(date.date()) for date in old)
    click.echo(f"\n{'would delete' if dry_run else 'deleting'} {len(old)} of {len(found)}: {names}")
    if dry_run or not (yes or click.confirm("continue?")):
        return
    size = sum(map(walk_forward.store.size, old))
    for date in old:
        walk_forward.store.remove(date)
    click.echo(f"deleted {len(old)}, {size / 1e6:.1f} MB")
