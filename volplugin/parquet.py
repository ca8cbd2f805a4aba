"""Reading price frames from Parquet files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from volplugin.csv import FIELDS, wide_frames
from volplugin.errors import PanelError

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
