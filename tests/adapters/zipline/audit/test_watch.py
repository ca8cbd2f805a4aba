"""Accesses of a strategy outside its bundle, each with the line that made it."""

import os
import socket
import sqlite3
import sys
import threading
from types import ModuleType

import h5py
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from volplugin import HARVolatility, ModelStore, RefitSchedule, WalkForward
from volplugin.adapters.zipline.audit.trusted import is_library, library_folders
from volplugin.adapters.zipline.audit.watch import AccessMonitor

NETWORK = "uses the network"


@pytest.fixture
def place(tmp_path):
    """Return a folder with data of the future and an empty root."""
    (tmp_path / "root" / "data" / "dow30").mkdir(parents=True)
    (tmp_path / "root" / "data" / "dow30" / "bars").write_text("1")
    pd.DataFrame({"x": [1]}).to_csv(tmp_path / "given.csv")
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "given.parquet")
    np.save(tmp_path / "given.npy", np.ones(2))
    return tmp_path


def watched(place, *lines, trusted=(), name="volplugin_strategy_test"):
    """Run lines of a strategy, and return the monitor; the first line is number 3 of the file."""
    strategy = place / "strategy.py"
    strategy.write_text("\n".join([f"PLACE = {str(place)!r}", "def go():", *(f"    {line}" for line in lines)]) + "\n")
    names = {"__name__": name}
    exec(compile(strategy.read_text(), str(strategy), "exec"), names)
    monitor = AccessMonitor(str(place / "root"), str(strategy), frozenset(trusted))
    with monitor.watching():
        names["go"]()
    return monitor


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("open(PLACE + '/given.csv').close()", "reads {place}/given.csv"),
        ("open((PLACE + '/given.csv').encode(), 'a').close()", "reads {place}/given.csv"),
        ("open(PLACE + '/given.csv', 'r+').close()", "reads {place}/given.csv"),
        ("open(PLACE + '/new.txt', 'w').close()", "writes {place}/new.txt, which another run could read"),
        ("open(PLACE + '/new.txt', 'x').close()", "writes {place}/new.txt, which another run could read"),
        ("import os; os.close(os.open(PLACE + '/given.csv', os.O_WRONLY))", "reads {place}/given.csv"),
        ("import os; os.close(os.open(PLACE + '/n', os.O_RDWR | os.O_CREAT | os.O_EXCL))", "writes {place}/n, which"),
        ("import os; os.close(os.open(PLACE + '/given.csv', os.O_WRONLY | os.O_TRUNC))", "writes {place}/given.csv,"),
        ("import os; os.mkdir(PLACE + '/new')", "writes {place}/new, which another run could read"),
        ("import os; os.listdir(PLACE)", "reads {place}"),
        ("import os; os.path.exists(PLACE + '/other')", "looks at {place}/other"),
        ("import os; os.path.exists(PLACE)", None),
        ("import posix; posix.stat(PLACE + '/given.csv')", "looks at {place}/given.csv"),
        ("import os; os.rename(PLACE + '/root/data/dow30/bars', PLACE + '/b')", "writes {place}/b, which another run"),
        ("import pandas as pd; pd.read_csv(PLACE + '/given.csv')", "reads {place}/given.csv"),
        ("import pandas as pd; pd.read_parquet(PLACE + '/given.parquet')", "reads {place}/given.parquet"),
        ("import numpy as np; np.load(PLACE + '/given.npy')", "reads {place}/given.npy"),
        ("import sqlite3; sqlite3.connect(PLACE + '/given.db').close()", "reads {place}/given.db"),
        (
            "import sqlite3; c = sqlite3.connect(':memory:'); c.execute(f'attach \"{PLACE}/a.db\" as x'); c.close()",
            "reads {place}/a.db",
        ),
        (
            "import sqlite3; c = sqlite3.connect(':memory:'); c.execute('attach ? as x', [PLACE + '/a']); c.close()",
            "reads /database attached by an SQL parameter",
        ),
        (
            "import sqlite3; c = sqlite3.connect(':memory:'); c.set_authorizer(None); c.close()",
            "reads /database attached by an SQL parameter",
        ),
        (
            "import sqlite3; sqlite3.Connection(':memory:').close()",
            "opens a database by sqlite3.Connection, whose ATTACH",
        ),
        ("import subprocess; subprocess.run(['true'])", "starts another program (subprocess.Popen), which the audit"),
        ("import os; os.system('true')", "starts another program (os.system), which the audit cannot see into"),
        ("import socket; socket.socket(socket.AF_UNIX).close()", "uses the network"),
        ("import math, json, numpy.linalg, os.path", None),
        ("import os; os.environ.get('PRICES')", "reads the environment variable PRICES"),
        ("import os; os.getenv('PRICES')", "reads the environment variable PRICES"),
        ("import os; os.environ.get('HOME')", None),
        ("import ctypes; ctypes.CDLL(None).strlen(b'x')", "calls foreign code by ctypes, which the audit cannot see"),
        ("import importlib; importlib.__import__('multiprocessing')", "imports multiprocessing, whose reading of"),
        ("import sys; exec('sys.modules', {'sys': sys})", "looks modules up in sys.modules, whose reading of files"),
        ("exec('x = ' + repr('*' * 20_000), {})", None),
        (
            "exec('x = ' + repr('*' * 20_001), {})",
            "holds 2 literal values (20,001 characters of text) in <string>, which",
        ),
        ("exec(f'x = {[*range(1, 1_000)]!r}', {})", None),
        (
            "exec(f'x = {[*range(1_001)]!r}', {})",
            "holds 1,002 literal values (0 characters of text) in <string>, which",
        ),
        ("from concurrent.futures import ThreadPoolExecutor", None),
        (
            "import h5py",
            "imports h5py, whose reading of files the audit cannot see (--trust h5py takes it as harmless)",
        ),
        ("import ctypes.util", "imports ctypes, whose reading of files"),
        ("import importlib; importlib.import_module('multiprocessing')", "imports multiprocessing, whose reading of"),
        ("open('/dev/null', 'w').close(); open('/etc/hosts').close()", None),
        ("open(PLACE + '/root/new', 'w').close(); open(PLACE + '/root/new').close()", None),
        ("open(__import__('numpy').__file__).close()", None),
        ("open(PLACE + '/strategy.py').close()", None),
    ],
)
def test_an_access_is_recorded_with_its_line(place, line, what):
    found = watched(place, "pass", line).foreign
    named = {text: where for text, where in found.items() if what and text.startswith(what.format(place=place))}
    if what is None:
        assert found == {}
    else:
        assert list(named.values()) == [f"{place}/strategy.py, line 4"]
        assert set(found.values()) == {f"{place}/strategy.py, line 4"}


