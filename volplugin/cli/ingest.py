"""volplugin ingest: make a bundle."""

from __future__ import annotations

import click


@click.command()
@click.argument("bundle")
@click.option(
    "--csv",
    "folder",
    type=click.Path(exists=True, file_okay=False),
    help="Make the bundle from a folder of SYMBOL.csv files in zipline's csvdir columns.",
)
def ingest(bundle: str, folder: str | None) -> None:
    """Ingest the shipped bundle dow30, or a folder of CSV files under a name of your own."""
    from volplugin._bundles import ingest_bundle, register_csv_folder
    from volplugin.adapters.zipline.bundles import bundle_sessions, ensure_registered

    if folder is not None:
        register_csv_folder(bundle, folder)
    else:
        ensure_registered(bundle)
    ingest_bundle(bundle)
    sessions = bundle_sessions(bundle)
    click.echo(f"bundle {bundle}: {sessions[0].date()} to {sessions[-1].date()}, {len(sessions)} sessions")
