"""Arrays by name in safetensors, with metadata and a checksum in the header, checked before they are parsed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from volplugin.errors import StoreCorruptError

HEADER_LIMIT = 16 * 2**20
"""Bytes of the largest header: names, types and shapes."""

DTYPES = frozenset({"F64", "F32", "F16", "I64", "I32", "I16", "I8", "U8", "BOOL"})
"""Types that learned numbers may have."""


def to_bytes(state: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> bytes:
    """Serialise arrays; metadata, if given, and a checksum of both go into the header."""
    arrays = {name: np.ascontiguousarray(array) for name, array in state.items()}
    if metadata is None:
        return save(arrays)
    # Under one name: safetensors writes several names in any order.
    return save(arrays, {"facts": json.dumps({**metadata, "checksum": checksum(arrays, metadata)}, sort_keys=True)})


def from_bytes(content: bytes, file: Path) -> dict[str, np.ndarray]:
    """Parse arrays.

    Parameters
    ----------
    content : bytes
    file : Path
        Named in messages.

    Raises
    ------
    StoreCorruptError
        If it is not safetensors, or holds a type not in `DTYPES` or a number that is not finite.
    """
    _check_header(content, file)
    try:
        state = load(content)
    except Exception as error:  # SafetensorError, and whatever numpy raises for a wrong shape
        raise StoreCorruptError(f"{file} is not a safetensors file: {error}; delete it and train again") from error
    for name, array in state.items():
        if not np.isfinite(array).all():
            raise StoreCorruptError(f"{file}: tensor {name} holds a number that is not finite")
    return state


def with_facts(content: bytes, file: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Parse arrays and metadata, and compare both with their checksum.

    Raises
    ------
    StoreCorruptError
        As `from_bytes`, or if the checksum differs.
    """
    state = from_bytes(content, file)
    try:
        metadata = dict(json.loads((_header(content).get("__metadata__") or {}).get("facts", "{}")))
    except (ValueError, TypeError, RecursionError):
        metadata = {}
    expected = metadata.pop("checksum", None)
    if expected != checksum(state, metadata):
        raise StoreCorruptError(f"{file} does not match its checksum (truncated or altered); delete it")
    return state, metadata


def checksum(state: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    """Return the SHA-256 of arrays with their names, types and shapes, and of metadata."""
    digest = hashlib.sha256(json.dumps(dict(metadata), sort_keys=True).encode())
    for name in sorted(state):
        array = np.ascontiguousarray(state[name])
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _check_header(content: bytes, file: Path) -> None:
    length = int.from_bytes(content[:8], "little")
    if length > min(HEADER_LIMIT, max(len(content) - 8, 0)):
        raise StoreCorruptError(f"{file} has a header of {length} bytes by its first number; delete it and train again")
    try:
        header = _header(content)
        entries = {name: entry["dtype"] for name, entry in header.items() if name != "__metadata__"}
        metadata = header.get("__metadata__") or {}
        if not all(isinstance(text, str) for text in metadata.values()):
            raise ValueError("its metadata are not text")
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        raise StoreCorruptError(f"{file} is not a safetensors file: {error}; delete it and train again") from error
    for name, dtype in entries.items():
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise StoreCorruptError(f"{file}: tensor {name} is of type {dtype!r}; delete it and train again")


def _header(content: bytes) -> dict:
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")
    return header