def test_a_database_in_memory_is_no_file(place, monkeypatch):
    monkeypatch.chdir(place / "root")  # as a run does
    attach = 'c = sqlite3.connect(":memory:"); c.execute("attach \':memory:\' as x"); c.close()'
    assert watched(place, "import sqlite3", attach).foreign == {}


def test_the_network(place):
    with socket.create_server(("127.0.0.1", 0)) as server:
        line = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]})).close()"
        assert watched(place, line).foreign == {NETWORK: f"{place}/strategy.py, line 3"}
    line = "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.close()"
    assert watched(place, line).foreign.keys() == {NETWORK}


def test_a_module_that_is_trusted_by_name(place):
    assert watched(place, "import h5py", trusted=["h5py"]).foreign == {}


@pytest.mark.parametrize(
    "line",
    [
        "h5py.File(PLACE + '/given.h5').close()",
        "h5py.File(mode='r', name=PLACE + '/given.h5').close()",
        "parquet.ParquetFile(PLACE + '/given.parquet').close()",
        "parquet.ParquetFile(source=PLACE + '/given.parquet').close()",
        "parquet.read_table(source=PLACE + '/given.parquet')",
        "safe_open(PLACE + '/given.safetensors', 'np')",
        "safe_open(filename=PLACE + '/given.safetensors', framework='np')",
    ],
)
def test_readers_below_python_are_seen(place, line, monkeypatch):
    with h5py.File(place / "given.h5", "w") as file:
        file["x"] = np.ones(2)
    save_file({"x": np.ones(2)}, place / "given.safetensors")
    (place / "root" / "work").mkdir()
    monkeypatch.chdir(place / "root" / "work")  # as a run does
    imports = "import h5py; from pyarrow import parquet; from safetensors import safe_open"
    found = watched(place, imports, line, trusted=["h5py", "pyarrow", "safetensors"]).foreign
    assert found == {f"reads {place / line.split('/')[1].split(chr(39))[0]}": f"{place}/strategy.py, line 4"}
    assert isinstance(h5py.File, type)


