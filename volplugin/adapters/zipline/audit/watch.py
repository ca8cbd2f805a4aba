"""Recording files, connections and programs that a run uses outside its bundle.

New prices in the bundle change none of that, so an audit cannot check it. Python's audit events (PEP 578) report
it for every thread and whichever library does it. An access is harmless only if `trusted` lists it, if a library
makes it while it is imported, or if a model store reads a vintage, which is audited by its manifest.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from volplugin.adapters.zipline.audit import native
from volplugin.adapters.zipline.audit.models import frames, replaced
from volplugin.adapters.zipline.audit.native import LOOK, READ, START, patch_looks, patch_native_readers
from volplugin.adapters.zipline.audit.trusted import (
    VARIABLES,
    is_library,
    is_library_code,
    is_library_file,
    is_system_file,
    is_trusted_module,
    library_folders,
    parents,
    real_path,
)

READS = {"open", "sqlite3.connect", "os.listdir", "os.scandir", "os.getxattr", "os.listxattr", "ctypes.dlopen", READ}
WRITES = {
    *{f"os.{name}" for name in ("mkdir", "remove", "rmdir", "truncate", "utime", "chmod", "chown", "setxattr")},
    *{f"os.{name}" for name in ("rename", "link", "symlink")},
}
TWO_PATHS = {"os.rename", "os.link", "os.symlink"}
PROGRAMS = {
    *{"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pty.spawn"},
    *{"os.startfile", "_winapi.CreateProcess", START},
}
NETWORK = {
    f"socket.{name}" for name in ("connect", "bind", "sendto", "sendmsg", "getaddrinfo", "gethostbyname")
}  # fmt: skip
HANDLE = "sqlite3.connect/handle"
FOREIGN_CODE = {"ctypes.dlsym", "ctypes.dlsym/handle"}
EVENTS = READS | WRITES | PROGRAMS | NETWORK | FOREIGN_CODE | {LOOK, HANDLE, "exec"}

MAX_LITERALS, MAX_TEXT = 1_000, 20_000
"""Literal values, and characters of texts among them, above which a file of the strategy may be data."""

OURS = __name__.rpartition(".")[0]
IMPORTERS = ("importlib", "pkgutil", "pydoc", "runpy", "unittest.mock", "logging.config", "functools", OURS)
"""Modules that import others by name for their caller."""
LOADERS = {
    ("importlib._bootstrap", "_find_spec"),
    ("importlib._bootstrap", "_load_unlocked"),
    ("importlib._bootstrap_external", "exec_module"),
}
"""Functions of the import system below which a source file is read as code."""

STORE = "volplugin.storage.model_store"
STORE_FILES = re.compile(
    r"(store\.json|training(/[^/]+\.safetensors)?|vintages(/\d{4}-\d\d-\d\d(/(manifest\.json|model\.safetensors))?)?)?"
)
"""Files and folders of a model store that its reader may open: `models` audits the vintages by their manifests."""

FREE_TEXTS = ("configuration", "manifest", "has_training", "load_training")
"""Functions of a store that return what could hold anything, to a strategy that calls them itself."""

BOUNDARY = (str(Path(__file__).with_name("run.py")), "record")
"""File and function that makes a run: the callers of it are not part of the run."""


class AccessMonitor:
    """Records the accesses of a run outside its bundle.

    Parameters
    ----------
    root : str
        ``ZIPLINE_ROOT`` of the run, a folder of its own.
    strategy : str
        File of the strategy, where it is one.
    trusted : frozenset of str
        Modules that the user trusts to read nothing.

    Attributes
    ----------
    bundles : set of str
        Names of the bundles that the run opened, or looked for, under its root.
    foreign : dict of str to str
        Each other access, and the line of the strategy, or the thread, that made it.
    """

    def __init__(self, root: str, strategy: str = "", trusted: frozenset[str] = frozenset()) -> None:
        self.bundles: set[str] = set()
        self.foreign: dict[str, str] = {}
        self._root = f"{real_path(root)}{os.sep}"
        self._data = f"{self._root}data{os.sep}"
        self._strategy = real_path(strategy) if strategy.endswith(".py") else ""
        self._above = frozenset(parents((self._root, self._strategy, *library_folders())))
        self._trusted = trusted

    @contextmanager
    def watching(self) -> Iterator[AccessMonitor]:
        """Record the accesses inside the block."""
        global _ACTIVE
        _install()
        patch_native_readers()
        patch_looks()
        with (
            replaced(builtins, "__import__", self._importing),
            replaced(importlib, "import_module", self._importing),
            replaced(importlib._bootstrap, "_find_and_load", self._loading),
            replaced(type(os.environ), "__getitem__", self._reading_variable),
        ):
            _ACTIVE = self
            try:
                yield self
            finally:
                _ACTIVE = None

    # -- imports ----------------------------------------------------------------------------

    def _importing(self, load: Callable[..., Any], name: str, *arguments: Any, **settings: Any) -> Any:
        """Import a module; record one that the strategy imports and that may read files unseen."""
        found = load(name, *arguments, **settings)
        level = arguments[3] if len(arguments) > 3 else settings.get("level", 0)
        if _ACTIVE is not self or level or name.startswith(".") or _local_busy():
            return found
        with _unobserved():
            caller = sys._getframe(2)
            if not self._is_library(caller):
                parts = (arguments[2] if len(arguments) > 2 else settings.get("fromlist")) or ()
                for each in (name, *(f"{name}.{part}" for part in parts)):
                    self._check_module(each, caller)
                patch_native_readers()
        return found

    def _loading(self, load: Callable[..., Any], name: str, *arguments: Any, **settings: Any) -> Any:
        """Load a module that is not loaded yet, in whatever way it is imported."""
        _local.depth = getattr(_local, "depth", 0) + 1
        try:
            found = load(name, *arguments, **settings)
        finally:
            _local.depth -= 1
        if _ACTIVE is self and not _local_busy():
            with _unobserved():
                if _local.depth == 0:  # a package that is half loaded may still look into its own readers
                    patch_native_readers()
                caller = _first_outside(sys._getframe(1), IMPORTERS)
                if caller is not None and not self._is_library(caller):
                    self._check_module(name, caller)
        return found

    def _reading_variable(self, read: Callable[..., Any], environ: Any, name: Any) -> Any:
        """Return an environment variable; record one that the strategy reads and that may hold anything."""
        if _ACTIVE is self and not _local_busy() and name not in VARIABLES:
            with _unobserved():
                caller = _first_outside(sys._getframe(1), ("os", "collections.abc", OURS))
                if caller is not None and not self._is_library(caller):
                    self.foreign.setdefault(f"reads the environment variable {name}", _place(caller))
        return read(environ, name)

    def _check_module(self, name: str, caller: FrameType) -> None:
        top = name.partition(".")[0]
        file = getattr(sys.modules.get(top), "__file__", None)
        beside = os.path.dirname(self._strategy) or os.sep
        own = file is not None and not is_library(file) and Path(real_path(file)).is_relative_to(beside)
        if not own and not is_trusted_module(name, self._trusted):
            what = f"imports {top}, whose reading of files the audit cannot see (--trust {top} takes it as harmless)"
            self.foreign.setdefault(what, _place(caller))

    def _is_library(self, frame: FrameType) -> bool:
        file = frame.f_code.co_filename
        if file.startswith("<") and not file.startswith("<frozen "):  # generated: `exec` may run the strategy's code
            file = getattr(sys.modules.get(str(frame.f_globals.get("__name__"))), "__file__", None) or ""
            if not file:
                return self._is_imported_by_library(frame.f_back)
        return is_library(file) and not (self._strategy and real_path(file) == self._strategy)

    def _is_imported_by_library(self, frame: FrameType | None) -> bool:
        """Whether generated code runs while a library is imported."""
        while frame is not None:
            if frame.f_globals.get("__name__") == "importlib._bootstrap":
                return True
            if not frame.f_code.co_filename.startswith("<") and not self._is_library(frame):
                return False
            frame = frame.f_back
        return False

    # -- events -----------------------------------------------------------------------------

    def notice(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Record one audit event, if it is an access to something that is not trusted."""
        if event == "exec":
            self._check_code(arguments[0])
        elif event == HANDLE:
            if sys._getframe(2).f_globals.get("__name__") != native.__name__:
                self._record("opens a database by sqlite3.Connection, whose ATTACH the audit cannot see")
        elif event in FOREIGN_CODE:
            caller = _first_outside(sys._getframe(2), ("ctypes", "numpy.ctypeslib", "numpy.ctypeslib._ctypeslib"))
            if caller is not None and not self._is_library(caller):
                self._record("calls foreign code by ctypes, which the audit cannot see into")
        elif event in PROGRAMS:
            self._record(f"starts another program ({event}), which the audit cannot see into")
        elif event in NETWORK:
            self._record("uses the network")
        elif not arguments or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        elif event == "open" and _is_writing(*arguments[1:3]):
            self._check_write(arguments[0])
        elif event in WRITES:
            for path in arguments[: 1 + (event in TWO_PATHS)]:
                self._check_write(path)
        else:
            self._check_read(real_path(arguments[0]), "looks at" if event == LOOK else "reads")

    def _check_code(self, code: CodeType) -> None:
        """Record code of the strategy that finds modules without an import, or that may be data."""
        file = code.co_filename
        if not file.startswith("<") and is_library(file) and real_path(file) != self._strategy:
            return
        names, literals = _names_and_literals(code)
        if "sys" in names and "modules" in names.union(each for each in literals if isinstance(each, str)):
            self._record("looks modules up in sys.modules, whose reading of files the audit cannot see")
        length = sum(len(each) for each in literals if isinstance(each, str | bytes))
        if (len(literals) > MAX_LITERALS or length > MAX_TEXT) and Path(file).stem not in self._trusted:
            size = f"{len(literals):,} literal values ({length:,} characters of text)"
            self._record(f"holds {size} in {os.path.basename(file)}, which may be prices")

    def _check_write(self, path: Any) -> None:
        real = real_path(path) if isinstance(path, str | bytes | os.PathLike) else ""
        if real and not f"{real}{os.sep}".startswith(self._root) and real not in ("/dev/null", "/dev/tty"):
            compiled = real.endswith(".pyc") or "__pycache__" in real
            writers = {(f.f_globals.get("__name__"), f.f_code.co_name) for f in frames()} if compiled else set()
            if ("importlib._bootstrap_external", "set_data") not in writers:
                self._record(f"writes {real}, which another run could read")

    def _check_read(self, path: str, verb: str) -> None:
        if path.startswith(self._data):
            self.bundles.add(path.removeprefix(self._data).split(os.sep)[0])
        elif f"{path}{os.sep}".startswith(self._root) or path == self._strategy:
            return
        elif is_system_file(path) or (not is_library_code(path) and is_library_file(path)):
            return
        elif verb == "looks at" and (path in self._above or f"{path}{os.sep}".startswith(library_folders())):
            return
        elif not (is_library_code(path) and (self._origin(path) is None or is_library_file(path))):
            self._record(f"{verb} {path}", path)

    def _record(self, what: str, path: str = "") -> None:
        origin = self._origin(path)
        if origin is not None:
            self.foreign.setdefault(what, origin)

    def _origin(self, path: str) -> str | None:
        """Return the line of the strategy behind this event, or the thread; None for a harmless origin."""
        frame: FrameType | None = sys._getframe(1)
        stored = used = False  # a file of a store; and read for a model, not for the strategy itself
        while frame is not None:
            name, code = frame.f_globals.get("__name__", ""), frame.f_code
            if (code.co_filename, code.co_name) == BOUNDARY:
                return None if stored else "in the run"
            if name == STORE and path and _is_store_file(frame, path):
                stored, used = True, code.co_name not in FREE_TEXTS
            if name == "importlib._bootstrap" and code.co_name == "_find_and_load" and self._loads_library(frame, path):
                return None
            if path.endswith((".py", ".pyc", "__pycache__")) and (name, code.co_name) in LOADERS:
                return None  # code of the strategy's own modules
            if name == "linecache" and path.endswith(".py") and _is_module_file(path):
                return None  # the source of a warning or a traceback
            if stored and name.startswith("volplugin.") and name != STORE:
                used = True
            if not self._is_library(frame) and not code.co_filename.startswith("<"):
                return None if stored and used else _place(frame)
            frame = frame.f_back
        return None if stored else f"in thread {threading.current_thread().name}"

    def _loads_library(self, frame: FrameType, path: str) -> bool:
        """Whether a library is being imported, and not a module of the strategy."""
        spec = getattr(sys.modules.get(frame.f_locals["name"]), "__spec__", None)
        origin = getattr(spec, "origin", None)
        if not isinstance(origin, str) or not os.path.isabs(origin):
            return not path or os.path.isdir(path) or not os.path.exists(path)  # finders look through folders
        return is_library(origin) and real_path(origin) != self._strategy


