"""Writing a zipline bundle so that it is there whole or not at all.

``zipline ingest`` commits an ingestion by copying a tree into a folder that already bears the newest
timestamp: a kill on the way leaves a partial bundle which every later run would load. The ingest
function here is registered with ``create_writers=False`` instead and

1. takes away the empty folder that zipline made for it,
2. writes everything into a hidden folder beside it, which zipline ignores,
3. renames that folder into place, in one step of the file system.
"""

from __future__ import annotations

import os
import re
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
from exchange_calendars import ExchangeCalendar
from zipline.assets import ASSET_DB_VERSION, AssetDBWriter
from zipline.data.adjustments import SQLiteAdjustmentWriter
from zipline.data.bcolz_daily_bars import BcolzDailyBarReader, BcolzDailyBarWriter
from zipline.data.bcolz_minute_bars import BcolzMinuteBarWriter

from volplugin.storage.atomic import is_abandoned, owner, sync_folder

from .checks import PRICES, check_bars

Tables = Mapping[str, pd.DataFrame]

STAGING = ".staging-"
INGESTION = re.compile(r"\d{4}-\d\d-\d\dT\d\d;\d\d;\d\d(\.\d+)?")
"""Names that zipline gives to the folders of ingestions."""
EXCHANGE = pd.DataFrame({"exchange": ["NYSE"], "canonical_name": ["XNYS"], "country_code": ["US"]})
"""Without a US row Pipeline finds no asset. zipline looks the calendar up by the canonical name."""


class StagedIngest:
    """An ingest function for ``zipline.data.bundles.register(..., create_writers=False)``.

    Parameters
    ----------
    load : callable
        Returns raw bars by symbol (the columns of `checks.COLUMNS`, indexed by session). Called at
        ingest, so that registering costs nothing.
    """

    def __init__(self, load: Callable[[], Tables]) -> None:
        self.load = load

    def __call__(
        self,
        environ: Mapping[str, str],
        asset_db_writer: None,
        minute_bar_writer: None,
        daily_bar_writer: None,
        adjustment_writer: None,
        calendar: ExchangeCalendar,
        start_session: pd.Timestamp,
        end_session: pd.Timestamp,
        cache: Any,
        show_progress: bool,
        output_dir: str,
    ) -> None:
        """Load, check and write, with the arguments that zipline hands to every ingest function."""
        output = Path(output_dir)
        with suppress(FileNotFoundError):  # another ingestion may have removed it as a leftover
            output.rmdir()
        remove_leftovers(output.parent)
        tables = self.load()
        for symbol, bars in tables.items():
            check_bars(symbol, bars, calendar)
        with _staged(output) as folder:
            write_tables(tables, folder, calendar, show_progress=show_progress)


@contextmanager
def _staged(output: Path) -> Iterator[Path]:
    """Give a hidden folder that becomes `output` if the block succeeds and goes away if it fails."""
    folder = output.with_name(f"{STAGING}{owner()}-{output.name}")
    folder.mkdir(parents=True)
    try:
        yield folder
        os.replace(folder, output)
        sync_folder(output.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(bundle_folder: Path) -> None:
    """Remove the staging folders of killed ingestions, and empty folders that bear the name of an ingestion."""
    for folder in bundle_folder.iterdir() if bundle_folder.is_dir() else ():
        if folder.name.startswith(STAGING):
            if is_abandoned(folder, folder.name.removeprefix(STAGING)):
                shutil.rmtree(folder, ignore_errors=True)
        elif INGESTION.fullmatch(folder.name):
            with suppress(OSError):  # not empty, or removed by another process
                folder.rmdir()


def write_tables(tables: Tables, folder: Path, calendar: ExchangeCalendar, *, show_progress: bool = False) -> None:
    """Write bars, adjustments and the asset database of one ingestion into a folder.

    The bundle's first and last sessions are those of the data: zipline would otherwise take a year
    beyond today as its end, and a run past the data would appear to succeed.
    """
    sids = {symbol: sid for sid, symbol in enumerate(sorted(tables))}
    start = min(bars.index[0] for bars in tables.values())
    end = max(bars.index[-1] for bars in tables.values())
    daily = folder / "daily_equities.bcolz"
    pairs = ((sid, tables[symbol][[*PRICES, "volume"]].copy()) for symbol, sid in sids.items())
    BcolzDailyBarWriter(str(daily), calendar, start, end).write(
        pairs, assets=set(sids.values()), show_progress=show_progress, invalid_data_behavior="raise"
    )
    minutes = folder / "minute_equities.bcolz"
    minutes.mkdir()
    BcolzMinuteBarWriter(str(minutes), calendar, start, end, minutes_per_day=390)
    database = str(folder / "adjustments.sqlite")
    with SQLiteAdjustmentWriter(database, BcolzDailyBarReader(str(daily))) as writer:
        writer.write(splits=_splits(tables, sids), dividends=_dividends(tables, sids))
    _write_assets(tables, sids, folder / f"assets-{ASSET_DB_VERSION}.sqlite")


def _write_assets(tables: Tables, sids: Mapping[str, int], path: Path) -> None:
    first = [tables[symbol].index[0] for symbol in sids]
    last = pd.DatetimeIndex([tables[symbol].index[-1] for symbol in sids])
    equities = pd.DataFrame(
        {
            "symbol": list(sids),
            "asset_name": list(sids),
            "start_date": first,
            "end_date": last,
            "auto_close_date": last + pd.Timedelta(days=1),
            "exchange": EXCHANGE["exchange"][0],
        },
        index=list(sids.values()),
    )
    writer = AssetDBWriter(str(path))
    with warnings.catch_warnings():
        # zipline's own use of pandas, which its users can do nothing about.
        warnings.filterwarnings("ignore", "DataFrameGroupBy.apply operated on the grouping", FutureWarning)
        writer.write(equities=equities, exchanges=EXCHANGE.copy())
    writer.engine.dispose()


def _splits(tables: Tables, sids: Mapping[str, int]) -> pd.DataFrame:
    found = _events(tables, sids, "split", 1.0)
    # zipline multiplies earlier prices by the ratio: one half for a two-for-one.
    return pd.DataFrame({"sid": found["sid"], "effective_date": found["date"], "ratio": 1.0 / found["value"]})


def _dividends(tables: Tables, sids: Mapping[str, int]) -> pd.DataFrame:
    found = _events(tables, sids, "dividend", 0.0)
    # No pay dates are known, and zipline never pays a dividend that lacks one: it is paid on its ex-date.
    dates = {name: found["date"] for name in ("ex_date", "declared_date", "record_date", "pay_date")}
    return pd.DataFrame({"sid": found["sid"], "amount": found["value"], **dates})


def _events(tables: Tables, sids: Mapping[str, int], column: str, nothing: float) -> pd.DataFrame:
    """List the rows of every table where a column says that something happened: sid, date, value."""
    parts = []
    for symbol, sid in sids.items():
        values = tables[symbol][column].astype(float)
        happened = values[values != nothing]
        parts.append(pd.DataFrame({"sid": sid, "date": happened.index, "value": happened.to_numpy()}))
    return pd.concat(parts, ignore_index=True).astype({"sid": "int64", "date": "datetime64[ns]", "value": float})
