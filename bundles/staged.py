"""Writing a zipline bundle whole or not at all.

``zipline ingest`` commits an ingestion by copying a tree into a folder that already bears the newest
timestamp: a kill on the way leaves a partial bundle that every later run would load. The ingest
function here is registered with ``create_writers=False`` instead and

1. removes the empty folder that zipline made,
2. writes everything into a hidden folder next to it, which zipline ignores,
3. renames that folder into place, in one step of the file system.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from exchange_calendars import ExchangeCalendar
from zipline.assets import ASSET_DB_VERSION, AssetDBWriter
from zipline.data.adjustments import SQLiteAdjustmentWriter
from zipline.data.bcolz_daily_bars import BcolzDailyBarReader, BcolzDailyBarWriter
from zipline.data.bcolz_minute_bars import BcolzMinuteBarWriter

from volplugin.data.readers import problem_table
from volplugin.errors import BundleError
from volplugin.storage.atomic import is_abandoned, owner, sync_folder
from volplugin.storage.reading import parse_json, read_regular_file, sealed, to_json

from .checks import PRICES, bar_problems, without_trade

Tables = Mapping[str, pd.DataFrame]
Prepare = Callable[[Tables, ExchangeCalendar], tuple[Tables, list[str]]]

STAGING = ".staging-"
INGESTION = re.compile(r"\d{4}-\d\d-\d\dT\d\d;\d\d;\d\d(\.\d+)?")
"""Names that zipline gives to the folders of ingestions."""
METADATA = "volplugin.json"
"""File in an ingestion: market, counts and remarks, for `read_ingestion_metadata`."""

logger = logging.getLogger("volplugin")


@dataclass(frozen=True)
class Market:
    """Calendar, country and currency of a bundle.

    Attributes
    ----------
    calendar : str
        Name in `exchange_calendars`: XNYS, XLON, XSHG, 24/7, ...
    country : str
        Two letters, by which Pipeline's domains find the assets.
    currency : str
        Currency of the prices; recorded, not converted.
    """

    calendar: str = "XNYS"
    country: str = "US"
    currency: str = "USD"

    @property
    def exchange(self) -> pd.DataFrame:
        """Return the exchange as zipline's asset database stores it; without it Pipeline finds no asset."""
        name = "NYSE" if self.calendar == "XNYS" else self.calendar
        return pd.DataFrame({"exchange": [name], "canonical_name": [self.calendar], "country_code": [self.country]})


class StagedIngest:
    """An ingest function for ``zipline.data.bundles.register(..., create_writers=False)``.

    Parameters
    ----------
    load : callable
        Returns raw bars by symbol (the columns of `checks.COLUMNS`, indexed by session). Called at
        ingest, so that registering costs nothing.
    market : Market, optional
    prepare : callable, optional
        Takes the loaded bars and the calendar, and returns bars on its sessions and remarks.
    """

    def __init__(self, load: Callable[[], Tables], market: Market | None = None, prepare: Prepare | None = None):
        self.load, self.market, self.prepare = load, market or Market(), prepare

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
        tables, remarks = self.load(), list[str]()
        if self.prepare is not None:
            tables, remarks = self.prepare(tables, calendar)
        _check(tables, calendar)
        with _staged(output) as folder:
            write_tables(tables, folder, calendar, self.market, show_progress=show_progress)
            _write_metadata(tables, remarks, self.market, folder / METADATA)
        for remark in remarks:
            logger.info(remark)


def _check(tables: Tables, calendar: ExchangeCalendar) -> None:
    """Raise every problem of every symbol in one error."""
    problems = [problem for symbol, bars in tables.items() for problem in bar_problems(symbol, bars, calendar)]
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise BundleError(f"the prices have {len(problems)} problems\n{problem_table(problems)}")


def _write_metadata(tables: Tables, remarks: list[str], market: Market, path: Path) -> None:
    counts = {
        "symbols": len(tables),
        "splits": sum(int((bars["split"] != 1).sum()) for bars in tables.values()),
        "dividends": sum(int((bars["dividend"] != 0).sum()) for bars in tables.values()),
        "sessions_without_trade": sum(int(without_trade(bars).sum()) for bars in tables.values()),
    }
    path.write_text(to_json(sealed({"market": asdict(market), "counts": counts, "remarks": remarks})))


