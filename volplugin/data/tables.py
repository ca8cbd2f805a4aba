"""Tables from files and frames: column names, dates, symbols and numbers, read by one set of rules.

Rules
-----
- Column names are compared without case, spaces and punctuation; the names of Yahoo, Stooq, Alpha Vantage, Tiingo
  and zipline's csvdir are known. Two columns with one meaning are refused.
- Dates are year-month-day, or eight digits. Day-first, month-first and epoch numbers are refused, never guessed.
- A time of day is dropped: the row belongs to the date as written. A time with an offset from UTC belongs to the local
  date as written. Times in UTC other than midnight need the time zone of the exchange, and are refused without one.
- Symbols are text: "NA", "0700" and "TRUE" stay as written.
"""

from __future__ import annotations

import logging
import re
import zlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from volplugin.errors import PanelError

LOG = logging.getLogger("volplugin")

ALIASES = {
    "date": ("date", "datetime", "timestamp"),
    "symbol": ("symbol", "ticker"),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
    "volume": ("volume", "vol"),
    "adjusted_close": ("adjclose", "adjustedclose", "closeadj"),
    "dividend": ("dividend", "dividends", "dividendamount", "divcash", "exdividend"),
    "split": ("split", "splits", "stocksplits", "splitcoefficient", "splitfactor", "splitratio"),
}
"""Meanings of columns and their accepted names, in lower case without punctuation."""
MEANINGS = {name: meaning for meaning, names in ALIASES.items() for name in names}
NUMBERS = ("open", "high", "low", "close", "volume", "adjusted_close", "dividend", "split")
MISSING = ["", "null", "NULL", "NaN", "nan", "NA", "N/A", "n/a", "None", "-"]
"""Cells of number columns that mean a missing value."""
UNREADABLE = (pd.errors.ParserError, pd.errors.EmptyDataError, OSError, EOFError, zlib.error)
DAMAGED_PARQUET = (
    OSError, ValueError, TypeError, LookupError, AttributeError, NotImplementedError, MemoryError, RecursionError,
)  # fmt: skip
"""Errors that pyarrow and pandas raise on damaged bytes."""
OTHER_KINDS = {
    b"\x1f\x8b": "compressed by gzip; call it SYMBOL.csv.gz",
    b"PK": "a zip archive or an Excel workbook; unpack it, or save it as CSV",
    b"\xff\xfe": "in UTF-16; save it as UTF-8",
    b"\xfe\xff": "in UTF-16; save it as UTF-8",
}
"""First bytes of files that are no plain CSV."""
PARQUET = (".parquet", ".pq")
DAY = re.compile(
    r"(?P<year>\d{4})(?P<mark>[-/]?)(?P<month>\d{2})(?P=mark)(?P<day>\d{2})"
    r"(?:[T ]\s*(?P<time>\d{1,2}:[0-5]\d(?::[0-5]\d(?:\.\d+)?)?)\s*(?P<offset>Z|UTC|[+-]\d{2}:?\d{2})?)?"
)
UTC = ("Z", "UTC", "+00:00", "+0000", "-00:00")
FIRST_YEAR, LAST_YEAR = 1800, 2200
"""Years outside of which eight digits are no date."""


def is_parquet(path: Path) -> bool:
    """Whether a path has an extension of Parquet, in any case."""
    return path.suffix.lower() in PARQUET


def is_csv(path: Path) -> bool:
    """Whether a path has an extension of CSV, in any case, compressed by gzip or not."""
    return path.name.lower().endswith((".csv", ".csv.gz"))


