"""The folder of a model store: its configuration, its vintages, and the parts of unfinished vintages."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from volplugin.errors import MissingVintageError, StoreConfigurationError, StoreCorruptError, StoreError
from volplugin.storage.atomic import remove_leftovers, sync_folder, temporary_name, write_atomically
from volplugin.storage.manifest import (
    FORMAT,
    TENSORS_LIMIT,
    Manifest,
    is_date,
    json_bytes,
    read_bytes,
    read_configuration,
    read_manifest,
    vintage_checksum,
)
from volplugin.storage.reading import as_path
from volplugin.storage.tensors import from_bytes, to_bytes, with_facts

TENSORS = "model.safetensors"
MANIFEST = "manifest.json"


class ModelStore:
    """The vintages of one forecaster configuration.

    Parameters
    ----------
    path : str or Path
        Folder; made when something is first written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = as_path(path)

    def __repr__(self) -> str:
        return f"ModelStore({str(self.path)!r})"

    def signature(self, date: pd.Timestamp | None = None) -> tuple[int, ...]:
        """Return numbers that change when a vintage comes or goes; with a date, when this vintage is replaced.

        One `os.stat`: a backtest reads both at every close, where three took 2% of its time.
        """
        name = "vintages" if date is None else f"vintages/{_name(date)}/{MANIFEST}"
        try:
            metadata = os.stat(f"{self.path}/{name}")
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._unreadable(error) from error
        return metadata.st_mtime_ns, metadata.st_ino, metadata.st_size

    def _unreadable(self, error: OSError) -> StoreError:
        return StoreError(f"cannot read the store {self.path}: {error.strerror or error}")

    # -- configuration ----------------------------------------------------------------------

    @property
    def configuration(self) -> dict[str, Any] | None:
        """Forecaster name and parameters, or None for an empty store."""
        file = self.path / "store.json"
        with self._readable():
            there = file.exists()
        return read_configuration(file, self.path) if there else None

    def configure(self, configuration: Mapping[str, Any]) -> None:
        """Claim an empty store for a configuration, or check that it is the store's own.

        Raises
        ------
        StoreConfigurationError
            Naming what differs.
        """
        wanted = json.loads(json.dumps({"format": FORMAT, **configuration}))
        found = self.configuration
        if found is None:
            found = self._claim(wanted)
        if found != wanted:
            raise StoreConfigurationError(
                f"{self.path} was written by another configuration: {_difference(found, wanted)}; "
                "use another folder for --store, or delete this one"
            )

    def _claim(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Describe an empty store; returns its description, which is another process's where that came first."""
        try:
            write_atomically(self.path / "store.json", json_bytes(wanted), replace=False)
        except OSError as error:
            if isinstance(error, FileExistsError) and (found := self.configuration) is not None:
                return found
            raise _unwritable(self.path, error) from error
        return wanted

    def check_writable(self) -> None:
        """Refuse a folder that cannot be written, before anything is trained for it.

        Raises
        ------
        StoreError
        """
        probe = self.path / temporary_name("probe")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.path)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise _unwritable(self.path, error) from error

    # -- vintages ---------------------------------------------------------------------------

    def vintages(self) -> list[pd.Timestamp]:
        """Last training sessions of the finished vintages, increasing."""
        folder = self.path / "vintages"
        with self._readable():
            children = [child for child in folder.iterdir() if child.is_dir()] if folder.is_dir() else []
        return sorted(_date(child) for child in children if not child.name.startswith("."))

    def save(self, date: pd.Timestamp, state: Mapping[str, np.ndarray], manifest: Mapping[str, Any]) -> None:
        """Write a finished vintage in one rename, and drop the parts that it was made of."""
        tensors = to_bytes(state)
        metadata = {"format": FORMAT, "trained_through": _name(date), **manifest}
        metadata["checksum"] = vintage_checksum(tensors, metadata)
        folder = self.path / "vintages"
        staging = folder / temporary_name(_name(date))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(folder)
            write_atomically(staging / TENSORS, tensors)
            write_atomically(staging / MANIFEST, json_bytes(metadata))
            _publish(staging, folder / _name(date))
        except OSError as error:
            raise _unwritable(self.path, error) from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        self.drop_parts(date)

    def load(self, date: pd.Timestamp) -> tuple[dict[str, np.ndarray], Manifest]:
        """Read the parameters and metadata of one vintage, checked against its manifest.

        Raises
        ------
        MissingVintageError, StoreCorruptError
        """
        folder, manifest = self.path / "vintages" / _name(date), self.manifest(date)
        tensors = read_bytes(folder / TENSORS, self.path, TENSORS_LIMIT)
        metadata = manifest.metadata()
        # Earlier versions left `training` out of the checksum.
        covered = metadata, {name: value for name, value in metadata.items() if name != "training"}
        if manifest.checksum not in (vintage_checksum(tensors, each) for each in covered):
            raise StoreCorruptError(
                f"{folder / TENSORS} and {MANIFEST} do not match (truncated or altered); "
                "delete the vintage's folder and train again"
            )
        return from_bytes(tensors, folder / TENSORS), manifest

    def manifest(self, date: pd.Timestamp) -> Manifest:
        """Return the metadata of one vintage, without reading its tensors.

        Raises
        ------
        MissingVintageError, StoreCorruptError
        """
        folder = self.path / "vintages" / _name(date)
        with self._readable():
            there = folder.is_dir()
        if not there:
            raise MissingVintageError(f"{self.path} holds no vintage trained through {_name(date)}")
        return read_manifest(folder / MANIFEST, self.path)

    def size(self, date: pd.Timestamp) -> int:
        """Return the size of one vintage in bytes."""
        files = (self.path / "vintages" / _name(date)).glob("*")
        return sum(file.stat().st_size for file in files if file.is_file())

    def remove(self, date: pd.Timestamp) -> None:
        """Delete a vintage, in one rename, so that no reader finds part of it.

        Raises
        ------
        MissingVintageError, StoreError
        """
        self.manifest(date)
        folder = self.path / "vintages"
        doomed = folder / temporary_name(_name(date))
        try:
            os.replace(folder / _name(date), doomed)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        shutil.rmtree(doomed, ignore_errors=True)
        used = {self.manifest(known).training for known in self.vintages()}
        for file in (self.path / "training").glob("*.safetensors"):
            if file.stem not in used:
                file.unlink(missing_ok=True)

    # -- training data ----------------------------------------------------------------------

    def save_training(self, name: str, state: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
        """Store the data that vintages were trained on; their manifests name it."""
        self._write(self._training(name), to_bytes(state, metadata))

    def has_training(self, name: str) -> bool:
        """Whether the training data of that name are stored."""
        with self._readable():
            return self._training(name).is_file()

    def load_training(self, name: str) -> tuple[dict[str, np.ndarray], dict[str, str]] | None:
        """Return stored training data and their metadata, or None if there are none of that name.

        Raises
        ------
        StoreCorruptError
        """
        file = self._training(name)
        return with_facts(read_bytes(file, self.path, TENSORS_LIMIT), file) if self.has_training(name) else None

    def set_training(self, date: pd.Timestamp, name: str) -> None:
        """Name the training data of a stored vintage, which was written without them."""
        folder, (_, manifest) = self.path / "vintages" / _name(date), self.load(date)
        metadata = manifest.metadata() | {"training": name}
        metadata["checksum"] = vintage_checksum(read_bytes(folder / TENSORS, self.path, TENSORS_LIMIT), metadata)
        self._write(folder / MANIFEST, json_bytes(metadata))

    def _training(self, name: str) -> Path:
        return self.path / "training" / f"{name}.safetensors"

    # -- parts ------------------------------------------------------------------------------

    def save_part(self, date: pd.Timestamp, part: int, state: Mapping[str, np.ndarray], fingerprint: str) -> None:
        """Store a finished piece of an unfinished vintage."""
        content = to_bytes(state, {"fingerprint": fingerprint})
        try:
            self._write(self._part(date, part), content)
        except StoreError:
            # Another process that finished the vintage removes the folder of its parts.
            if not (self.path / "vintages" / _name(date)).is_dir():
                raise

    def load_part(self, date: pd.Timestamp, part: int, fingerprint: str) -> dict[str, np.ndarray] | None:
        """Return a kept piece, or None if there is none trained on data of that fingerprint."""
        file = self._part(date, part)
        try:
            state, metadata = with_facts(read_bytes(file, self.path, TENSORS_LIMIT), file)
        except StoreCorruptError:
            return None
        return state if metadata.get("fingerprint") == fingerprint else None

    def drop_parts(self, date: pd.Timestamp) -> None:
        """Delete the stored pieces of a finished vintage, including pieces of a killed run."""
        shutil.rmtree(self.path / "parts" / _name(date), ignore_errors=True)

    def _part(self, date: pd.Timestamp, part: int) -> Path:
        return self.path / "parts" / _name(date) / f"{int(part)}.safetensors"

    # -- files ------------------------------------------------------------------------------

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._unreadable(error) from error

    def _write(self, file: Path, content: bytes) -> None:
        try:
            write_atomically(file, content)
        except OSError as error:
            raise _unwritable(self.path, error) from error


def _publish(staging: Path, folder: Path) -> None:
    """Rename a finished vintage into place; a vintage that another process finished first is not replaced."""
    if folder.exists():
        return
    try:
        os.replace(staging, folder)
        sync_folder(folder.parent)
    except OSError:
        if not folder.is_dir():
            raise


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(f"cannot write to the store {path}: {error.strerror or error}")


def _name(date: pd.Timestamp) -> str:
    return str(pd.Timestamp(date).date())


def _date(folder: Path) -> pd.Timestamp:
    if not is_date(folder.name):
        raise StoreCorruptError(f"{folder}: a vintage's folder is named by its date, such as 2009-12-31")
    return pd.Timestamp(folder.name)


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    def flat(metadata: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in metadata.items() if key != "parameters"} | metadata.get("parameters", {})

    old, new = flat(found), flat(wanted)
    keys = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    return ", ".join(f"{key} is {old.get(key)!r} there and {new.get(key)!r} here" for key in keys)
