"""A folder of finished forecasts: an evaluation that was interrupted or is repeated loads them.

One uncompressed ``.npz`` file per forecast. It holds a checksum of its arrays and of its key, a digest of
everything that the numbers depend on. A file with another key, a truncated and an altered file count as missing.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import logging
import re
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from volplugin.storage.atomic import write_atomically
from volplugin.storage.reading import parse_arrays, read_regular_file
from volplugin.storage.tensors import checksum

logger = logging.getLogger(__name__)

FORMAT = 2
FILE_LIMIT = 2**31
"""Bytes of the largest file that is read."""
PACKAGES = ("numpy", "pandas", "scipy", "scikit-learn", "arch", "torch")
"""Packages that compute forecasts; another version may give other last digits."""
LIBRARIES = (*PACKAGES, "sklearn")
"""Top-level modules that the key identifies by their version, not by their source."""
APART = ("_bundles", "_gallery", "adapters", "cli", "evaluation", "portfolio", "report", "workflows")
"""The parts of this package that no forecast depends on, but through the prices."""

Arrays = dict[str, np.ndarray]


class ForecastCache:
    """Named arrays, each stored under a key.

    Parameters
    ----------
    path : str or Path, optional
        Folder, created by the first `save`. If None, nothing is stored and nothing found.
    limit : int, optional
        Bytes of all files together; above it, the oldest files are deleted. No limit if None.
    """

    def __init__(self, path: str | Path | None = None, limit: int | None = None) -> None:
        self.path = None if path is None else Path(path)
        self.limit = limit

    def load(self, name: str, key: str) -> Arrays | None:
        """Return the arrays stored under this name and key, or None if they are missing or damaged."""
        if self.path is None:
            return None
        try:
            arrays = parse_arrays(read_regular_file(self._file(name), FILE_LIMIT))
        except (OSError, ValueError):
            return None
        return arrays if str(arrays.pop("checksum", "")) == checksum(arrays, {"key": key}) else None

    def save(self, name: str, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Store arrays of numbers, dates or text, replacing earlier arrays of this name.

        Raises
        ------
        OSError
            If the folder cannot be written.
        """
        if self.path is None:
            return
        plain = {member: np.ascontiguousarray(array) for member, array in arrays.items()}
        buffer = io.BytesIO()
        np.savez(buffer, checksum=np.array(checksum(plain, {"key": key})), **plain)  # type: ignore[arg-type]
        write_atomically(self._file(name), buffer.getvalue())
        if self.limit is not None:
            self._drop_oldest(self.limit)

    def keep(self, name: str, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Save the arrays; log a folder that cannot be written, for the cache only saves time."""
        try:
            self.save(name, key, arrays)
        except OSError as error:
            logger.info("forecasts are not cached in %s: %s", self.path, error)

    def _drop_oldest(self, limit: int) -> None:
        assert self.path is not None
        found = [(file, file.stat()) for file in self.path.glob("*.npz")]
        total = 0
        for file, metadata in sorted(found, key=lambda pair: pair[1].st_mtime_ns, reverse=True):
            total += metadata.st_size
            if total > limit:
                file.unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        assert self.path is not None
        return self.path / f"{re.sub(r'[^A-Za-z0-9.-]+', '_', name)}.npz"


def frame_arrays(frame: pd.DataFrame) -> Arrays:
    """Return a frame of sessions x assets as arrays."""
    return {"values": frame.to_numpy(dtype=float)} | label_arrays(frame)


def label_arrays(frame: pd.DataFrame) -> Arrays:
    """Return the labels alone of a frame of sessions x assets."""
    return {
        "sessions": frame.index.to_numpy("datetime64[D]"),
        "assets": np.array([str(asset) for asset in frame.columns]),
    }


def frame_of(arrays: Arrays, sessions: pd.DatetimeIndex, assets: pd.Index) -> pd.DataFrame | None:
    """Return the frame of arrays, or None where they are not of these sessions and assets."""
    same = np.array_equal(arrays["sessions"], sessions.to_numpy("datetime64[D]"))
    if not same or [str(asset) for asset in assets] != arrays["assets"].tolist():
        return None
    return pd.DataFrame(arrays["values"], index=sessions, columns=assets)


def forecast_key(metadata: Mapping[str, Any], prices: str) -> str:
    """Digest of all that a forecast depends on: metadata of model and dates, prices, this code and its libraries.

    Parameters
    ----------
    metadata : mapping
        Plain values: the model's description, its stored vintages, dates, horizon.
    prices : str
        From `price_digest`.
    """
    everything = {
        "format": FORMAT,
        "facts": metadata,
        "prices": prices,
        "code": code_digest(),
        "packages": package_versions(),
    }
    return hashlib.sha256(json.dumps(everything, sort_keys=True, default=str).encode()).hexdigest()


@cache
def package_versions(names: tuple[str, ...] = PACKAGES) -> Mapping[str, str]:
    """Return the installed versions of packages, by default the packages that compute forecasts."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


@cache
def code_digest() -> str:
    """Digest of the source files that forecasts come from: a changed model has its forecasts made anew."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        part = file.relative_to(root)
        if part.parts[0] not in APART or part.as_posix() == "evaluation/forecasts.py":
            digest.update(part.as_posix().encode() + b"\n" + file.read_bytes())
    return digest.hexdigest()


PLAIN = (str, bool, int, float, type(None), pd.Timestamp, pd.Timedelta)
"""Types that their text describes completely."""


class UncacheableError(TypeError):
    """An object cannot be described completely, so that forecasts made with it are not cached."""


def described(value: Any) -> Any:
    """Describe an object by everything that its results depend on, in plain values for `forecast_key`.

    An estimator becomes its module, qualified name and parameters; where it or a base class lies outside this package,
    also the digest of their source. Arrays, frames and series become digests of their contents, dates and numbers
    their text.

    Raises
    ------
    UncacheableError
        For anything else, such as a function or an open file, and for a class without readable source.
    """
    # Exact types: a subclass may hold more than its text or its items.
    if type(value) in PLAIN or isinstance(value, np.generic | Path):
        return f"{type(value).__name__} {value!r}"
    if type(value) in (list, tuple, set, frozenset):
        items = [described(item) for item in value]
        return sorted(items, key=repr) if isinstance(value, set | frozenset) else items
    if type(value) is dict:
        return [[described(name), described(item)] for name, item in value.items()]
    if type(value) is np.ndarray and not value.dtype.hasobject:
        return [
            "array",
            value.dtype.str,
            value.shape,
            hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest(),
        ]
    if type(value) in (pd.DataFrame, pd.Series) or isinstance(value, pd.Index):
        return _described_frame(value)
    if isinstance(value, type):
        return _described_class(value)
    if hasattr(value, "get_params"):
        own = _described_class(type(value))
        parameters = value.get_params(deep=False)
        if own[2]:  # a user's class may depend on further attributes; learned ones, which end in _, are its state
            parameters = {name: item for name, item in vars(value).items() if not name.endswith("_")} | parameters
        elsewhere = getattr(value, "runtime_params", ())
        return [own, {name: described(item) for name, item in parameters.items() if name not in elsewhere}]
    raise UncacheableError(f"{type(value).__qualname__} has no complete description")


def _described_frame(value: pd.DataFrame | pd.Series | pd.Index) -> Any:
    """Digest of labels, types and values; of objects the text, whole."""
    frame = value.to_frame() if not isinstance(value, pd.DataFrame) else value
    digest = hashlib.sha256()
    for labels in (frame.index, frame.columns):
        digest.update(repr((labels.dtype, labels.names, labels.tolist())).encode())
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place]
        numbers = isinstance(column.dtype, np.dtype) and column.dtype != object
        digest.update(str(column.dtype).encode())
        digest.update(column.to_numpy().tobytes() if numbers else repr(column.tolist()).encode())
    return [type(value).__name__, digest.hexdigest()]


def _described_class(found: type) -> Any:
    """Name of a class, and digests of the source of it and its bases outside this package and its libraries."""
    own = [base for base in found.__mro__ if _top(base) not in ("builtins", "abc", "typing", __name__.split(".")[0])]
    sources = {f"{base.__module__}.{base.__qualname__}": _source(base) for base in own if _top(base) not in LIBRARIES}
    return [found.__module__, found.__qualname__, sources]


def _top(found: type) -> str:
    return found.__module__.split(".")[0]


def _source(found: type) -> str:
    """Digest of the module of a class, whose helper functions it may call."""
    try:
        whole = sys.modules.get(found.__module__, found)
        return hashlib.sha256(inspect.getsource(whole).encode()).hexdigest()
    except (OSError, TypeError) as error:
        raise UncacheableError(f"the source of {found.__qualname__} cannot be read") from error
