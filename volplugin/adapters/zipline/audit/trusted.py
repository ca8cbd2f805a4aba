"""Modules and files that an audit trusts: modules whose reading raises audit events, and files that hold no prices."""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import volplugin
import volplugin._bundles
import volplugin._gallery

STANDARD = frozenset(
    """
    __future__ abc argparse array ast base64 bisect builtins bz2 calendar cmath collections contextlib contextvars
    copy csv dataclasses datetime decimal difflib enum errno fractions functools getpass glob graphlib gzip hashlib
    heapq hmac http importlib inspect io itertools json keyword locale logging lzma math numbers operator os pathlib
    pickle platform pprint queue random re reprlib secrets shutil socket sqlite3 statistics string struct
    subprocess sys tarfile tempfile textwrap threading time timeit tomllib traceback types typing unittest
    unicodedata urllib uuid warnings weakref xml zipfile zlib zoneinfo concurrent
    """.split()
)
"""Modules of Python whose every access to files, network and programs raises an audit event (PEP 578).

Not among them: `ctypes`, `mmap`, `multiprocessing`, `dbm`, `shelve`, `gc`, `signal`.
"""

PACKAGES = frozenset(
    """
    volplugin zipline numpy pandas scipy sklearn statsmodels arch skfolio cvxpy empyrical exchange_calendars pytz
    dateutil toolz tqdm typing_extensions bottleneck click logbook talib numexpr matplotlib
    """.split()
)
"""Packages that read files only through Python's own ``open``, which raises audit events."""

CODE = frozenset({".py", ".pyc", ".so", ".pyd", ".dll", ".dylib"})
DATA = frozenset(
    """
    .csv .gz .bz2 .xz .zip .npy .npz .pkl .pickle .joblib .pt .pth .ckpt .onnx .parquet .feather .arrow .h5 .hdf
    .hdf5 .safetensors .sqlite .db .xlsx
    """.split()
)
"""File endings that are data even inside a library."""

SYSTEM_FILES = frozenset(
    """
    /dev/null /dev/urandom /dev/random /dev/tty /etc/localtime /etc/timezone /etc/hosts /etc/resolv.conf /etc/passwd
    /etc/nsswitch.conf /etc/mime.types /etc/ld.so.cache /etc/os-release /etc/host.conf /etc/gai.conf /proc/cpuinfo
    /proc/meminfo /proc/stat /proc/mounts /proc/filesystems /proc/version /proc/uptime
    """.split()
)
VARIABLES = frozenset(
    """
    ZIPLINE_ROOT HOME PATH USER LOGNAME SHELL PWD TMPDIR TEMP TMP TZ LANG OMP_NUM_THREADS MKL_NUM_THREADS
    OPENBLAS_NUM_THREADS CUDA_VISIBLE_DEVICES MPLCONFIGDIR PYTHONHASHSEED PYTHONPATH VIRTUAL_ENV CONDA_PREFIX
    DISPLAY TERM HOSTNAME
    """.split()
)
"""Environment variables that describe the machine."""
SYSTEM_FOLDERS = ("/usr/share/zoneinfo/", "/sys/devices/system/", "/sys/fs/cgroup/", "/proc/sys/", "/lib/", "/usr/lib/")
"""Places of the operating system that a library may read; of the last two, shared libraries alone."""


def is_trusted_module(name: str, also: frozenset[str] = frozenset()) -> bool:
    """Whether everything that a module reads raises an audit event; `also` holds the modules that the user trusts."""
    top = name.partition(".")[0]
    if name.startswith(("concurrent.futures.process", __package__)):
        return False
    return top in STANDARD or top in PACKAGES or top in also or top.startswith("volplugin_strategy_")


@functools.cache
def is_library(file: str) -> bool:
    """Whether a source file belongs to Python, to an installed package or to volplugin; gallery strategies do not."""
    if file.startswith("<"):
        return True
    real = real_path(file)
    return real.startswith(library_folders()) and not real.startswith(_gallery())


def is_library_file(path: str) -> bool:
    """Whether a file is one of the files that an installed package is listed to have, other than data."""
    if not path.startswith(library_folders()):
        return path.startswith(SYSTEM_FOLDERS[-2:]) and ".so" in Path(path).name
    return Path(path).suffix.lower() not in DATA and _is_listed(path)


def is_library_code(path: str) -> bool:
    """Whether a file in the folders of libraries has an ending of code."""
    return Path(path).suffix.lower() in CODE and path.startswith(library_folders())


def is_system_file(path: str) -> bool:
    """Whether a file describes the machine only."""
    own = (f"/proc/{os.getpid()}/", "/proc/self/")
    if path.startswith(own):
        return not path.endswith("/environ")
    return path in SYSTEM_FILES or path.startswith(SYSTEM_FOLDERS[:-2])


@functools.cache
def library_folders() -> tuple[str, ...]:
    """Folders of Python's library, of installed packages and of volplugin, each with a separator at its end."""
    installed = [folder for folder in sys.path if Path(folder).name in ("site-packages", "dist-packages")]
    python = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), *installed]
    ours = [os.path.dirname(volplugin.__file__), *volplugin._bundles.__path__]
    return tuple(dict.fromkeys(f"{real_path(folder)}{os.sep}" for folder in (*python, *ours)))


@functools.cache
def _is_listed(path: str) -> bool:
    for folder in library_folders():
        if path.startswith(folder) and f"\n{path.removeprefix(folder)},".encode() in _records(folder):
            return True
    return False


@functools.cache
def _records(folder: str) -> bytes:
    """Return the lists of files of all packages that are installed in a folder."""
    return b"\n" + b"\n".join(file.read_bytes() for file in Path(folder).glob("*.dist-info/RECORD"))


@functools.cache
def _gallery() -> str:
    return f"{real_path(list(volplugin._gallery.__path__)[0])}{os.sep}"


def real_path(path: Any) -> str:
    """Return the path of a file with links resolved; of an SQLite address, the path inside it."""
    text = os.fsdecode(path)
    text = unquote(text.removeprefix("file:").split("?")[0]) if text.startswith("file:") else text
    return os.path.realpath(text)


def link_path(path: Any) -> str:
    """Return the absolute path of a file with the links of its folders resolved, not a link at its end."""
    text = os.path.abspath(os.fsdecode(path).removeprefix("file:"))
    return os.path.join(os.path.realpath(os.path.dirname(text)), os.path.basename(text))


def parents(paths: tuple[str, ...]) -> Iterator[str]:
    """Yield the folders above some paths."""
    for path in paths:
        yield from map(str, Path(path).parents)
