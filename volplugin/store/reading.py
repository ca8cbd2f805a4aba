"""Reading files that nobody vouches for: bounded, regular, inside the store, and JSON that is an object."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from volplugin.errors import StoreCorruptError

JSON_LIMIT = 16 * 2**20
TENSORS_LIMIT = 2**30
"""Bytes of the largest description, and of the largest file of tensors, that are read into memory."""


def read_bytes(file: Path, root: Path, limit: int) -> bytes:
    """Read a file of a store.

    Raises
    ------
    StoreCorruptError
        If it cannot be read, is no file, lies outside the store through a link, or is larger than the limit in bytes.
    """
    try:
        real = file.resolve(strict=True)
        if not real.is_relative_to(root.resolve()):
            raise StoreCorruptError(f"{file} is a link to {real}, outside the store; put the file itself there")
        facts = real.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise StoreCorruptError(f"{file} is no file; delete it and train again")
        if facts.st_size > limit:
            raise StoreCorruptError(
                f"{file} has {facts.st_size} bytes, more than the {limit} that such a file may have; "
                "delete it and train again"
            )
        with real.open("rb") as stream:
            return stream.read(limit)
    except StoreCorruptError:
        raise
    except (OSError, RuntimeError) as error:  # a link to itself is a RuntimeError before Python 3.13
        raise StoreCorruptError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}") from error


def read_json(file: Path, root: Path) -> dict[str, Any]:
    """Read a JSON object without numbers that are none and without a name said twice.

    Raises
    ------
    StoreCorruptError
    """
    content = read_bytes(file, root, JSON_LIMIT)
    try:
        facts = json.loads(content, parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise StoreCorruptError(f"{file} is not JSON: {error}; delete it and train again") from error
    if not isinstance(facts, dict):
        raise StoreCorruptError(f"{file} holds no JSON object; delete it and train again")
    return facts


def json_bytes(facts: Any) -> bytes:
    """Return facts as they are written, and as the checksum is taken of them."""
    return (json.dumps(facts, indent=2, sort_keys=True) + "\n").encode()


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    facts = dict(pairs)
    if len(facts) < len(pairs):
        raise ValueError("a name is said twice")
    return facts
