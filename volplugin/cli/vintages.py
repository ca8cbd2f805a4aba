"""volplugin vintages: what a store holds, and less of it."""

from __future__ import annotations

import click
import pandas as pd

from volplugin.cli.options import DATE, vintages_option
from volplugin.errors import MissingVintageError, ParameterError


@click.command()
@vintages_option
@click.option("--losses", metavar="BUNDLE", help="Also QLIKE over 21 sessions on a bundle while each vintage answered.")
@click.option("--keep", type=click.IntRange(min=1), help="Delete all but the newest N.")
@click.option("--before", type=DATE, help="Delete those trained through an earlier date.")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.option("--yes", is_flag=True, help="Delete without asking.")
def vintages(
    store: str, losses: str | None, keep: int | None, before: pd.Timestamp | None, dry_run: bool, yes: bool
) -> None:
    """List the trained models of a store: trained through, assets, prices, size; and delete old ones.

    Those that come with the package are listed, and never deleted.
    """
    from volplugin.volatility.pretrained import PRETRAINED, load_walk_forward
    from volplugin.workflows.vintages import losses_of, stored, vintage_table

    if store == PRETRAINED and (keep or before is not None):
        raise ParameterError("the pretrained vintages come with the package; name your own folder with --store")
    walk_forward = load_walk_forward(store)
    assert walk_forward.store is not None
    found = stored(walk_forward.store)
    known = None if losses is None else losses_of(walk_forward, losses)
    click.echo(vintage_table(found, known))
    old = [] if keep is None else found[:-keep]
    old += [] if before is None else [vintage for vintage in found if vintage.date < before and vintage not in old]
    if not old:
        return
    if len(old) == len(found):
        raise MissingVintageError(f"that would delete all {len(found)} vintages of {store}; delete the folder itself")
    names = ", ".join(str(vintage.date.date()) for vintage in old)
    click.echo(f"\n{'would delete' if dry_run else 'deleting'} {len(old)} of {len(found)}: {names}")
    if dry_run or not (yes or click.confirm("go on?")):
        return
    for vintage in old:
        walk_forward.store.remove(vintage.date)
    click.echo(f"deleted {len(old)}, {sum(vintage.bytes for vintage in old) / 1e6:.1f} MB")
