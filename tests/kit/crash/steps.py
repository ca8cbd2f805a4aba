"""The steps in which a process writes: counted, recorded, and at one of them the process kills itself.

Installed in a forked child only, before the command runs; the code under test is untouched. A step is what Python
reports of itself through its audit hook (a file opened for writing, made, renamed, removed, an SQL statement) and,
of `volplugin.storage.atomic`, half of the bytes written and the call of fsync.
"""

from __future__ import annotations

import hashlib
import io
import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

TOUCHING = {"os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.truncate"}


class Steps:
    """Counts steps below a folder and kills the process right before one of them.

    Parameters
    ----------
    folder : Path
        What is written elsewhere is no step.
    kill_at : int, optional
        Number of the step, from 1; none to count only.
    """

    def __init__(self, folder: Path, kill_at: int | None = None) -> None:
        self.folder, self.kill_at = folder, kill_at
        self.count = 0
        self.inside: list[int] = []
        self.published: dict[str, list[str]] = {}

    def install(self) -> None:
        """Begin to count."""
        sys.addaudithook(self._hear)
        sync = os.fsync

        def fsync(handle: int) -> None:
            self._step()
            sync(handle)

        os.fsync = fsync
        connect = sqlite3.connect

        def connected(*arguments: Any, **settings: Any) -> sqlite3.Connection:
            connection = connect(*arguments, **settings)
            connection.set_trace_callback(lambda _: self._step())
            return connection

        sqlite3.connect = connected
        from volplugin.storage import atomic as files

        files.open = self._open  # type: ignore[attr-defined]

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            writing = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writing and self._below(path):
                self._step()
        elif event in TOUCHING and self._below(arguments[0]):
            self._step()
            if event in ("os.rename", "os.link"):
                self._publish(Path(arguments[0]), Path(arguments[1]))

    def _step(self) -> None:
        self.count += 1
        if self.count == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kill_at is None and unfinished(self.folder):
            self.inside.append(self.count)

    def _below(self, path: Any) -> bool:
        return isinstance(path, str | os.PathLike) and (
            not os.path.isabs(path) or str(path).startswith(str(self.folder))
        )

    def _publish(self, source: Path, target: Path) -> None:
        """Record the digest of every file that gets a name for good."""
        for name, found in digests(source).items():
            where = (self.folder / target / name).relative_to(self.folder)
            self.published.setdefault(str(where), []).append(found)

    def _open(self, file: Any, mode: str = "r", *arguments: Any, **settings: Any) -> Any:
        stream = open(file, mode, *arguments, **settings)
        return _InHalves(stream, self) if "w" in mode else stream


class _InHalves:
    """A stream whose writes come in two halves with a step between them."""

    def __init__(self, stream: io.BufferedWriter, steps: Steps) -> None:
        self._stream, self._steps = stream, steps

    def write(self, content: bytes) -> None:
        half = len(content) // 2
        self._stream.write(content[:half])
        self._stream.flush()
        self._steps._step()
        self._stream.write(content[half:])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> _InHalves:
        return self

    def __exit__(self, *details: Any) -> None:
        self._stream.close()


def digests(place: Path, *, hidden: bool = False) -> dict[str, str]:
    """SHA-256 of every file below a folder by relative path; of a file, under '.'."""
    if place.is_file():
        return {".": hashlib.sha256(place.read_bytes()).hexdigest()}
    files = sorted(path for path in place.rglob("*") if path.is_file())
    named = {path.relative_to(place): path for path in files}
    return {
        str(name): hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in named.items()
        if hidden or not any(part.startswith(".") for part in name.parts)
    }


def unfinished(place: Path) -> set[str]:
    """Names of temporary files and folders below a folder, those inside another left out."""
    found = {path.relative_to(place) for path in place.rglob(".*") if path.name != ".cache"}
    return {str(name) for name in found if not any(part.startswith(".") for part in name.parts[:-1])}
