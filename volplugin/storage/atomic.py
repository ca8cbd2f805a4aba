"""The one writer of files: whole, or not at all; and what killed writers left, removed by the next one."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import socket
import time
from pathlib import Path

DAY = 24 * 60 * 60
"""Seconds after which a temporary file is nobody's any more, whoever made it."""

_TEMPORARY = re.compile(r"\..*\.tmp-(?P<host>[0-9a-z.-]+)-(?P<process>\d+)-[0-9a-f]{8}", re.IGNORECASE)


def write_atomically(path: str | os.PathLike[str], content: bytes, *, replace: bool = True) -> Path:
    """Write a file so that a reader, or a kill, never meets half of it; folders are made.

    Temporary files that killed writers left in the same folder are removed.

    Parameters
    ----------
    path : path
    content : bytes
    replace : bool, default True
        Put the file in place of an older one; otherwise refuse where there is one, also one that another process
        has made in the meantime.

    Raises
    ------
    FileExistsError
        If there is one, and it is not to be replaced.
    OSError
        If it cannot be written, naming the file; an older file of that name is then untouched, and nothing is left.
    """
    file = Path(path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(file.parent)
        _write(file, content, replace)
    except OSError as error:
        # What a full disk answers to a write names no file.
        raise OSError(error.errno, error.strerror or str(error), str(file)) from error
    return file


def _write(file: Path, content: bytes, replace: bool) -> None:
    temporary = file.with_name(temporary_name(file.name))
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        if replace:
            os.replace(temporary, file)
        else:
            _name_once(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


def _name_once(temporary: Path, file: Path) -> None:
    """Give a file its name unless there is one: in one step, where the file system has hard links."""
    try:
        os.link(temporary, file)
    except FileExistsError:
        raise
    except OSError:
        if file.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(file)) from None
        os.replace(temporary, file)


def temporary_name(name: str) -> str:
    """Return a hidden name beside `name` that tells which process writes it; no two are alike."""
    return f".{name}.tmp-{_host()}-{os.getpid()}-{secrets.token_hex(4)}"


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders in a folder whose writers are gone.

    Gone is a process of this machine that does not run any more, and any whose file is a day old: a living writer
    needs seconds. Those of other machines, which may share the folder, are left alone until then.
    """
    with os.scandir(folder) as entries:
        found = [(entry, match) for entry in entries if (match := _TEMPORARY.fullmatch(entry.name))]
    for entry, match in found:
        try:
            old = time.time() - entry.stat(follow_symlinks=False).st_mtime > DAY
            gone = match["host"] == _host() and not is_running(int(match["process"]))
            if not (old or gone):
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                os.unlink(entry.path)
        except OSError:  # removed by another writer, or not ours to remove
            continue


def is_running(process: int) -> bool:
    """Whether a process of this machine runs; where that cannot be asked, it is taken to."""
    if os.name != "posix":
        return True  # signal 0 would end the process there
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _host() -> str:
    return re.sub(r"[^0-9a-z.]+", "-", socket.gethostname().lower()) or "here"
