"""Metadata of one vintage and of a store: the fields, and the values that each may have."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from volplugin.errors import StoreCorruptError
from volplugin.storage.reading import parse_json, read_regular_file, resolved

JSON_LIMIT = 16 * 2**20
TENSORS_LIMIT = 2**30
"""Bytes of the largest JSON file and of the largest file of tensors that are read into memory."""


def read_bytes(file: Path, root: Path, limit: int) -> bytes:
    """Read a file of a store.

    Raises
    ------
    StoreCorruptError
        If it cannot be read, is not a regular file, lies outside the store, or has more bytes than the limit.
    """
    try:
        real = resolved(file)
        if not real.is_relative_to(root.resolve()):
            raise StoreCorruptError(f"{file} is a link to {real}, outside the store; put the file itself there")
        return read_regular_file(real, limit)
    except StoreCorruptError:
        raise
    except OSError as error:
        raise StoreCorruptError(
            f"cannot read {file}: {error.strerror or error}; delete the vintage's folder and train again"
        ) from error


def read_json(file: Path, root: Path) -> dict[str, Any]:
    """Read a JSON object of a store.

    Raises
    ------
    StoreCorruptError
    """
    try:
        metadata = parse_json(read_bytes(file, root, JSON_LIMIT))
    except ValueError as error:
        raise StoreCorruptError(f"{file} is not JSON: {error}; delete it and train again") from error
    if not isinstance(metadata, dict):
        raise StoreCorruptError(f"{file} holds no JSON object; delete it and train again")
    return metadata


def json_bytes(metadata: Any) -> bytes:
    """Return metadata as they are written, and as the checksum is taken of them."""
    return (json.dumps(metadata, indent=2, sort_keys=True) + "\n").encode()


FORMAT = 2


@dataclass(frozen=True)
class Manifest:
    """Metadata of one vintage.

    `assets_with_data` counts the assets with a price on or before its date; `training` names the stored training data.
    Both are None in older stores.
    """

    trained_through: str
    fingerprint: str
    assets: list[str]
    universe: list[str]
    checksum: str
    format: int = FORMAT
    assets_with_data: int | None = None
    training: str | None = None

    def metadata(self) -> dict[str, Any]:
        """Return the fields that the file has."""
        return {name: value for name, value in vars(self).items() if value is not None}


def read_manifest(file: Path, root: Path) -> Manifest:
    """Read the manifest of a vintage, whose folder is named by the date in it.

    Raises
    ------
    StoreCorruptError
        Naming the field that is missing, unknown or of the wrong type.
    """
    metadata = read_json(file, root)
    check_format(metadata, file)
    names = {field.name for field in fields(Manifest)}
    lacking = names - metadata.keys() - OPTIONAL.keys()
    if lacking or metadata.keys() - names:
        wrong = [f"lacks {name}" for name in sorted(lacking)]
        wrong += [f"adds {name}" for name in sorted(metadata.keys() - names)]
        raise StoreCorruptError(f"{file} {', '.join(wrong)}; delete the vintage's folder and train again")
    for name, (check, should) in (FIELDS | OPTIONAL).items():
        if name in metadata and not check(metadata[name]):
            raise StoreCorruptError(f"{file}: {name} is not {should}; delete the vintage's folder and train again")
    if metadata["trained_through"] != file.parent.name:
        raise StoreCorruptError(
            f"{file} says trained through {metadata['trained_through']}; its folder says {file.parent.name}"
        )
    return Manifest(**metadata)


def read_configuration(file: Path, root: Path) -> dict[str, Any]:
    """Read the configuration that all vintages of a store share.

    Raises
    ------
    StoreCorruptError
        If it is of another format, or if forecaster, parameters or schedule have the wrong type.
    """
    metadata = read_json(file, root)
    check_format(metadata, file)
    for name, kind in (("forecaster", str), ("parameters", dict), ("schedule", str)):
        if not isinstance(metadata.get(name, kind()), kind):
            raise StoreCorruptError(f"{file}: {name} is {metadata[name]!r}; use another folder for --store")
    return metadata


def check_format(metadata: Mapping[str, Any], file: Path) -> None:
    """Refuse files of another version of this format.

    Raises
    ------
    StoreCorruptError
    """
    found = metadata.get("format")
    if type(found) is not int or found != FORMAT:
        raise StoreCorruptError(
            f"{file} is of format {found!r}, and this version of volplugin reads format {FORMAT}; "
            "train again into another folder, or use the version that wrote it"
        )


def vintage_checksum(tensors: bytes, metadata: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a vintage: of its tensors and its metadata, without `checksum`."""
    rest = {name: value for name, value in metadata.items() if name != "checksum"}
    return hashlib.sha256(tensors + json_bytes(rest)).hexdigest()


def is_date(value: Any) -> bool:
    """Whether a value is a date in ISO form, such as 2009-12-31."""
    try:
        return isinstance(value, str) and datetime.date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _is_labels(value: Any) -> bool:
    return (
        isinstance(value, list) and all(type(label) in (str, int) for label in value) and len(set(value)) == len(value)
    )


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_training_name(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}-[0-9a-f]{16}", value) is not None


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "trained_through": (is_date, "a date such as 2009-12-31"),
    "fingerprint": (lambda value: isinstance(value, str), "text"),
    "assets": (_is_labels, "a list of different names"),
    "universe": (_is_labels, "a list of different names"),
    "checksum": (_is_digest, "64 hexadecimal digits"),
}
"""By field of a manifest: the check of a value, and the name of a right one."""

OPTIONAL: dict[str, tuple[Callable[[Any], bool], str]] = {
    "assets_with_data": (_is_count, "a number of assets"),
    "training": (_is_training_name, "a date and 16 hexadecimal digits"),
}
"""The same for fields that older manifests do not have."""
