"""Readers that open files below Python, made to raise the audit event that Python's own ``open`` raises."""

from __future__ import annotations

import functools
import os
import sqlite3
import sqlite3.dbapi2
import sys
from types import FunctionType
from typing import Any

READ, START, LOOK = "volplugin.read", "volplugin.start", "volplugin.look"
"""Audit events of a native read, of the start of another process, and of a look at a file's existence or size."""

READERS = [
    tuple(reader.split(":"))
    for reader in """
    safetensors:safe_open safetensors.numpy:safe_open safetensors.torch:safe_open
    safetensors._safetensors_rust:safe_open h5py:File h5py.h5f:open tables:open_file tables:File polars:read_csv
    polars:read_parquet polars:scan_csv polars:scan_parquet duckdb:connect torch:from_file torch.jit:load
    torch._C:PyTorchFileReader torch:UntypedStorage.from_file pyarrow:memory_map pyarrow:OSFile pyarrow:input_stream
    pyarrow.lib:memory_map pyarrow.lib:OSFile pyarrow.lib:input_stream pyarrow.parquet:read_table
    pyarrow.parquet:ParquetFile pyarrow.parquet:ParquetDataset pyarrow.parquet:read_pandas
    pyarrow.parquet.core:read_table pyarrow.parquet.core:ParquetFile pyarrow.parquet.core:ParquetDataset
    pyarrow.csv:read_csv pyarrow.csv:open_csv pyarrow.feather:read_table pyarrow.feather:read_feather
    pyarrow.dataset:dataset pyarrow.dataset:parquet_dataset pyarrow.json:read_json
    pyarrow.orc:read_table pyarrow.orc:ORCFile ssl:SSLContext.load_verify_locations ssl:SSLContext.load_cert_chain
    time:tzset locale:bindtextdomain _locale:bindtextdomain
    """.split()
]
"""Readers by module; other names for the same function, taken before the patch, are not covered."""

STARTERS = (("_posixsubprocess", "fork_exec"), ("multiprocessing.process", "BaseProcess.start"))
LOOKS = ("stat", "lstat", "readlink", "access", "statvfs", "pathconf", "chdir", "mkfifo", "mknod")
FACTORY = 6
"""Place of the class among the arguments of ``sqlite3.connect``."""
ATTACH = 24
"""SQLite's code of the action (SQLITE_ATTACH)."""
ATTACHED = f"{os.sep}database attached by an SQL parameter"
MARK = "raises_audit_event"


def patch_native_readers() -> None:
    """Patch the readers of `READERS` and the starters of `STARTERS` that are loaded by now."""
    _patch_sqlite()
    for event, names in ((READ, READERS), (START, STARTERS)):
        for module, name in names:
            _patch(sys.modules.get(module), name, event)


def patch_looks() -> None:
    """Patch the functions of `os`, and of the module below it, that look at a file without opening it."""
    for name in LOOKS:
        _patch(os, name, LOOK)
        _patch(sys.modules[os.name], name, LOOK)


def _patch(owner: Any, name: str, event: str) -> None:
    *outer, last = name.split(".")
    for part in outer:
        owner = getattr(owner, part, None)
    reader = getattr(owner, last, None)
    if reader is None or hasattr(reader, MARK):
        return
    try:
        if isinstance(reader, type) and isinstance(getattr(reader, "__init__", None), FunctionType):
            _patch_class(reader, event)  # a wrapper of the class would break isinstance
        else:
            setattr(owner, last, _auditing(reader, event))
    except (TypeError, AttributeError):  # a type of another language
        return


def _patch_sqlite() -> None:
    """Make ATTACH of SQLite raise an event too: Python raises one for the first file of a connection only."""
    original = sqlite3.connect
    if hasattr(original, MARK):
        return

    def attaching(action: int, path: str | None, *_: Any) -> int:
        """Report an attached database file as a read; permit everything."""
        if action == ATTACH:
            sys.audit(READ, path or ATTACHED)
        return sqlite3.SQLITE_OK

    class Connection(sqlite3.Connection):
        """A connection that reports a replaced authorizer, which could permit any ATTACH."""

        def set_authorizer(self, *arguments: Any, **settings: Any) -> None:
            """Report the replacement and make it."""
            sys.audit(READ, ATTACHED)
            super().set_authorizer(*arguments, **settings)

    @functools.wraps(original)
    def connect(*arguments: Any, **settings: Any) -> Any:
        """Connect with an authorizer that reports attached files."""
        if len(arguments) < FACTORY:
            settings.setdefault("factory", Connection)
        connection = original(*arguments, **settings)
        sqlite3.Connection.set_authorizer(connection, attaching)
        return connection

    setattr(connect, MARK, True)
    sqlite3.connect = sqlite3.dbapi2.connect = connect


def _auditing(reader: Any, event: str) -> Any:
    @functools.wraps(reader)
    def auditing(*arguments: Any, **settings: Any) -> Any:
        _report(event, arguments, settings, reader)
        return reader(*arguments, **settings)

    setattr(auditing, MARK, True)
    return auditing


def _report(event: str, arguments: tuple[Any, ...], settings: dict[str, Any], reader: Any) -> None:
    """Raise an event for each path among the arguments: the first ones by place, any by name, also in lists."""
    given = [*arguments[:2], *settings.values()] or [f"{os.sep}file that {reader.__name__} reads"]
    for each in given:
        for path in each if isinstance(each, list | tuple | set) else [each]:
            sys.audit(event, path)


def _patch_class(reader: Any, event: str) -> None:
    begin = reader.__init__

    def auditing(self: Any, *arguments: Any, **settings: Any) -> None:
        _report(event, arguments, settings, reader)
        begin(self, *arguments, **settings)

    reader.__init__ = auditing
    setattr(reader, MARK, True)
