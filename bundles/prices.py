"""Bundles from files and DataFrames of any market."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from exchange_calendars import ExchangeCalendar
from zipline.utils.calendar_utils import get_calendar

from volplugin.data.calendars import check_calendar
from volplugin.data.checks import as_day
from volplugin.data.readers import PriceTables, collect, read_frames, read_prices
from volplugin.errors import BundleError, PanelError, ParameterError

from .alignment import ON_GAP, in_units, on_sessions
from .events import raw_bars
from .registration import CALENDAR, COUNTRIES, ingest_bundle, register_tables
from .remarks import Remarks
from .staged import Market, Tables


def register_prices(
    name: str,
    source: str | Path | pd.DataFrame | Mapping[str, pd.DataFrame],
    *,
    calendar: str = CALENDAR,
    country: str | None = None,
    currency: str = "USD",
    start: str | None = None,
    end: str | None = None,
    on_gap: str = "trade-free",
    adjusted: bool = False,
) -> None:
    """Register prices as a bundle; registering again replaces it. The source is read at ingest, not here.

    Parameters
    ----------
    name : str
        Name for ``zipline ingest -b NAME``, ``read_bundle(NAME)`` and ``--bundle NAME``.
    source : path, DataFrame or dict of DataFrame
        A folder of ``SYMBOL.csv`` or ``SYMBOL.parquet`` files, one long file with a column ``symbol``, or frames in a
        shape of `volplugin.data.read_frames`. Columns of Yahoo, Stooq, Alpha Vantage, Tiingo and csvdir are known.
        Prices are raw; ``dividend`` is cash per share on the ex-date, ``split`` new shares for one old (2.0 for a
        two-for-one). Without them, they are derived from adjusted closes.
    calendar : str, default "XNYS"
        Exchange calendar by its name in `exchange_calendars`: XLON, XSHG, XBOM, 24/7, ...
    country : str, optional
        Two letters for Pipeline's domains; by default the country of the calendar.
    currency : str, default "USD"
        Recorded with the bundle.
    start, end : str, optional
        Use only the sessions within; all of them by default.
    on_gap : {"trade-free", "drop", "error"}, default "trade-free"
        A session without a bar is stored as a session without a trade, drops its symbol, or is an error.
    adjusted : bool, default False
        Whether prices are adjusted for splits and dividends already.

    Raises
    ------
    ParameterError
        For an unknown calendar or `on_gap`, and for codes of country and currency of another length.
    """
    if on_gap not in ON_GAP:
        raise ParameterError(f"on_gap is {on_gap!r}; pass one of {', '.join(ON_GAP)}")
    try:
        check_calendar(calendar)
    except PanelError as error:
        raise ParameterError(str(error)) from error
    for what, code, letters in (("country", country, 2), ("currency", currency, 3)):
        if code is not None and not (str(code).isalpha() and len(str(code)) == letters):
            raise ParameterError(f"{code!r} is not the ISO code of a {what}; pass {letters} letters")
    start, end = (None if date is None else str(as_day(date).date()) for date in (start, end))
    market = Market(calendar, (country or COUNTRIES.get(calendar, "US")).upper(), currency.upper())
    place = Path(source).expanduser().absolute() if isinstance(source, (str, Path)) else source
    remarks = Remarks()

    def load() -> Tables:
        nonlocal remarks
        tables = read_source(place, calendar)
        remarks = Remarks(tables.notes)
        return to_raw(tables, place, remarks, start=start, end=end, adjusted=adjusted)

    def prepare(tables: Tables, sessions: ExchangeCalendar) -> tuple[Tables, list[str]]:
        prepared = to_stored(tables, sessions, on_gap, remarks)
        return prepared, remarks.lines()

    register_tables(name, load, market=market, prepare=prepare)


def bundle_from_frames(
    name: str,
    frames: pd.DataFrame | Mapping[str, pd.DataFrame],
    *,
    environ: Mapping[str, str] | None = None,
    **options: object,
) -> None:
    """Register DataFrames as a bundle and ingest it, with the options of `register_prices`.

    Parameters
    ----------
    name : str
    frames : DataFrame or dict of DataFrame
        By symbol, by field, as yfinance returns them, or one long table.
    environ : mapping, optional
        Environment whose ``ZIPLINE_ROOT`` is used; the process's by default.
    **options
        ``calendar``, ``country``, ``currency``, ``start``, ``end``, ``on_gap``, ``adjusted``.
    """
    register_prices(name, frames, **options)  # type: ignore[arg-type]
    ingest_bundle(name, environ=environ)


def read_source(source: object, calendar: str = CALENDAR) -> PriceTables:
    """Read files or frames; errors name every problem.

    Raises
    ------
    BundleError
        If the source cannot be read.
    """
    zone = str(get_calendar(calendar).tz)
    try:
        if isinstance(source, Path):
            return read_prices(source, zone)
        return read_frames(dict(source) if isinstance(source, Mapping) else source, time_zone=zone)
    except PanelError as error:
        raise BundleError(str(error)) from error


def to_raw(
    tables: PriceTables,
    source: object,
    remarks: Remarks,
    *,
    start: str | None = None,
    end: str | None = None,
    adjusted: bool = False,
) -> dict[str, pd.DataFrame]:
    """Return raw bars with dividends and splits, within the dates.

    Raises
    ------
    BundleError
        For incomplete bars, and no bar within the dates.
    """
    found: dict[str, pd.DataFrame] = {}

    def convert(symbol: str) -> None:
        bars = raw_bars(symbol, tables.bars[symbol], remarks, adjusted=adjusted).loc[start:end]
        if len(bars):
            found[symbol] = bars
        else:
            remarks.add(f"no bars from {start} to {end}, left out", symbol)

    where = source if isinstance(source, Path) else "frames"
    collect(tables.bars, convert, where, BundleError)
    if not found:
        raise BundleError(f"{where}: no bars from {start} to {end}; widen the dates")
    return found


def to_stored(tables: Tables, calendar: ExchangeCalendar, on_gap: str, remarks: Remarks) -> dict[str, pd.DataFrame]:
    """Return bars on the calendar's sessions in units that zipline stores.

    Raises
    ------
    BundleError
        With every problem of every symbol.
    """
    stored: dict[str, pd.DataFrame] = {}

    def align(symbol: str) -> None:
        bars = on_sessions(symbol, tables[symbol], calendar, on_gap, remarks)
        if bars is not None:
            stored[symbol] = in_units(symbol, bars, remarks)

    collect(tables, align, "the prices", BundleError)
    if not stored:
        raise BundleError("every symbol has a session without a trade; ingest with --on-gap trade-free")
    return stored