def symbol_of(path: Path) -> str:
    """Return the symbol that a price file is named after."""
    return re.sub(r"\.csv(\.gz)?$|\.parquet$|\.pq$", "", path.name, flags=re.IGNORECASE).strip()


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV or Parquet file, with its own column names; dates and symbols of a CSV file are text.

    Raises
    ------
    PanelError
        Naming the file, and the problem or the package to install.
    """
    if not path.is_file():
        raise PanelError(f"{path}: no such file")
    return _read_parquet(path) if is_parquet(path) else _read_csv(path)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
    except ImportError as error:
        raise PanelError(f"{path}: reading Parquet takes pyarrow; pip install 'volplugin[parquet]'") from error
    except DAMAGED_PARQUET as error:
        raise PanelError(f"{path}: not a readable Parquet file ({_line(error)})") from error
    return table if isinstance(table.index, pd.RangeIndex) else table.reset_index()


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        with path.open("rb") as file:
            plain, start = not path.name.lower().endswith(".gz"), file.read(2)
            if plain and start in OTHER_KINDS:
                raise PanelError(f"{path}: {OTHER_KINDS[start]}")
            if plain and any(b"\0" in part for part in iter(lambda: file.read(1 << 20), b"")):
                raise PanelError(f"{path}: holds NUL bytes, so it is damaged or no CSV file; write it again")
        options: dict[str, Any] = {"header": None, "keep_default_na": False, "encoding": "utf-8-sig"}
        header = pd.read_csv(path, nrows=1, dtype=str, **options)
        separator = next((mark for mark in ";\t|" if header.shape[1] == 1 and mark in header.iloc[0, 0]), ",")
        # Two lines, so that a first row with more cells than the header is an error and not an index.
        head = pd.read_csv(path, nrows=2, dtype=str, sep=separator, **options)
        names = [str(name).strip() for name in head.iloc[0]]
        text = [place for place, name in enumerate(names) if meaning_of(name) not in NUMBERS]
        table = pd.read_csv(
            path,
            names=range(len(names)),
            dtype=dict.fromkeys(text, str),
            na_values={place: MISSING for place in range(len(names)) if place not in text},
            sep=separator,
            low_memory=False,
            **options | {"header": 0},
        )
    except PanelError:
        raise
    except UnicodeDecodeError as error:
        raise PanelError(f"{path}: not a readable CSV file; save it as UTF-8 ({_line(error)})") from error
    except (*UNREADABLE, ValueError) as error:
        cells = "; the first line is the header, and no row is longer" if "Expected" in str(error) else ""
        raise PanelError(f"{path}: not a readable CSV file{cells} ({_line(error)})") from error
    table.columns = pd.Index(names)
    return table


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def meaning_of(column: object) -> str | None:
    """Return the meaning of a column by its name, or None."""
    plain = re.sub(r"^\d+\.\s*", "", str(column).strip().lower())
    return MEANINGS.get(re.sub(r"[^a-z0-9]", "", plain))


def named_columns(table: pd.DataFrame, where: str, required: Iterable[str]) -> tuple[pd.DataFrame, list[str]]:
    """Return a table with its known columns under the names of `ALIASES`, and the names of the others.

    Raises
    ------
    PanelError
        If two columns have one meaning, or a required one is missing.
    """
    meanings = [meaning_of(column) for column in table.columns]
    for meaning in ALIASES:
        same = [str(column) for column, found in zip(table.columns, meanings, strict=True) if found == meaning]
        if len(same) > 1:
            raise PanelError(f"{where}: two columns {meaning} ({', '.join(same)}); keep one")
    names = ", ".join(map(str, table.columns))
    missing = [meaning for meaning in required if meaning not in meanings]
    if missing:
        raise PanelError(f"{where}: no column {' or '.join(missing)}; there are {names}")
    ignored = [str(column) for column, found in zip(table.columns, meanings, strict=True) if found is None]
    known = [place for place, found in enumerate(meanings) if found is not None]
    return table.iloc[:, known].set_axis([meaning for meaning in meanings if meaning is not None], axis=1), ignored


def read_dates(column: pd.Series, where: str, time_zone: str | None = None) -> pd.Series:
    """Return session dates by the rules above.

    Parameters
    ----------
    column : Series
        Text, numbers, dates or timestamps.
    where : str
        File or frame, named in errors.
    time_zone : str, optional
        Time zone of the exchange, to which times in UTC are converted.

    Raises
    ------
    PanelError
        Naming the first value that is no date.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        return _stamped(column, where, time_zone)
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_complex_dtype(column):
        raise PanelError(f"{where}: the column of dates holds {column.dtype}; write dates such as 2015-06-30")
    if pd.api.types.is_numeric_dtype(column):
        column = column.map(lambda value: str(int(value)) if np.isfinite(value) and value == int(value) else str(value))
    texts = column.astype(str).str.strip()
    try:
        days = {text: _day(text, time_zone) for text in texts.unique()}
        return pd.Series(pd.to_datetime(texts.map(days)), column.index).astype("datetime64[ns]")
    except PanelError as error:
        raise PanelError(f"{where}: {error}") from error


@lru_cache(maxsize=200_000)
def _day(text: str, time_zone: str | None) -> pd.Timestamp:
    """Return the session date of a text; files of one folder share most of their dates, hence the cache."""
    found = DAY.fullmatch(text)
    if found is None or not FIRST_YEAR < int(found["year"]) < LAST_YEAR:
        raise PanelError(f"{text or 'an empty cell'} is not a date; write one such as 2015-06-30")
    try:
        day = pd.Timestamp(int(found["year"]), int(found["month"]), int(found["day"]))
        clock = pd.Timedelta(0) if found["time"] is None else _clock(found["time"])
    except ValueError as error:
        raise PanelError(f"{text} is not a date; write one such as 2015-06-30") from error
    return _local(day + clock, time_zone) if found["offset"] in UTC else day


def _clock(text: str) -> pd.Timedelta:
    clock = pd.Timedelta(text if text.count(":") == 2 else f"{text}:00")
    if clock >= pd.Timedelta(days=1):
        raise ValueError(text)
    return clock


def _local(moment: pd.Timestamp, time_zone: str | None) -> pd.Timestamp:
    """Return the day of a moment in UTC at the exchange; midnight in UTC is the day as written."""
    if moment == moment.normalize():
        return moment
    if time_zone is None:
        raise PanelError(
            f"{moment} is a time in UTC, whose session depends on the exchange; write dates such as 2015-06-30"
        )
    return moment.tz_localize("UTC").tz_convert(time_zone).tz_localize(None).normalize()


