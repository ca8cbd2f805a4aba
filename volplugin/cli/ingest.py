"""volplugin ingest: make a bundle from files, or ingest a registered one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
import pandas as pd

from volplugin.cli.options import DATE, NamedPath
from volplugin.errors import ParameterError

DEFAULTS = {"calendar": "XNYS", "country": None, "currency": "USD", "start": None, "end": None,
            "on_gap": "trade-free", "adjusted": False}  # fmt: skip


@click.command(short_help="Make a bundle from CSV or Parquet files.")
@click.argument("bundle")
@click.option(
    "--csv",
    "folder",
    type=NamedPath(exists=True),
    help="Folder of SYMBOL.csv files of Yahoo, Stooq, Alpha Vantage or csvdir, or one file with a column symbol.",
)
@click.option(
    "--parquet", type=NamedPath(exists=True), help="Parquet file with columns symbol, date, close, ..., or a folder."
)
@click.option("--calendar", default="XNYS", show_default=True, help="Exchange calendar: XLON, XSHG, XBOM, 24/7, ...")
@click.option("--country", help="Country code of Pipeline's domains.  [default: the calendar's]")
@click.option("--currency", default="USD", show_default=True, help="Currency of the prices; recorded, not converted.")
@click.option("--start", type=DATE, default=None, help="First session to use.  [default: the first]")
@click.option("--end", type=DATE, default=None, help="Last session to use.  [default: the last]")
@click.option(
    "--on-gap",
    type=click.Choice(["trade-free", "drop", "error"]),
    default="trade-free",
    show_default=True,
    help="A session without a bar: store it as a session without a trade, drop the symbol, or stop.",
)
@click.option("--adjusted", is_flag=True, help="The prices are already adjusted for splits and dividends.")
def ingest(bundle: str, folder: str | None, parquet: str | None, **options: Any) -> None:
    """Ingest prices from files under a name of your own, or a registered bundle such as dow30."""
    from volplugin._bundles import ingest_bundle, register_prices
    from volplugin.adapters.zipline.bundles import ensure_registered

    if folder is not None and parquet is not None:
        raise ParameterError("--csv and --parquet are two sources; give one")
    source = folder or parquet
    changed = {name: _plain(value) for name, value in options.items() if value != DEFAULTS[name]}
    if source is not None:
        register_prices(bundle, source, **changed)
    elif changed:
        raise ParameterError(f"--{next(iter(changed)).replace('_', '-')} goes with --csv or --parquet; give a source")
    else:
        ensure_registered(bundle)
    ingest_bundle(bundle)
    click.echo(_summary(bundle))
    if source is not None:
        click.echo(_extension_lines(bundle, source, changed))


def _plain(value: Any) -> Any:
    return str(value.date()) if isinstance(value, pd.Timestamp) else value


def _summary(bundle: str) -> str:
    """Describe the newest ingestion in one line."""
    from volplugin._bundles import read_ingestion_metadata
    from volplugin.adapters.zipline.bundles import bundle_calendar, bundle_sessions, newest_ingestion

    sessions = bundle_sessions(bundle)
    text = f"bundle {bundle}: {sessions[0].date()} to {sessions[-1].date()}, {len(sessions)} sessions"
    metadata = read_ingestion_metadata(newest_ingestion(bundle, os.environ))
    if not metadata:
        return text
    counts = metadata["counts"]
    return (
        f"{text} of {bundle_calendar(bundle)}, {counts['symbols']} symbols, {counts['splits']} splits, "
        f"{counts['dividends']} dividends, {counts['sessions_without_trade']} sessions without a trade"
    )


def _extension_lines(bundle: str, source: str, options: dict[str, Any]) -> str:
    place = str(Path(source).expanduser().absolute())
    arguments = "".join(f", {name}={value!r}" for name, value in options.items())
    return (
        "for `zipline run` and `zipline ingest`, in extension.py under $ZIPLINE_ROOT (~/.zipline by default):\n"
        "    from volplugin.adapters.zipline import register_prices\n"
        f"    register_prices({bundle!r}, {place!r}{arguments})"
    )
