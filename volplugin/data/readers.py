"""Reading price frames from CSV files."""

from __future__ import annotations

import warnings
import zlib
from pathlib import Path

import pandas as pd

from volplugin.errors import PanelError

FIELDS = ("open", "high", "low", "close", "volume")
UNREADABLE = (UnicodeDecodeError, OSError, EOFError, zlib.error)


def read_csv_frames(path: Path) -> dict[str, pd.DataFrame]:
    """Wide frames by field, from one long CSV or a folder of one CSV a symbol.

    Parameters
    ----------
    path : Path
        A file with columns ``symbol, date, close[, open, high, low, volume]``, or a folder of
        ``SYMBOL.csv`` files with the same columns less ``symbol``. Prices are taken as adjusted.

    Raises
    ------
    PanelError
        Naming the file and what is wrong with it.
    """
    if path.is_dir():
        files = sorted(path.glob("*.csv")) + sorted(path.glob("*.csv.gz"))
        if not files:
            raise PanelError(f"{path}: the folder holds no CSV files")
        table = pd.concat([_read(file).assign(symbol=file.name.split(".csv")[0]) for file in files])
    elif path.exists():
        table = _read(path)
        if "symbol" not in table:
            raise PanelError(f"{path}: no column 'symbol'; a single file holds many assets in long form")
    else:
        raise PanelError(f"{path}: no such file or folder")
    return wide_frames(table, path)


def wide_frames(table: pd.DataFrame, path: Path) -> dict[str, pd.DataFrame]:
    """Turn a long table of bars into wide frames by field.

    Raises
    ------
    PanelError
        If an asset has two bars on one date.
    """
    twice = table.duplicated(["date", "symbol"])
    if twice.any():
        row = table[twice].iloc[0]
        raise PanelError(f"{row['symbol']} on {row['date'].date()}: duplicate date in {path}; keep one row a session")
    fields = [field for field in FIELDS if field in table]
    wide = table.pivot(index="date", columns="symbol", values=fields)
    return {field: wide[field].rename_axis(columns=None) for field in fields}


def _read(file: Path) -> pd.DataFrame:
    try:
        header = pd.read_csv(file, nrows=0).columns
        # Tickers are text: not the number 1, the boolean TRUE or a missing NA.
        symbols = {column: str.strip for column in header if _plain(column) == "symbol"}
        table = pd.read_csv(file, converters=symbols)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, *UNREADABLE) as error:
        raise PanelError(f"{file}: not a readable CSV file ({str(error).strip()})") from error
    table.columns = [_plain(column) for column in table.columns]
    missing = [column for column in ("date", "close") if column not in table]
    if missing:
        raise PanelError(f"{file}: no column {' or '.join(missing)}; there are {', '.join(table.columns)}")
    if table.columns.has_duplicates:
        raise PanelError(f"{file}: two columns {table.columns[table.columns.duplicated()][0]}; keep one")
    if table.empty:
        raise PanelError(f"{file}: no rows")
    if "symbol" in table and (table["symbol"] == "").any():
        raise PanelError(f"{file}: a row of {table['date'][table['symbol'] == ''].iloc[0]} has no symbol")
    numbers = {field: _numbers(table, field, file) for field in FIELDS if field in table}
    return table.assign(date=_dates(table["date"], file), **numbers)


def _plain(column: str) -> str:
    return str(column).strip().lower()


def _dates(column: pd.Series, file: Path) -> pd.Series:
    with warnings.catch_warnings():
        # Of dates with and without a timezone in one column, which are refused below.
        warnings.simplefilter("ignore", FutureWarning)
        dates = pd.to_datetime(column.astype(str), format="ISO8601", errors="coerce")
    if dates.isna().any():
        raise PanelError(f"{file}: {column[dates.isna()].iloc[0]} is not a date; write one such as 2015-06-30")
    if dates.dtype.kind != "M" or getattr(dates.dt, "tz", None) is not None:
        raise PanelError(f"{file}: dates are timezone-aware; write sessions as plain dates such as 2015-06-30")
    return dates


def _numbers(table: pd.DataFrame, field: str, file: Path) -> pd.Series:
    numbers = pd.to_numeric(table[field], errors="coerce").astype(float)
    bad = numbers.isna() & table[field].notna()
    if bad.any():
        row = table[bad].iloc[0]
        where = f"{row['symbol']} on {row['date']}" if "symbol" in table else str(row["date"])
        raise PanelError(f"{file}: {where}: {field} is {row[field]!r}, which is not a number")
    return numbers


DAMAGED = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    NotImplementedError,
    MemoryError,
    RecursionError,
)
"""What reading damaged bytes may come to, of which pyarrow and pandas check some and stumble over the rest."""


def read_parquet_frames(path: Path) -> dict[str, pd.DataFrame]:
    """Wide frames by field, from one long table ``symbol, date, close[, open, high, low, volume]``.

    Prices are taken as adjusted.

    Raises
    ------
    PanelError
        Naming the file and what is wrong with it, or what to install.
    """
    if not path.is_file():
        raise PanelError(f"{path}: no such file")
    try:
        table = pd.read_parquet(path)
    except ImportError as error:
        raise PanelError(f"{path}: reading Parquet takes pyarrow; pip install 'volplugin[parquet]'") from error
    except DAMAGED as error:
        raise PanelError(f"{path}: not a readable Parquet file ({error})") from error
    missing = [column for column in ("symbol", "date", "close") if column not in table]
    if missing:
        raise PanelError(f"{path}: no column {' or '.join(missing)}; there are {', '.join(map(str, table.columns))}")
    fields = [field for field in FIELDS if field in table]
    try:
        numbers = {field: table[field].astype(float) for field in fields}
        table = table.assign(symbol=table["symbol"].astype(str), date=pd.to_datetime(table["date"]), **numbers)
    except (ValueError, TypeError) as error:
        raise PanelError(f"{path}: {error}") from error
    return wide_frames(table, path)