def read_ingestion_metadata(ingestion: Path) -> dict[str, Any]:
    """Return market, counts and remarks of an ingestion; empty for one of another tool."""
    path = ingestion / METADATA
    try:
        found = dict(parse_json(read_regular_file(path, 2**24))) if path.is_file() else {}
        if found.keys() - {"market", "counts", "remarks"} and sealed(found) != found:
            raise ValueError("its checksum differs")
    except (OSError, ValueError, TypeError) as error:
        raise BundleError(f"{path} is damaged ({error}); ingest the bundle again") from error
    return found


@contextmanager
def _staged(output: Path) -> Iterator[Path]:
    """Yield a hidden folder that is renamed to `output` if the block succeeds, and removed if it fails."""
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


def write_tables(
    tables: Tables,
    folder: Path,
    calendar: ExchangeCalendar,
    market: Market | None = None,
    *,
    show_progress: bool = False,
) -> None:
    """Write bars, adjustments and the asset database of one ingestion into a folder.

    The bundle begins and ends with its data: zipline would otherwise take a year
    beyond today as its end, and a run past the data would appear to succeed.
    """
    sids = {symbol: sid for sid, symbol in enumerate(sorted(tables))}
    start = min(bars.index[0] for bars in tables.values())
    end = max(bars.index[-1] for bars in tables.values())
    daily = folder / "daily_equities.bcolz"
    # zipline's form of a session without a trade: zeros, which its reader returns as NaN prices and volume 0.
    pairs = ((sid, tables[symbol][[*PRICES, "volume"]].fillna(0.0)) for symbol, sid in sids.items())
    BcolzDailyBarWriter(str(daily), calendar, start, end).write(
        pairs, assets=set(sids.values()), show_progress=show_progress, invalid_data_behavior="raise"
    )
    minutes = folder / "minute_equities.bcolz"
    minutes.mkdir()
    minutes_per_day = 1440 if calendar.name == "24/7" else 390
    BcolzMinuteBarWriter(str(minutes), calendar, start, end, minutes_per_day=minutes_per_day)
    database = str(folder / "adjustments.sqlite")
    with SQLiteAdjustmentWriter(database, _LastCloses(str(daily))) as writer:
        writer.write(splits=_splits(tables, sids), dividends=_dividends(tables, sids))
    exchange = (market or Market()).exchange
    _write_assets(tables, sids, exchange, folder / f"assets-{ASSET_DB_VERSION}.sqlite")


class _LastCloses(BcolzDailyBarReader):
    """Daily bars whose missing closes are the last ones before.

    zipline drops the adjustment of a dividend whose ex-date follows a session without a trade: the ratio takes the
    close of the session before.
    """

    def load_raw_arrays(self, columns: Any, start_date: Any, end_date: Any, assets: Any) -> Any:
        arrays = super().load_raw_arrays(columns, start_date, end_date, assets)
        return [pd.DataFrame(values).ffill().to_numpy() for values in arrays]


def _write_assets(tables: Tables, sids: Mapping[str, int], exchange: pd.DataFrame, path: Path) -> None:
    first = [tables[symbol].index[0] for symbol in sids]
    last = pd.DatetimeIndex([tables[symbol].index[-1] for symbol in sids])
    equities = pd.DataFrame(
        {
            "symbol": list(sids),
            "asset_name": list(sids),
            "start_date": first,
            "end_date": last,
            "auto_close_date": last + pd.Timedelta(days=1),
            "exchange": exchange["exchange"][0],
        },
        index=list(sids.values()),
    )
    writer = AssetDBWriter(str(path))
    with warnings.catch_warnings():
        # zipline's own use of pandas, which its users can do nothing about.
        warnings.filterwarnings("ignore", "DataFrameGroupBy.apply operated on the grouping", FutureWarning)
        writer.write(equities=equities, exchanges=exchange)
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
    """List the rows of every table whose value is not `nothing`: sid, date, value."""
    parts = []
    for symbol, sid in sids.items():
        values = tables[symbol][column].astype(float)
        happened = values[values != nothing]
        parts.append(pd.DataFrame({"sid": sid, "date": happened.index, "value": happened.to_numpy()}))
    return pd.concat(parts, ignore_index=True).astype({"sid": "int64", "date": "datetime64[ns]", "value": float})
