"""Noticing what a strategy reads besides its bundle: files, the network, other programs.

New prices in the bundle leave all of that as it was, so nothing can be said of it. Python's audit events
(PEP 578) tell of it whichever library is used; readers that open files below Python are told on by name.
"""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any

import volplugin
import volplugin._bundles

CODE = {".py", ".pyc", ".pyi", ".so", ".pyd", ".dll", ".dylib"}
DATA = {
    *{".csv", ".gz", ".bz2", ".xz", ".zip", ".npy", ".npz", ".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt"},
    *{".onnx", ".parquet", ".feather", ".arrow", ".h5", ".hdf", ".hdf5", ".safetensors", ".sqlite", ".db", ".xlsx"},
}
"""Endings of files that are data even among a library's own."""

SYSTEM = ("/proc/", "/sys/", "/dev/null", "/dev/urandom", "/etc/", "/usr/share/zoneinfo/")
NATIVE = (
    ("safetensors", "safe_open"),
    ("safetensors.numpy", "safe_open"),
    ("safetensors.torch", "safe_open"),
    ("h5py", "File"),
    ("tables", "open_file"),
    ("pyarrow", "memory_map"),
    ("pyarrow", "OSFile"),
    ("pyarrow.parquet", "read_table"),
    ("pyarrow.parquet", "ParquetFile"),
    ("pyarrow.dataset", "dataset"),
    ("polars", "read_csv"),
    ("polars", "read_parquet"),
    ("duckdb", "connect"),
    ("torch.jit", "load"),
)
"""Readers that open files without Python's knowledge."""

PROGRAMS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.startfile"}
NETWORK = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname"}


class AccessMonitor:
    """What was read besides the bundle while the watch stood.

    Attributes
    ----------
    bundles : set of str
        Names of the bundles that were opened under ``ZIPLINE_ROOT``.
    foreign : dict of str to str
        What else was read, and the line of the strategy that did it.
    """

    def __init__(self, root: str) -> None:
        self.bundles: set[str] = set()
        self.foreign: dict[str, str] = {}
        self._data = f"{os.path.join(os.path.realpath(root), 'data')}{os.sep}"
        self._written: set[str] = set()

    @contextmanager
    def standing(self) -> Iterator[AccessMonitor]:
        """Notice what happens inside the block."""
        global _STANDING
        _install()
        _STANDING = self
        try:
            yield self
        finally:
            _STANDING = None

    def notice(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take in one audit event."""
        if event in ("open", "sqlite3.connect") and arguments and isinstance(arguments[0], str | bytes | os.PathLike):
            self._file(_real(arguments[0]), *arguments[1:])
        elif event in PROGRAMS:
            self._foreign(f"starts another program ({event}), which is not watched")
        elif event in NETWORK and not (event == "socket.connect" and isinstance(arguments[1], str | bytes)):
            self._foreign("uses the network")

    def _file(self, path: str, mode: str | None = None, flags: int = 0) -> None:
        writing = flags & (os.O_WRONLY | os.O_RDWR) if mode is None else not {"r", "+"} & set(mode)
        if writing:
            self._written.add(path)
        elif path.startswith(self._data):
            self.bundles.add(path.removeprefix(self._data).split(os.sep)[0])
        elif path not in self._written and not os.path.isdir(path) and not _is_harmless(path):
            self._foreign(f"reads {path}")

    def _foreign(self, what: str) -> None:
        line = _line_of_strategy()
        if line is not None:
            self.foreign.setdefault(what, line)


_STANDING: AccessMonitor | None = None


@functools.cache
def _install() -> None:
    """Install the hook, once a process: Python has no way to take one away."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        watch = _STANDING
        if watch is not None:
            watch.notice(event, arguments)

    sys.addaudithook(hook)


def report_native_readers() -> None:
    """Have the readers of `NATIVE` that are loaded by now raise the event that Python's own ``open`` raises."""
    for module, name in NATIVE:
        reader = getattr(sys.modules.get(module), name, None)
        if reader is None or hasattr(reader, "told_on"):
            continue
        if isinstance(getattr(reader, "__init__", None), FunctionType):
            _telling_class(reader)  # others may ask for instances of it
        else:  # a function, or a class of another language
            setattr(sys.modules[module], name, _telling(reader))


def _telling(reader: Any) -> Any:
    @functools.wraps(reader)
    def told(source: Any, *arguments: Any, **settings: Any) -> Any:
        sys.audit("open", source, "r", 0)
        return reader(source, *arguments, **settings)

    told.told_on = True  # type: ignore[attr-defined]
    return told


def _telling_class(reader: type) -> None:
    begin = reader.__init__  # type: ignore[misc]

    def told(self: Any, source: Any, *arguments: Any, **settings: Any) -> None:
        sys.audit("open", source, "r", 0)
        begin(self, source, *arguments, **settings)

    reader.__init__, reader.told_on = told, True  # type: ignore[misc, attr-defined]


# -- whose doing it was -------------------------------------------------------------------------


def is_library(file: str) -> bool:
    """Whether a source file belongs to Python, to an installed package or to volplugin; gallery strategies do not."""
    real = _real(file)
    return file.startswith("<") or (real.startswith(_libraries()) and not real.startswith(_gallery()))


def _is_harmless(path: str) -> bool:
    suffix = Path(path).suffix.lower()
    if suffix in CODE or path.startswith(SYSTEM):
        return True
    return path.startswith(_libraries()) and (suffix not in DATA or "zoneinfo" in path)


STORE_MODULES = tuple(f"volplugin.storage.{name}" for name in ("manifest", "model_store", "tensors"))
"""Modules that read trained models, which are audited by their manifests; cached forecasts are not among them."""


def _line_of_strategy() -> str | None:
    """Return the line of the strategy behind this event; None where a library imports, or a store reads its own."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name, file = frame.f_globals.get("__name__", ""), frame.f_code.co_filename
        if name in STORE_MODULES:
            return None  # models are audited by their manifests
        if name == "importlib._bootstrap" and not _imports_strategy(frame):
            return None
        if not is_library(file):
            return f"{file}, line {frame.f_lineno}"
        frame = frame.f_back
    return None


def _imports_strategy(frame: FrameType) -> bool:
    """Whether what is being imported, as far as is known by now, is not a library's module."""
    spec = frame.f_locals.get("spec")
    origin = getattr(spec, "origin", None)
    return isinstance(origin, str) and os.path.exists(origin) and not is_library(origin)


@functools.cache
def _libraries() -> tuple[str, ...]:
    places = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()}
    ours = [os.path.dirname(volplugin.__file__), *volplugin._bundles.__path__]
    return tuple(f"{_real(place)}{os.sep}" for place in (*places, *ours))


@functools.cache
def _gallery() -> str:
    import volplugin._gallery

    return f"{_real(list(volplugin._gallery.__path__)[0])}{os.sep}"


def _real(path: Any) -> str:
    text = os.fsdecode(path)
    text = text.removeprefix("file:").split("?")[0] if text.startswith("file:") else text
    return os.path.realpath(text)