def test_the_vintages_of_a_store_may_be_loaded_and_nothing_else(place):
    store, date = ModelStore(place / "models"), pd.Timestamp("2009-12-31")
    store.configure({"forecaster": "x"})
    store.save(date, {"x": np.ones(2)}, {"fingerprint": "f", "assets": ["A"], "universe": ["A"]})
    lines = ("from volplugin import ModelStore", f"s = ModelStore(PLACE + '/models'); d = {str(date.date())!r}")
    assert watched(place, *lines, "s.load(d); s.vintages()").foreign == {}
    told = watched(place, *lines, "s.configuration").foreign  # texts, which could hold anything
    assert f"reads {store.path}/store.json" in told
    (store.path / "vintages" / "2009-12-31" / "prices.csv").write_text("x")
    found = watched(place, *lines, "open(s.path / 'store.json').close(); s.size(d); s.has_training('x')").foreign
    assert set(found) == {
        f"reads {store.path}/store.json",
        f"looks at {store.path}/vintages/2009-12-31/prices.csv",
        f"looks at {store.path}/training/x.safetensors",
    }


def test_a_walk_forward_reads_the_texts_of_its_store(place):
    walk = WalkForward(HARVolatility(), RefitSchedule("yearly"), ModelStore(place / "models"))
    walk.store.configure(walk.configuration)
    lines = (
        "from volplugin.volatility.pretrained import load_walk_forward as load",
        "load(PLACE + '/models').vintage_dates()",
    )
    assert watched(place, *lines).foreign == {}


@pytest.fixture
def packages(place, monkeypatch):
    """Return a folder of installed packages."""
    folder = place / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    for known in (library_folders, is_library):
        known.cache_clear()
    yield folder
    for known in (library_folders, is_library):
        known.cache_clear()


def test_a_library_may_read_while_it_is_imported(place, packages):
    reading = f"import json\n\ndef read():\n    open({str(place / 'given.csv')!r}).close()\n\nread()\n"
    (packages / "reads_at_import.py").write_text(reading)
    found = watched(place, "import reads_at_import", trusted=["reads_at_import"]).foreign
    assert found == {}
    later = watched(place, "import reads_at_import", "reads_at_import.read()", trusted=["reads_at_import"]).foreign
    assert later == {f"reads {place}/given.csv": f"{place}/strategy.py, line 4"}


H5PY = "imports h5py, whose reading of files the audit cannot see (--trust h5py takes it as harmless)"


def test_generated_code_belongs_to_the_code_that_runs_it(place, packages, monkeypatch):
    """As of data classes: it has no file, and often no module."""
    generating = "exec('import h5py', {})\nexec('def load(): import h5py', globals())\n"
    (packages / "generates_code.py").write_text(generating)
    assert watched(place, "import generates_code as g; g.load()", trusted=["generates_code"]).foreign == {}
    assert watched(place, "exec('import h5py', {})").foreign == {H5PY: "<string>, line 1"}
    (place / "generates_beside.py").write_text("exec('import h5py', {})\n")
    monkeypatch.syspath_prepend(str(place))
    assert watched(place, "import generates_beside").foreign == {H5PY: "<string>, line 1"}


def test_a_strategy_named_like_a_library_is_none(place):
    assert watched(place, "import h5py", name="numpy").foreign == {H5PY: f"{place}/strategy.py, line 3"}