def _names_and_literals(code: CodeType) -> tuple[set[str], list[Any]]:
    """Return the names that code and its functions use, and the constants in it."""
    names, literals, left = set[str](), list[Any](), list[Any]([code])
    while left:
        each = left.pop()
        if isinstance(each, CodeType):
            names |= set(each.co_names)
            left += each.co_consts
        elif isinstance(each, tuple | frozenset):
            left += each
        else:
            literals.append(each)
    return names, literals


def _first_outside(frame: FrameType | None, modules: tuple[str, ...]) -> FrameType | None:
    """Return the first frame, from the innermost on, that runs code of no such module."""
    while frame is not None and f"{frame.f_globals.get('__name__')}.".startswith(tuple(f"{m}." for m in modules)):
        frame = frame.f_back
    return frame


def _is_module_file(path: str) -> bool:
    """Whether a file is the source of a module that is loaded."""
    name = os.path.basename(path)
    files = (getattr(module, "__file__", None) or "" for module in list(sys.modules.values()))
    return any(file.endswith(name) and real_path(file) == path for file in files)


def _is_writing(mode: Any = None, flags: Any = 0) -> bool:
    """Whether a file is opened empty, so that nothing earlier can be read from it."""
    if isinstance(mode, str):
        return bool({"w", "x"} & set(mode))
    return bool(isinstance(flags, int) and flags & (os.O_TRUNC | os.O_EXCL) and flags & (os.O_WRONLY | os.O_RDWR))


def _is_store_file(frame: FrameType, path: str) -> bool:
    root = getattr(frame.f_locals.get("self"), "path", None)
    if root is None:
        return False
    inside, folder = path, real_path(root)
    if inside != folder and not inside.startswith(f"{folder}{os.sep}"):
        return Path(folder).is_relative_to(path)  # the folders above it
    return STORE_FILES.fullmatch(inside[len(folder) + 1 :].replace(os.sep, "/")) is not None


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}, line {frame.f_lineno}"


_ACTIVE: AccessMonitor | None = None
_local = threading.local()


def _local_busy() -> bool:
    return getattr(_local, "busy", False)


@contextmanager
def _unobserved() -> Iterator[None]:
    """Look at files without recording it, in this thread."""
    _local.busy = True
    try:
        yield
    finally:
        _local.busy = False


@functools.cache
def _install() -> None:
    """Install the hook, once per process: Python cannot remove one."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        """Pass an audit event to the active monitor."""
        monitor = _ACTIVE
        if monitor is not None and event in EVENTS and not _local_busy():
            with _unobserved():
                monitor.notice(event, arguments)

    sys.addaudithook(hook)
