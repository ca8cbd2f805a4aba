"""The bundle ``dow30``: thirty large US stocks, 1999 to 2021, and VIX, shipped with the package (see README.md)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..checks import COLUMNS
from ..registration import register_tables

NAME = "dow30"
FILE = Path(__file__).with_name("dow30.csv.gz")
SECTORS = Path(__file__).with_name("sectors.csv")
"""Sector of each symbol, as of late 2024; columns ``symbol``, ``group``."""
VIX = Path(__file__).with_name("vix.csv")
FIRST_SESSION = "1999-11-01"
LAST_SESSION = "2021-04-21"


def load_dow30() -> dict[str, pd.DataFrame]:
    """Read the raw bars, dividends and splits by symbol, indexed by session."""
    table = pd.read_csv(FILE, parse_dates=["date"])
    return {str(symbol): rows.set_index("date")[COLUMNS] for symbol, rows in table.groupby("symbol")}


def load_vix() -> pd.Series:
    """Return the closes of the Cboe Volatility Index by date, in percent a year."""
    closes: pd.Series = pd.read_csv(VIX, parse_dates=["date"], index_col="date")["close"].rename("vix")
    return closes


def register_dow30(name: str = NAME) -> None:
    """Register the bundle, for ``zipline ingest -b dow30``; registering again changes nothing.

    Parameters
    ----------
    name : str, default "dow30"
        Name to register it under.
    """
    register_tables(name, load_dow30, start=FIRST_SESSION, end=LAST_SESSION)
