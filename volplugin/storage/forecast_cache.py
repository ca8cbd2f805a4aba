"""A folder of finished forecasts, so that a judge that was interrupted, or is asked again, need not repeat them.

One file a forecast, an uncompressed ``.npz``: numpy's own format, to the last bit. Each carries the key that it was
made under, a digest of everything that the numbers depend on, and a checksum of its contents. A file of another
key, a truncated and an altered one are as good as none.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import re
import zipfile
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from volplugin.storage.atomic import write_atomically

logger = logging.getLogger(__name__)

FORMAT = 1
PACKAGES = ("numpy", "pandas", "scipy", "scikit-learn", "arch", "torch")
"""Packages that compute forecasts; another version may give other last digits."""
APART = ("_bundles", "_gallery", "adapters", "cli", "evaluation", "portfolio", "report", "workflows")
"""The parts of this package that no forecast depends on, but through the prices."""

Arrays = dict[str, np.ndarray]


class ForecastCache:
    """Named arrays, each kept under a key.

    Parameters
    ----------
    path : str or Path, optional
        Folder; made when something is first kept. Without it nothing is kept and nothing found.
    limit : int, optional
        Bytes of all files together, above which those longest unchanged are dropped; no limit if not given.
    """

    def __init__(self, path: str | Path | None = None, limit: int | None = None) -> None:
        self.path = None if path is None else Path(path)
        self.limit = limit

    def load(self, name: str, key: str) -> Arrays | None:
        """Return what was kept under this name and key, or None where that is not there whole."""
        if self.path is None:
            return None
        try:
            with np.load(io.BytesIO(self._file(name).read_bytes()), allow_pickle=False) as file:
                arrays = {member: file[member] for member in file.files}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
            return None
        kept = {member: str(arrays.pop(member, "")) for member in ("key", "checksum")}
        whole = kept["key"] == key and kept["checksum"] == _checksum(arrays)
        return arrays if whole else None

    def save(self, name: str, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep arrays of numbers, dates or text, in place of what was there under this name.

        Raises
        ------
        OSError
            If the folder cannot be written.
        """
        if self.path is None:
            return
        plain = {member: np.ascontiguousarray(array) for member, array in arrays.items()}
        buffer = io.BytesIO()
        np.savez(buffer, key=np.array(key), checksum=np.array(_checksum(plain)), **plain)  # type: ignore[arg-type]
        write_atomically(self._file(name), buffer.getvalue())
        if self.limit is not None:
            self._drop_oldest(self.limit)

    def keep(self, name: str, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Save where that can be done, and go on where it cannot: what is kept only spares time."""
        try:
            self.save(name, key, arrays)
        except OSError as error:
            logger.info("forecasts are not kept in %s: %s", self.path, error)

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
    """Digest of what a forecast depends on: facts of model and dates, prices, this code and its libraries.

    Parameters
    ----------
    facts : mapping
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
    """Return the installed versions of packages, by default those that compute forecasts."""
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


def _checksum(arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode() + array.tobytes())
    return digest.hexdigest()
