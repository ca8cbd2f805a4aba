"""Portfolio weights, and groups of assets, from a file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from volplugin.data.tables import meaning_of, read_long, read_symbols, read_table
from volplugin.errors import PanelError, WeightsError
from volplugin.storage.reading import as_path

CASH = "CASH"
"""Symbol of the part that is not invested; its row is left out, unless there are prices of such an asset."""
MAX_WEIGHT = 1e6
"""Size of a weight that is no fraction of a portfolio's value."""


def read_weights(path: str | Path, known: Collection[Any] | None = None) -> pd.Series:
    """Read weights by symbol from a CSV or Parquet file with columns ``symbol, weight`` in any case.

    Parameters
    ----------
    path : str or Path
    known : collection, optional
        Symbols with prices.

    Returns
    -------
    Series of shape (n_assets,)
        Weights as fractions of the portfolio's value. A row ``CASH`` is left out: cash has no risk.

    Raises
    ------
    WeightsError
        If the file cannot be read, names an asset twice, or one without prices.
    """
    weights = _read(as_path(path))
    cash = [name for name in weights.index if name.upper() == CASH and (known is None or name not in known)]
    twice = [*weights.index[weights.index.duplicated()], *cash[1:]]
    if twice:
        raise WeightsError(f"{path}: {twice[0]} is there twice; give it one weight")
    bad = weights.index[~(weights.abs() < MAX_WEIGHT)]
    if len(bad):
        raise WeightsError(f"{path}: the weight of {bad[0]} is no number below {MAX_WEIGHT:g}; pass fractions")
    weights = weights.drop(cash)
    if not weights.any():
        raise WeightsError(f"{path} names no asset with a weight; write a line such as AAPL,0.05 for each")
    labels = {str(name): name for name in (() if known is None else known)}
    strange = [name for name in weights.index if known is not None and name not in labels]
    if strange:
        raise WeightsError(f"{path}: there are no prices of {', '.join(strange[:5])}; correct the symbol, or drop it")
    return weights.rename(index=labels)


def read_groups(path: str | Path, known: Collection[Any] = ()) -> pd.Series:
    """Read the group of each symbol from a CSV or Parquet file with columns ``symbol, group`` in any case.

    The second column may have any name, such as ``sector``.

    Parameters
    ----------
    path : str or Path
    known : collection, optional
        Symbols with prices, whose labels the index then has; the file may name others.

    Returns
    -------
    Series of shape (n_assets,)
        Group, as text, by symbol.

    Raises
    ------
    WeightsError
        If the file cannot be read, names an asset twice or without a group, or has other columns.
    """
    try:
        table = read_table(as_path(path))
        found = ", ".join(map(str, table.columns))
        symbols = [name for name in table if meaning_of(name) == "symbol"]
        others = [name for name in table if name not in symbols]
        if len(symbols) != 1 or len(others) != 1:
            raise WeightsError(f"{path}: expected columns symbol, group, found {found}")
        labels = read_symbols(table[symbols[0]], str(path))
    except PanelError as error:
        raise WeightsError(f"{error}; expected columns symbol, group") from error
    groups = pd.Series(
        table[others[0]].astype(object).fillna("").astype(str).str.strip().to_numpy(), labels.to_numpy(), name="group"
    )
    if groups.index.has_duplicates:
        raise WeightsError(f"{path}: {groups.index[groups.index.duplicated()][0]} is there twice; give it one group")
    if (groups == "").any():
        raise WeightsError(f"{path}: {groups.index[groups == ''][0]} has no group; write one")
    return groups.rename(index={str(name): name for name in known})


def _read(path: Path) -> pd.Series:
    try:
        table = read_long(path, ["symbol"], "weight")
    except PanelError as error:
        raise WeightsError(f"{error}; expected columns symbol, weight with numbers") from error
    if "weight" not in table:
        raise WeightsError(f"{path}: expected columns symbol, weight, found {', '.join(map(str, table.columns))}")
    return table.set_index("symbol")["weight"]
