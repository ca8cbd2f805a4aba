"""A bundle from a folder of CSV files, one per symbol, in the columns of zipline's own ``csvdir``.

Other than ``csvdir``, prices are checked before they are written, the assets have an exchange (so that Pipeline
finds them), the bundle ends where its data end, dividends are paid, and a killed ingest leaves nothing behind.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from volplugin.errors import BundleError

from .prices import read_source, register_prices, to_raw
from .remarks import Remarks


def register_csv_folder(name: str, folder: str | Path, *, start: str | None = None, end: str | None = None) -> None:
    """Register a folder of CSV files of US stocks as a bundle: `register_prices` with its defaults.

    Parameters
    ----------
    name : str
        Name for ``zipline ingest -b NAME``, ``read_bundle(NAME)`` and ``--bundle NAME``.
    folder : str or Path
        Holds ``SYMBOL.csv`` or ``SYMBOL.csv.gz`` files, directly or in a subfolder ``daily``.
    start, end : str, optional
        Use only the sessions within; all of them by default.
    """
    register_prices(name, Path(folder), start=start, end=end)


def load_csv_folder(folder: Path, *, start: str | None = None, end: str | None = None) -> dict[str, pd.DataFrame]:
    """Read raw bars, dividends and splits by symbol, indexed by session.

    Raises
    ------
    BundleError
        If the folder holds no CSV files, or a file cannot be read or lacks a column.
    """
    if not folder.is_dir():
        raise BundleError(f"{folder}: no such folder; pass the one that holds the SYMBOL.csv files")
    tables = read_source(folder)
    return to_raw(tables, folder, Remarks(tables.notes), start=start, end=end)
