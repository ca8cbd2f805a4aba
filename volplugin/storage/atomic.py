"""Writing files whole or not at all, and removing what killed writers left behind."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from volplugin.storage.reading import as_path, read_regular_file

SUMS, SUMS_LIMIT, FILE_LIMIT = "SHA256SUMS", 2**24, 2**32
"""Name of the checksums of a result folder; bytes of the largest, and of the largest file that is compared."""

DAY = 24 * 60 * 60
"""Seconds after which a temporary file is removed, whichever process wrote it."""

_TEMPORARY = re.compile(r"\..*\.tmp-(?P<owner>[0-9a-z.-]+-\d+)-[0-9a-f]{8}", re.IGNORECASE)


def write_atomically(path: str | os.PathLike[str], content: bytes, *, replace: bool = True) -> Path:
    """Write a file so that no reader and no kill meets half of it; missing folders are created.

    The user's umask holds. Temporary files that killed writers left in the same folder are removed.

    Parameters
    ----------
    path : path
    content : bytes
    replace : bool, default True
        Replace an existing file; otherwise refuse to, also if another process creates it in the meantime.

    Raises
    ------
    FileExistsError
        If the file exists and `replace` is False.
    OSError
        If the file cannot be written, naming it; an existing file of that name is then unchanged.
    """
    file = as_path(path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(file.parent)
        _write(file, content, replace)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        # ENOSPC carries no filename; add it.
        number, text = getattr(error, "errno", None) or errno.EINVAL, getattr(error, "strerror", None) or str(error)
        raise OSError(number, text, str(file)) from error
    return file


def write_files(folder: str | os.PathLike[str], files: Mapping[str, bytes]) -> None:
    """Write files of a result folder, and their SHA-256 into its ``SHA256SUMS``, which ``sha256sum -c`` reads."""
    for name, content in files.items():
        write_atomically(Path(folder) / name, content)
    sums = _checksums(Path(folder)) | {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    lines = [f"{digest}  {name}\n" for name, digest in sorted(sums.items())]
    write_atomically(Path(folder) / SUMS, "".join(lines).encode())


def altered_files(folder: Path, *names: str) -> list[str]:
    """Return the files of a folder, or of some names, that are there and differ from its ``SHA256SUMS``."""
    sums = _checksums(folder)
    there = [name for name in names or sums if name in sums and "/" not in name and (folder / name).exists()]
    return [
        name for name in there if hashlib.sha256(read_regular_file(folder / name, FILE_LIMIT)).hexdigest() != sums[name]
    ]


def _checksums(folder: Path) -> dict[str, str]:
    try:
        text = read_regular_file(folder / SUMS, SUMS_LIMIT).decode(errors="replace")
    except FileNotFoundError:
        return {}
    return {name: digest for digest, _, name in (line.partition("  ") for line in text.splitlines())}


def _write(file: Path, content: bytes, replace: bool) -> None:
    temporary = file.with_name(temporary_name(file.name))
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if replace:
            os.replace(temporary, file)
        else:
            _name_once(temporary, file)
        sync_folder(file.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _name_once(temporary: Path, file: Path) -> None:
    """Rename a file unless the name is taken: in one step, where the file system has hard links."""
    try:
        os.link(temporary, file)
    except FileExistsError:
        raise
    except OSError:
        if file.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(file)) from None
        os.replace(temporary, file)


def sync_folder(folder: Path) -> None:
    """Write a folder's names to disk, so that a rename in it outlasts a power failure; where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def temporary_name(name: str) -> str:
    """Return a unique hidden name in the folder of `name` that identifies this process as its owner."""
    return f".{name}.tmp-{owner()}-{secrets.token_hex(4)}"


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders in a folder that are abandoned."""
    with os.scandir(folder) as entries:
        found = [(Path(entry.path), match) for entry in entries if (match := _TEMPORARY.fullmatch(entry.name))]
    for path, match in found:
        if not is_abandoned(path, match["owner"]):
            continue
        with suppress(OSError):  # removed by another writer, or not ours to remove
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def owner() -> str:
    """Return this process as names of temporary files hold it: host, process namespace and process number."""
    return f"{_host()}-{os.getpid()}"


def is_abandoned(path: Path, name: str) -> bool:
    """Whether a temporary file or folder has no writer any more.

    Parameters
    ----------
    path : Path
    name : str
        Begins with its `owner`.

    Returns
    -------
    bool
        Whether the owner has ended, if it is a process of this host and namespace. Processes of other hosts and
        containers, which may share the folder, cannot be seen from here: theirs are abandoned after a day.
    """
    found = re.match(rf"{re.escape(_host())}-(\d+)(?!\d)", name)
    if found is not None:
        return not is_running(int(found[1]))
    try:
        return time.time() - path.lstat().st_mtime > DAY
    except OSError:
        return False


def is_running(process: int) -> bool:
    """Whether a process of this machine runs; True where the system cannot determine it."""
    if os.name != "posix":
        return True  # signal 0 would end the process there
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@cache
def _host() -> str:
    """Name of this host and of its process namespace: containers may share a host name and a folder."""
    name = re.sub(r"[^0-9a-z]+", "", socket.gethostname().lower()) or "localhost"
    try:
        namespace = re.sub(r"\D", "", os.readlink("/proc/self/ns/pid"))
    except OSError:
        namespace = "0"
    return f"{name}.{namespace}"
