"""Reading untrusted files with checks of kind, size and form."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import math
import os
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from volplugin.errors import ParameterError

ARRAYS_LIMIT = 2**32
"""Bytes of the largest set of arrays, unpacked."""


def as_path(path: object) -> Path:
    """Return the path of a file or folder that a user names.

    Raises
    ------
    ParameterError
        For anything but text and paths.
    """
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str) or not os.fspath(path):
        given = "an empty text" if isinstance(path, str) else f"a {type(path).__name__}"
        raise ParameterError(f"{given} is not the path of a file or folder; pass one such as prices.csv")
    return Path(path)


def read_regular_file(path: str | os.PathLike[str], limit: int) -> bytes:
    """Read a file, but no device, no FIFO and nothing larger than `limit` bytes.

    Raises
    ------
    OSError
        Naming the file; before anything is read from one that is refused.
    """
    name = str(path)
    if "\0" in name:
        raise OSError(errno.EINVAL, "a file name cannot hold a NUL byte", name.replace("\0", "\\0"))
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(path, "rb", opener=lambda file, _: os.open(file, flags)) as stream:
        metadata = os.fstat(stream.fileno())
        if not stat.S_ISREG(metadata.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", name)
        if metadata.st_size > limit:
            raise OSError(
                errno.EFBIG, f"{metadata.st_size} bytes, more than the {limit} that such a file may have", name
            )
        content = stream.read(metadata.st_size + 1)  # a buffer of the size of `limit` takes longer than the file
        content += stream.read(limit - metadata.st_size) if len(content) > metadata.st_size else b""
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"more than the {limit} bytes that such a file may have", name)
    return content


def parse_json(content: bytes | str) -> Any:
    """Parse JSON with finite numbers and unique names only.

    Raises
    ------
    ValueError
    """
    try:
        return json.loads(content, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_unique)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def to_json(value: Any) -> str:
    """Return a value as JSON with a line end; numbers that are not finite, which JSON lacks, become null."""
    return json.dumps(_plain(value), indent=2, allow_nan=False) + "\n"


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object as plain JSON values with a checksum of the others; an intact one equals its sealed form."""
    plain = parse_json(to_json({name: part for name, part in value.items() if name != "checksum"}))
    return plain | {"checksum": hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()}


def parse_arrays(content: bytes) -> dict[str, np.ndarray]:
    """Parse an ``.npz`` file; nothing in it is unpickled.

    Raises
    ------
    ValueError
        If it is damaged, or larger than `ARRAYS_LIMIT` when unpacked.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if sum(member.file_size for member in packed.infolist()) > ARRAYS_LIMIT:
                raise ValueError(f"more than {ARRAYS_LIMIT} bytes unpacked")
        with np.load(io.BytesIO(content), allow_pickle=False) as members:
            return {name: members[name] for name in members.files}
    except Exception as error:  # a flipped bit in a zip file raises errors of a dozen kinds
        raise ValueError(f"not a readable npz file ({type(error).__name__}: {error})") from error


def resolved(path: Path) -> Path:
    """Return a path without links.

    Raises
    ------
    OSError
    """
    try:
        return path.resolve(strict=True)
    except (RuntimeError, ValueError) as error:  # a link to itself before Python 3.13; a NUL byte
        raise OSError(errno.EINVAL, str(error), str(path)) from error


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is beyond the range of numbers")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
