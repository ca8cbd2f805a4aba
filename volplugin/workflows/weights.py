"""The one file that a user writes by hand."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from volplugin.errors import WeightsError


def read_weights(path: str | Path, known: Collection[Any] | None = None) -> pd.Series:
    """Weights by symbol from a CSV file with columns ``symbol, weight``.

    Parameters
    ----------
    path : str or Path
    known : collection, optional
        Symbols that there are prices of.

    Raises
    ------
    WeightsError
        If the file cannot be read as that, names an asset twice, or one that is not known.
    """
    try:
        table = pd.read_csv(path, dtype={"symbol": str}, skipinitialspace=True, keep_default_na=False, na_values=[""])
        weights = table.set_index("symbol")["weight"].astype(float)
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror or error}") from error
    except (KeyError, ValueError, pd.errors.ParserError) as error:
        raise WeightsError(f"{path}: expected columns symbol, weight with numbers ({error})") from error
    if weights.empty:
        raise WeightsError(f"{path} names no asset; write a line such as AAPL,0.05 for each")
    if weights.index.hasnans:
        raise WeightsError(f"{path}: line {int(np.flatnonzero(weights.index.isna())[0]) + 2} has no symbol")
    if weights.index.has_duplicates:
        raise WeightsError(f"{path}: {weights.index[weights.index.duplicated()][0]} is there twice; give it one weight")
    bad = weights.index[~np.isfinite(weights)]
    if len(bad):
        raise WeightsError(f"{path}: the weight of {bad[0]} is no number")
    strange = [name for name in weights.index if known is not None and name not in known]
    if strange:
        raise WeightsError(f"{path}: there are no prices of {', '.join(strange[:5])}; correct the symbol, or drop it")
    return weights
