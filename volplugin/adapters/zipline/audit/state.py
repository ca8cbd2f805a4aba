"""State that ``before_trading_start`` stores for later, in a form that two runs can be compared by."""

from __future__ import annotations

import hashlib
import reprlib
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from zipline.assets import Asset

DEPTH = 6
"""Levels of containers and objects that are looked into."""

Own = Callable[[type], bool]


def kept_values(names: Mapping[str, Any], own: Own) -> dict[str, dict[str, str]]:
    """Digest named values: numbers, texts, arrays, tables, containers, and objects of the strategy's own classes.

    Parameters
    ----------
    names : mapping
        Attributes of a context, or globals of a module. Those with a leading underscore are left out.
    own : callable
        Whether a class is the strategy's, and its instances therefore to be looked into.

    Returns
    -------
    dict
        By name, a digest to compare and a text to show. Objects of libraries, functions and modules are
        left out: they may hold the future, as a price panel does, without using it.
    """
    found = {}
    for name, value in names.items():
        if not name.startswith("_") and _is_data(value, own):
            digest = hashlib.sha256()
            _feed(digest.update, value, own, DEPTH)
            found[name] = {"digest": digest.hexdigest()[:16], "shown": _shown(value)}
    return found


def plain(value: Any) -> Any:
    """Return a recorded value as JSON: numbers and texts as they are, anything else as digest and text."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return kept_values({"value": value}, lambda kind: False).get("value", type(value).__name__)


def _shown(value: Any) -> str:
    if isinstance(value, pd.Series | pd.DataFrame | np.ndarray):
        return f"{type(value).__name__} of shape {value.shape}"
    return value.symbol if isinstance(value, Asset) else reprlib.repr(value)


def _is_data(value: Any, own: Own) -> bool:
    data = bool | int | float | complex | str | bytes | np.generic | np.ndarray | pd.Series | pd.DataFrame | pd.Index
    containers = list | tuple | dict | set | frozenset | pd.Timestamp | Asset
    if isinstance(value, type | ModuleType):
        return False
    return value is None or isinstance(value, data | containers) or own(type(value))


def _feed(update: Callable[[bytes], object], value: Any, own: Own, depth: int) -> None:
    """Feed a digest with a value; numbers to ten digits, about what `decisions.TOLERANCE` is."""
    update(type(value).__name__.encode())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Asset):
        update(value.symbol.encode())
    elif isinstance(value, float) or (isinstance(value, np.ndarray) and value.dtype.kind == "f"):
        mantissa, exponent = np.frexp(value)
        update(np.round(mantissa, 10).tobytes() + exponent.tobytes())
    elif isinstance(value, pd.DataFrame):
        columns = [value.iloc[:, place] for place in range(value.shape[1])]
        _feed_all(update, [value.index, value.columns, *columns], own, depth)
    elif isinstance(value, pd.Series):
        _feed_all(update, [value.index, value.to_numpy()], own, depth)
    elif isinstance(value, np.ndarray):
        _feed_all(update, [value.shape, *value.flat], own, depth)
    elif isinstance(value, pd.Index | list | tuple):
        _feed_all(update, list(value), own, depth)
    elif isinstance(value, set | frozenset):
        _feed_all(update, sorted(map(repr, value)), own, depth)
    elif isinstance(value, dict):
        _feed_all(update, [part for item in value.items() for part in item], own, depth)
    elif not isinstance(value, type) and own(type(value)):
        _feed_all(update, [part for item in vars(value).items() for part in item], own, depth)
    elif _is_data(value, own):
        update(repr(value).encode())


def _feed_all(update: Callable[[bytes], object], values: list[Any], own: Own, depth: int) -> None:
    for value in values if depth else ():
        _feed(update, value, own, depth - 1)
