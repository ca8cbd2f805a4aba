"""A bundle from a folder of CSV files, one a symbol, in the columns of zipline's own ``csvdir``.

Other than ``csvdir``, prices are checked before they are written, the assets have a US exchange (so
Pipeline finds them), the bundle ends where its data end, dividends are paid, and a killed ingest
leaves nothing behind.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import pandas as pd

from volplugin.errors import BundleError

from .checks import COLUMNS, PRICES
from .registration import register_tables


def register_csv_folder(name: str, folder: str | Path, *, start: str | None = None, end: str | None = None) -> None:
    """Register a folder of CSV files as a bundle; registering again changes nothing.

    The folder is read at ingest, not here.

    Parameters
    ----------
    name : str
        Name for ``zipline ingest -b NAME``, ``read_bundle(NAME)`` and ``--bundle NAME``.
    folder : str or Path
        Holds ``SYMBOL.csv`` or ``SYMBOL.csv.gz`` files, directly or in a subfolder ``daily``. Columns:
        ``date, open, high, low, close, volume`` and, optionally, ``dividend`` (cash per share on the
        ex-date) and ``split`` (new shares for one old: 2.0 for a two-for-one). Prices are raw.
    start, end : str, optional
        Keep only the sessions within; all of them by default.
    """
    source = Path(folder).expanduser().absolute()
    register_tables(name, lambda: load_csv_folder(source, start=start, end=end))


def load_csv_folder(folder: Path, *, start: str | None = None, end: str | None = None) -> dict[str, pd.DataFrame]:
    """Read raw bars, dividends and splits by symbol, indexed by session.

    Raises
    ------
    BundleError
        If the folder holds no CSV files, or a file cannot be read or lacks a column.
    """
    files = _files(folder)
    tables = {symbol: _read(file).loc[start:end] for symbol, file in files.items()}
    kept = {symbol: bars for symbol, bars in tables.items() if len(bars)}
    if not kept:
        raise BundleError(f"{folder}: no bars from {start} to {end}; widen the dates")
    return kept


def _files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise BundleError(f"{folder}: no such folder; pass the one that holds the SYMBOL.csv files")
    place = folder / "daily" if (folder / "daily").is_dir() else folder
    found = sorted([*place.glob("*.csv"), *place.glob("*.csv.gz")])
    if not found:
        raise BundleError(f"{place}: the folder holds no SYMBOL.csv files")
    files: dict[str, Path] = {}
    for file in found:
        symbol = file.name.removesuffix(".gz").removesuffix(".csv")
        if symbol in files:
            raise BundleError(f"{symbol}: both {files[symbol].name} and {file.name} are there; keep one")
        files[symbol] = file
    return files


def _read(file: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(file)
    except (
        pd.errors.EmptyDataError,
        pd.errors.ParserError,
        UnicodeDecodeError,
        OSError,
        EOFError,
        zlib.error,
    ) as error:
        raise BundleError(f"{file}: not a readable CSV file ({error})") from error
    table.columns = [str(column).strip().lower() for column in table.columns]
    absent = [column for column in ("date", *PRICES, "volume") if column not in table]
    if absent:
        raise BundleError(f"{file}: no column {', '.join(absent)}; there are {', '.join(table.columns)}")
    try:
        table["date"] = pd.to_datetime(table["date"], format="ISO8601")
        return table.set_index("date").assign(**_defaults(table))[COLUMNS].astype(float)
    except (ValueError, TypeError) as error:
        raise BundleError(f"{file}: {error}") from error


def _defaults(table: pd.DataFrame) -> dict[str, float]:
    nothing = {"dividend": 0.0, "split": 1.0}
    return {column: value for column, value in nothing.items() if column not in table}