# -- readers of libraries that need not be installed ----------------------------------------------


@pytest.fixture
def stand_in(monkeypatch):
    """Make a module with a function or class of one name, which reads nothing."""

    def make(module, name, reader):
        monkeypatch.setitem(sys.modules, module, made := ModuleType(module))
        setattr(made, name, reader)
        return made

    return make


def test_a_reader_of_each_kind_is_seen(place, stand_in):
    class File:
        def __init__(self, path):
            self.path = path

    class SSLContext:
        def load_verify_locations(self, file):
            self.file = file

    stand_in("polars", "read_csv", lambda source: source)
    stand_in("tables", "File", File)
    stand_in("ssl", "SSLContext", SSLContext)
    lines = (
        "import sys; polars, tables, ssl = [sys.modules[m] for m in ('polars', 'tables', 'ssl')]",
        "assert polars.read_csv(source=[PLACE + '/a', PLACE + '/b']) == [PLACE + '/a', PLACE + '/b']",
        "assert tables.File(path=PLACE + '/c').path == PLACE + '/c'",
        "ssl.SSLContext().load_verify_locations(PLACE + '/d')",
    )
    for _ in range(2):  # patched once, however often a run begins
        kept = sys.modules["polars"].read_csv, File.__init__
        found = watched(place, *lines, trusted=["ssl"]).foreign
        at = {text: int(line.rpartition(" ")[2]) for text, line in found.items()}
        assert at == {
            f"reads {place}/a": 4,
            f"reads {place}/b": 4,
            f"reads {place}/c": 5,
            f"reads {place}/d": 6,
        }
    assert kept == (sys.modules["polars"].read_csv, File.__init__)


def test_readers_that_are_not_loaded_are_left_alone(place, stand_in, monkeypatch):
    monkeypatch.delitem(sys.modules, "ssl", raising=False)
    stand_in("tables", "open_file", None)
    assert watched(place, "pass").foreign == {}
    assert "ssl" not in sys.modules


def test_the_bundles_of_the_root_are_no_foreign_access(place):
    monitor = watched(place, "open(PLACE + '/root/data/dow30/bars').close()")
    assert (monitor.bundles, monitor.foreign) == ({"dow30"}, {})


def test_a_thread_of_the_strategy_is_seen(place):
    lines = ("import threading", "t = threading.Thread(target=lambda: open(PLACE + '/given.csv').close())")
    found = watched(place, *lines, "t.start(); t.join()").foreign
    assert found == {f"reads {place}/given.csv": f"{place}/strategy.py, line 4"}


def test_a_thread_of_a_library_is_named(place):
    lines = ("import threading, os", "t = threading.Thread(target=os.listdir, args=(PLACE,), name='own')")
    found = watched(place, *lines, "t.start(); t.join()").foreign
    assert found == {f"reads {place}": "in thread own"}


def test_code_that_is_run_from_text_is_the_strategy_s(place):
    found = watched(place, "exec(\"open(PLACE + '/given.csv').close()\")").foreign
    assert list(found) == [f"reads {place}/given.csv"]


def test_a_module_beside_the_strategy_may_be_imported_but_not_read_from(place, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)  # writing it is no access either
    monkeypatch.syspath_prepend(str(place))
    text = f"import sys\nopen({str(place / 'given.csv')!r}).close()\nfound = sys.modules\n"
    (place / "beside_watch.py").write_text(text)
    assert watched(place, "import beside_watch").foreign == {
        f"reads {place}/given.csv": f"{place}/beside_watch.py, line 2",
        "looks modules up in sys.modules, whose reading of files the audit cannot see": f"{place}/strategy.py, line 3",
    }
    assert list(place.glob("__pycache__/beside_watch.*.pyc"))


def test_nothing_is_recorded_outside_the_block(place):
    monitor = watched(place, "pass")
    before = open, os.stat, sqlite3.connect, threading.Thread
    (place / "given.csv").read_text()
    os.stat(place / "given.csv")
    assert monitor.foreign == {}
    assert before == (open, os.stat, sqlite3.connect, threading.Thread)