def _stamped(column: pd.Series, where: str, time_zone: str | None) -> pd.Series:
    if column.isna().any():
        raise PanelError(f"{where}: an empty cell is not a date; write one such as 2015-06-30")
    if column.dt.tz is not None and str(column.dt.tz) in ("UTC", "Etc/UTC", "GMT", "+00:00"):
        moments = column.dt.tz_localize(None)
        odd = moments != moments.dt.normalize()
        if odd.any():
            try:
                return moments.map(lambda moment: _local(moment, time_zone)).astype("datetime64[ns]")
            except PanelError as error:
                raise PanelError(f"{where}: {error}") from error
        column = moments
    if column.dt.tz is not None:
        column = column.dt.tz_localize(None)
    days = column.dt.normalize()
    far = ~days.dt.year.between(FIRST_YEAR, LAST_YEAR)
    if far.any():
        raise PanelError(f"{where}: {days[far].iloc[0].date()} is no session")
    return days.astype("datetime64[ns]")


def read_symbols(column: pd.Series, where: str) -> pd.Series:
    """Return symbols as text without surrounding spaces.

    Raises
    ------
    PanelError
        For a row without a symbol, and numbers with decimals.
    """
    if pd.api.types.is_float_dtype(column) or pd.api.types.is_bool_dtype(column):
        raise PanelError(f"{where}: the column of symbols holds numbers ({column.iloc[0]}); write symbols as text")
    column = column.astype(object)
    known = column[column.notna().to_numpy()]
    odd = [value for value in known if not isinstance(value, str | int | np.integer) or isinstance(value, bool)]
    if odd:
        raise PanelError(f"{where}: the column of symbols holds {odd[0]!r}; write symbols as text")
    texts = column.where(column.notna(), "").astype(str).str.strip()
    if (texts == "").any():
        row = int(np.flatnonzero((texts == "").to_numpy())[0])
        raise PanelError(f"{where}: row {row + 1} has no symbol; write one in each row")
    return texts


def read_numbers(table: pd.DataFrame, fields: Iterable[str], where: str) -> Mapping[str, pd.Series]:
    """Return columns as float64; an empty cell is NaN.

    Raises
    ------
    PanelError
        Naming the date, and the value that is not a number.
    """
    return {field: _numbers(table, field, where) for field in fields}


def _numbers(table: pd.DataFrame, field: str, where: str) -> pd.Series:
    column = table[field]
    if column.dtype == object:
        column = column.where(~column.isin(MISSING))
        column = column.where(~column.map(lambda value: isinstance(value, bool | np.bool_)), column.astype(str))
    if column.dtype.kind in "mMbc" or pd.api.types.is_datetime64_any_dtype(column):
        raise PanelError(f"{where}: the column {field} holds {column.dtype}, not numbers")
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    bad = numbers.isna() & column.notna()
    if bad.any():
        row = table[bad].iloc[0]
        at = " on ".join(str(row[name]).removesuffix(" 00:00:00") for name in ("symbol", "date") if name in table)
        comma = "; write 1234.5, without other marks" if "," in str(row[field]) else ""
        raise PanelError(f"{where}: {at}: {field} is {row[field]!r}, which is not a number{comma}")
    return numbers


def read_long(path: Path, required: Iterable[str] = ("date", "symbol"), only: str | None = None) -> pd.DataFrame:
    """Read a file with one row per date and symbol, or per symbol, and columns of numbers.

    Parameters
    ----------
    path : Path
    required : iterable of str
        Columns ``date`` and ``symbol``, or ``symbol`` alone; the rest become numbers under their own names.
    only : str, optional
        The one column of numbers to read, in any case; a logged warning names the others.

    Raises
    ------
    PanelError
        Naming the file and the problem: a column missing or twice, no rows, a value of the wrong kind.
    """
    table, where, keys = read_table(path), str(path), list(required)
    names = [meaning if (meaning := meaning_of(name)) in keys else str(name).strip() for name in table.columns]
    found = ", ".join(map(str, table.columns))
    if only is not None and only in map(str.lower, names):
        used = [name in keys or name.lower() == only for name in names]
        ignored = [name for name, is_used in zip(names, used, strict=True) if not is_used]
        table, names = table.loc[:, used], [name if name in keys else only for name in names if name not in ignored]
        if ignored:
            LOG.warning("%s: columns that are ignored: %s", path, ", ".join(ignored))
    folded = [name.lower() for name in names]
    twice = next((name for name in folded if folded.count(name) > 1), None)
    if twice is not None:
        raise PanelError(f"{where}: two columns {twice}; keep one")
    missing = [key for key in keys if key not in names]
    numbers = [name for name in names if name not in keys]
    if missing or not numbers:
        raise PanelError(f"{where}: expected columns {', '.join(keys)} and one or more of numbers, found {found}")
    if table.empty:
        raise PanelError(f"{where}: no rows")
    table = table.set_axis(names, axis=1).assign(symbol=lambda given: read_symbols(given["symbol"], where))
    if "date" in keys:
        table = table.assign(date=read_dates(table["date"], where))
    for name, column in read_numbers(table, numbers, where).items():
        table[name] = column
    return table
