"""Ways to get prices of the future, or decisions made from them, past the audit, each as the body of `initialize`.

PLACE is a folder with files of the future, REAL the user's own ``ZIPLINE_ROOT``. The second part of each entry is a
part of the sentence that the audit reports.

    PYTHONPATH=tests python -m audit_evasions

prints a table of them with the verdict of the audit.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import sysconfig
import tempfile
import textwrap
from pathlib import Path

import h5py
import joblib
import numpy as np
import pandas as pd
import safetensors.numpy
from joblib.externals.loky import get_reusable_executor

import zipline_market
from volplugin import ModelStore
from volplugin._bundles import ingest_bundle, register_prices
from volplugin.adapters.zipline.audit.copies import scrambled_root
from volplugin.adapters.zipline.audit.run import Job, record
from volplugin.storage.forecast_cache import ForecastCache

TEMPLATE = """
import os
from pathlib import Path
from zipline.api import order, symbol

PLACE, REAL, BUNDLE = {place!r}, {real!r}, {bundle!r}


def initialize(context):
{body}


def handle_data(context, data):
    order(symbol("AAA"), 1)
"""

ROOT_READ = """
from volplugin import read_bundle
read_bundle(BUNDLE, environ={"ZIPLINE_ROOT": REAL})
"""
ROOT_SET = """
os.environ["ZIPLINE_ROOT"] = REAL
from volplugin import read_bundle
read_bundle(BUNDLE)
"""
ROOT_BARS = """
from zipline.data.bcolz_daily_bars import BcolzDailyBarReader
(folder,) = Path(REAL, "data", BUNDLE).glob("2*")
reader = BcolzDailyBarReader(str(folder / "daily_equities.bcolz"))
reader.load_raw_arrays(["close"], reader.sessions[-1], reader.sessions[-1], [0])
"""
ATTACH = """
import sqlite3
sqlite3.connect(":memory:").execute("attach ? as x", (PLACE + "/given.sqlite",))
"""
FINDER_ATTACH = """
import sqlalchemy
with context.asset_finder.engine.connect() as connection:
    connection.execute(sqlalchemy.text(f"attach '{PLACE}/given.sqlite' as x"))
"""
RAW_ATTACH = """
connection = context.asset_finder.engine.raw_connection()
connection.cursor().execute(f"attach '{PLACE}/given.sqlite' as x")
"""
BARE_CONNECTION = """
import sqlite3
sqlite3.Connection(":memory:").execute("attach ? as x", (PLACE + "/given.sqlite",))
"""
CACHE = """
file = Path(PLACE, "cached.txt")
if file.exists():
    context.number = file.read_text()
file.write_text("1")
"""
APPENDED = """
with open(PLACE + "/given.csv", "a+") as file:
    file.seek(0)
    context.text = file.read()
"""
RENAMED = """
Path("own.csv").write_text("")
os.replace(PLACE + "/moved.csv", "own.csv")
context.text = Path("own.csv").read_text()
"""
LINKED = """
os.symlink(PLACE + "/given.csv", "own.csv")
context.text = Path("own.csv").read_text()
"""
HARD_LINKED = """
os.link(PLACE + "/given.csv", "own.csv")
context.text = Path("own.csv").read_text()
"""
THREAD = """
import threading
work = threading.Thread(target=Path(PLACE, "given.csv").read_text)
work.start()
work.join()
"""
POOL = """
from concurrent.futures import ThreadPoolExecutor
import pandas as pd
with ThreadPoolExecutor(1) as pool:
    context.table = list(pool.map(pd.read_pickle, [PLACE + "/given.pkl"]))
"""
PROCESS_POOL = """
from concurrent.futures import ProcessPoolExecutor
with ProcessPoolExecutor(1) as pool:
    context.size = pool.submit(os.path.getsize, PLACE + "/given.csv").result()
"""
JOBLIB = """
import joblib
context.table = joblib.load(PLACE + "/given.joblib")
"""
LOKY = """
from joblib import Parallel, delayed
Parallel(n_jobs=2)(delayed(len)(PLACE) for _ in range(2))
"""
MULTIPROCESSING = """
import multiprocessing
work = multiprocessing.get_context("fork").Process(target=print)
work.start()
work.join()
"""
SHARED_MEMORY = """
from multiprocessing import shared_memory
try:
    shared_memory.SharedMemory("volplugin-none")
except FileNotFoundError:
    pass
"""
PROGRAM = """
with os.popen("echo 1") as output:
    context.text = output.read()
"""
FORK = """
child = os.fork()
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
"""
ARROW_TABLE = """
from pyarrow.parquet import read_table
context.table = read_table(PLACE + "/given.parquet")
"""
ARROW_CSV = """
import pyarrow.csv
context.table = pyarrow.csv.read_csv(PLACE + "/given.csv")
"""
FEATHER = """
import pyarrow.feather
context.table = pyarrow.feather.read_table(PLACE + "/given.feather")
"""
PANDAS_FOLDER = """
import pandas as pd
context.table = pd.read_parquet(PLACE + "/folder.parquet")
"""
PANDAS_HDF = """
import pandas as pd
context.table = pd.read_hdf(PLACE + "/given.h5", "x")
"""
TORCH_FILE = """
import torch
context.numbers = torch.from_file(PLACE + "/given.bin", dtype=torch.int64, size=2)
"""
TORCH_FOUND = """
import sys
context.numbers = sys.modules["torch"].from_file(PLACE + "/given.bin", dtype=sys.modules["torch"].int64, size=2)
"""
MEMORY_MAP = """
import numpy as np
context.numbers = np.memmap(PLACE + "/given.bin", dtype="int64", mode="r")
"""
FOREIGN_CODE = """
import ctypes
context.name = ctypes.CDLL(None)
"""
SYSTEM_FILE = """
context.text = Path("/etc/fstab").exists() and Path("/etc/hostname").read_text()
"""
NAMES = """
context.names = os.listdir(PLACE)
"""
SIZE = """
context.number = os.path.getsize(PLACE + "/given.csv")
"""
EXISTENCE = """
context.flag = Path(PLACE, "rises.flag").exists()
"""
LINK_TARGET = """
try:
    context.flag = os.readlink(PLACE + "/given.csv")
except OSError:
    pass
"""
EXECUTED = """
exec("import pyarrow.csv as c; context.table = c.read_csv(PLACE + '/given.csv')", globals() | {"context": context})
"""
IMPORTED_BY_NAME = """
import importlib
context.table = importlib.import_module("pyarrow.csv").read_csv(PLACE + "/given.csv")
"""
CODE_AS_DATA = """
context.text = Path(PLACE, "given.py").read_text()
"""
SOCKET = """
import socket
with socket.socket(socket.AF_UNIX) as line:
    try:
        line.connect(PLACE + "/none.sock")
    except OSError:
        pass
"""
DATAGRAM = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
    line.bind(("127.0.0.1", 0))
"""
STORE_READER = """
from volplugin.storage.manifest import read_bytes
context.text = read_bytes(Path(PLACE, "given.csv"), Path(PLACE), 10**6)
"""
STORE_PART = """
from volplugin import ModelStore
import pandas as pd
context.part = ModelStore(PLACE).load_part(pd.Timestamp("2010-01-04"), 0, "mine")
"""
FORECAST_CACHE = """
from volplugin.storage.forecast_cache import ForecastCache
context.numbers = ForecastCache(PLACE).load("given", "key")
"""
LEFT_FOR_LATER = """
Path(PLACE, "left").mkdir(exist_ok=True)
"""

SOURCE_LINES = """
import traceback
context.text = traceback.linecache.getlines(PLACE + "/given.py")
"""
LOADER_DATA = """
import importlib.machinery
context.text = importlib.machinery.SourceFileLoader("x", PLACE + "/given.py").get_source("x")
"""
LOW_LEVEL_HDF = """
import sys
import zipline.data.hdf5_daily_bars
sys.modules["h5py"].h5f.open((PLACE + "/given.h5").encode())
"""
COMPILED = """
import pandas
file = Path(pandas.__file__).parent / "__pycache__" / "volplugin-evasion.pyc"
file.write_bytes(b"1")
context.text = file.read_bytes()
file.unlink()
"""
NO_AUTHORIZER = """
import sqlite3
connection = sqlite3.connect(":memory:")
connection.set_authorizer(None)
connection.execute("attach ? as x", (PLACE + "/given.sqlite",))
"""
STORE_TEXT = """
from volplugin import ModelStore
context.text = ModelStore(PLACE + "/store").configuration
"""
PARQUET_LIST = """
import pandas as pd
context.table = pd.read_parquet([PLACE + "/given.parquet"])
"""
ARROW_OF_PANDAS = """
import sys
import pandas as pd
pd.io.parquet.get_engine("pyarrow")
context.table = sys.modules["pyarrow.parquet"].read_table(columns=["x"], source=PLACE + "/given.parquet")
"""
BARE_IMPORT = """
import importlib
context.table = importlib.__import__("pyarrow.csv").csv.read_csv(PLACE + "/given.csv")
"""
MOCK_IMPORT = """
from unittest import mock
context.table = mock.patch("pyarrow.csv.read_csv").getter().read_csv(PLACE + "/given.csv")
"""
VARIABLE = """
context.text = os.getenv("VOLPLUGIN_EVASION")
"""
OWN_ENVIRONMENT = """
context.text = Path("/proc/self/environ").exists() and Path("/proc/self/environ").read_bytes()
"""
SPACE = """
try:
    context.flag = os.statvfs(PLACE + "/rises.flag")
except OSError:
    pass
"""
CTYPES_OF_NUMPY = """
import numpy as np
context.number = np.ctypeslib.ctypes.CDLL(None).getpid()
"""
TIME_ZONE = """
import time
time.tzset()
"""
CERTIFICATES = """
import http.client
try:
    http.client.ssl.create_default_context().load_verify_locations(PLACE + "/given.csv")
except OSError:
    pass
"""
MODULE_ELSEWHERE = """
import sys
sys.path.insert(0, PLACE + "-elsewhere")
import volplugin_evasion
context.text = volplugin_evasion.TEXT
"""

LOWER_MODULE = """
import sys
context.flag = sys.modules[os.name].stat(PLACE + "/given.csv").st_size
"""
ARROW_FILES = """
import pandas as pd
files = pd.io.parquet.get_engine("pyarrow").api.fs.LocalFileSystem()
context.text = files.open_input_file(PLACE + "/given.csv").read()
"""
ARROW_FILES_FOUND = """
import sys
import pandas as pd
pd.io.parquet.get_engine("pyarrow")
context.text = sys.modules["pyarrow._fs"].LocalFileSystem().open_input_file(PLACE + "/given.csv").read()
"""
MODULES = """
from sys import modules
context.found = modules.get("pyarrow")
"""
FOLDER_ABOVE = """
os.chdir(os.path.dirname(PLACE))
context.text = Path(os.path.basename(PLACE), "given.csv").read_text()
"""
FOLDER_ABOVE_SIZE = """
os.chdir(os.path.dirname(PLACE))
context.number = os.path.getsize(os.path.join(os.path.basename(PLACE), "given.csv"))
"""
LITERALS = f"""
context.prices = {[1.5 + number for number in range(1_100)]}
"""
MODULE_BESIDE = """
import sys
sys.path.insert(0, PLACE)
import volplugin_evasion_prices
context.prices = volplugin_evasion_prices.PRICES
"""
TEXT_BESIDE = """
import sys
sys.path.insert(0, PLACE)
import volplugin_evasion_text
context.prices = volplugin_evasion_text.PRICES
"""

ARROW_ADDRESS = """
import pandas as pd
files, _ = pd.io.parquet.get_engine("pyarrow").api.fs.FileSystem.from_uri("file://" + PLACE)
context.text = files.open_input_file(PLACE + "/given.csv").read()
"""
ARROW_FILE = """
import pandas as pd
file = pd.compat.pyarrow.pa.lib.MemoryMappedFile()
file._open(PLACE + "/given.csv")
context.text = file.read()
"""
TABLES_OF_PANDAS = """
import pandas as pd
context.flag = pd.io.pytables._tables().is_hdf5_file(PLACE + "/given.h5")
"""
CLASSES = """
context.found = [kind for kind in object.__subclasses__() if kind.__name__ == "NativeFile"]
"""
AUDIT_ITSELF = """
import volplugin.adapters.zipline
with volplugin.adapters.zipline.audit.watch._unobserved():
    context.text = Path(PLACE, "given.csv").read_text()
"""
PROCESS_ALIVE = """
try:
    os.kill(os.getppid(), 0)
except OSError:
    pass
"""
SIGNAL = """
import signal
context.flag = signal.sigtimedwait([signal.SIGUSR1], 0)
"""
LISTENER = """
import socket
with socket.socket() as line:
    line.listen()
"""
ADDRESS_NAME = """
import socket
context.text = socket.getnameinfo(("127.0.0.1", 80), 0)
"""
HARMLESS_TARGET = """
context.flag = os.path.exists(PLACE + "/null")
"""
MISSING_MODULE = """
import sys
sys.path.insert(0, PLACE + "-nowhere")
try:
    import volplugin_evasion_rises
except ImportError:
    context.flag = False
"""
COMPILED_MODULE = """
import importlib.machinery
import importlib.util
loader = importlib.machinery.ExtensionFileLoader("given", PLACE + "/given.so")
try:
    importlib.util.module_from_spec(importlib.util.spec_from_loader("given", loader))
except ImportError:
    pass
"""
EXPANDED_VARIABLE = """
context.text = os.path.expandvars("$VOLPLUGIN_EVASION")
"""
TRANSLATIONS = """
import locale
locale.bindtextdomain("given", PLACE)
"""
CLIENT_CERTIFICATE = """
import http.client
try:
    http.client.ssl.create_default_context().load_cert_chain(PLACE + "/given.csv")
except OSError:
    pass
"""
FOLDER_HANDLE = """
context.text = os.read(os.open(PLACE[1:] + "/given.csv", os.O_RDONLY, dir_fd=os.open("/", os.O_PATH)), 9)
"""
OWN_ROOT = """
context.text = Path("/proc/self/root" + PLACE + "/given.csv").read_text()
"""
COROUTINES = """
import asyncio
async def start():
    child = await asyncio.create_subprocess_exec("true")
    await child.wait()
asyncio.run(start())
"""
PACKAGE_TEXTS = """
from importlib import metadata
context.text = metadata.PathDistribution(Path(PLACE)).read_text("given.csv")
"""

EVASIONS = {
    "ZIPLINE_ROOT as an argument": (ROOT_READ, "reads {real}/data"),
    "ZIPLINE_ROOT in the environment": (ROOT_SET, "reads {real}/data"),
    "bars of the real bundle": (ROOT_BARS, "reads {real}/data"),
    "SQLite ATTACH": (ATTACH, "reads /database attached"),
    "ATTACH through the asset finder": (FINDER_ATTACH, "imports sqlalchemy"),
    "ATTACH through a raw connection": (RAW_ATTACH, "reads {place}/given.sqlite"),
    "ATTACH of a bare connection": (BARE_CONNECTION, "sqlite3.Connection"),
    "file opened to append, then read": (APPENDED, "reads {place}/given.csv"),
    "file renamed over an own one": (RENAMED, "writes {place}/moved.csv"),
    "file linked": (LINKED, "{place}/given.csv"),
    "file linked hard": (HARD_LINKED, "writes {place}/given.csv"),
    "thread": (THREAD, "reads {place}/given.csv"),
    "ThreadPoolExecutor": (POOL, "reads {place}/given.pkl"),
    "ProcessPoolExecutor": (PROCESS_POOL, "another program"),
    "joblib.load": (JOBLIB, "imports joblib"),
    "joblib workers": (LOKY, "imports joblib"),
    "multiprocessing": (MULTIPROCESSING, "imports multiprocessing"),
    "shared memory": (SHARED_MEMORY, "imports multiprocessing"),
    "os.popen": (PROGRAM, "another program"),
    "os.fork": (FORK, "another program"),
    "pyarrow by name": (ARROW_TABLE, "imports pyarrow"),
    "pyarrow.csv": (ARROW_CSV, "imports pyarrow"),
    "pyarrow.feather": (FEATHER, "imports pyarrow"),
    "pandas on a folder of Parquet": (PANDAS_FOLDER, "reads {place}/folder.parquet"),
    "pandas.read_hdf": (PANDAS_HDF, "reads {place}/given.h5"),
    "torch.from_file": (TORCH_FILE, "imports torch"),
    "torch found in sys.modules": (TORCH_FOUND, "reads {place}/given.bin"),
    "memory map": (MEMORY_MAP, "reads {place}/given.bin"),
    "ctypes": (FOREIGN_CODE, "imports ctypes"),
    "file under /etc": (SYSTEM_FILE, "reads /etc/hostname"),
    "names of files": (NAMES, "reads {place}"),
    "size of a file": (SIZE, "looks at {place}/given.csv"),
    "existence of a file": (EXISTENCE, "looks at {place}/rises.flag"),
    "target of a link": (LINK_TARGET, "looks at {place}/given.csv"),
    "import inside exec": (EXECUTED, "imports pyarrow"),
    "import by name": (IMPORTED_BY_NAME, "imports pyarrow"),
    "code read as data": (CODE_AS_DATA, "reads {place}/given.py"),
    "local socket": (SOCKET, "uses the network"),
    "datagrams": (DATAGRAM, "uses the network"),
    "reader of the model store": (STORE_READER, "reads {place}/given.csv"),
    "part of a vintage": (STORE_PART, "{place}/parts"),
    "cached forecast": (FORECAST_CACHE, "reads {place}/given.npz"),
    "file left for the next run": (LEFT_FOR_LATER, "writes {place}/left"),
    "cache file of an earlier run": (CACHE, "{place}/cached.txt"),
    "source lines": (SOURCE_LINES, "reads {place}/given.py"),
    "source by a loader": (LOADER_DATA, "reads {place}/given.py"),
    "low-level HDF": (LOW_LEVEL_HDF, "reads {place}/given.h5"),
    "compiled file of a library": (COMPILED, "volplugin-evasion.pyc"),
    "ATTACH without an authorizer": (NO_AUTHORIZER, "reads /database attached"),
    "texts of a model store": (STORE_TEXT, "reads {place}/store/store.json"),
    "pandas on a list of Parquet files": (PARQUET_LIST, "reads {place}/given.parquet"),
    "pyarrow that pandas imported": (ARROW_OF_PANDAS, "reads {place}/given.parquet"),
    "importlib.__import__": (BARE_IMPORT, "imports pyarrow"),
    "import by unittest.mock": (MOCK_IMPORT, "imports pyarrow"),
    "environment variable": (VARIABLE, "reads the environment variable VOLPLUGIN_EVASION"),
    "environment in /proc": (OWN_ENVIRONMENT, "reads /proc/"),
    "free space": (SPACE, "looks at {place}/rises.flag"),
    "ctypes found in numpy": (CTYPES_OF_NUMPY, "calls foreign code by ctypes"),
    "file of a time zone": (TIME_ZONE, "reads /file that tzset reads"),
    "certificates": (CERTIFICATES, "reads {place}/given.csv"),
    "module elsewhere": (MODULE_ELSEWHERE, "imports volplugin_evasion"),
    "module below os": (LOWER_MODULE, "looks at {place}/given.csv"),
    "file system of pyarrow that pandas imported": (ARROW_FILES, "imports pyarrow"),
    "file system of pyarrow in sys.modules": (ARROW_FILES_FOUND, "looks modules up in sys.modules"),
    "module looked up in sys.modules": (MODULES, "looks modules up in sys.modules"),
    "relative path from a folder above": (FOLDER_ABOVE, "reads {place}/given.csv"),
    "size, by a relative path from a folder above": (FOLDER_ABOVE_SIZE, "looks at {place}/given.csv"),
    "prices as literals": (LITERALS, "in strategy_67.py, which may be prices"),
    "prices as literals in a module beside the strategy": (
        MODULE_BESIDE,
        "in volplugin_evasion_prices.py, which may be prices",
    ),
    "prices as a text in a module beside the strategy": (
        TEXT_BESIDE,
        "in volplugin_evasion_text.py, which may be prices",
    ),
    "file system of pyarrow by an address": (ARROW_ADDRESS, "imports pyarrow"),
    "pyarrow's files below its readers": (ARROW_FILE, "imports pyarrow"),
    "PyTables that pandas holds": (TABLES_OF_PANDAS, "imports tables"),
    "classes found by __subclasses__": (CLASSES, "looks classes up by __subclasses__"),
    "the audit itself": (AUDIT_ITSELF, "uses modules of the audit itself"),
    "process that runs or not": (PROCESS_ALIVE, "signals another process"),
    "signal of another process": (SIGNAL, "imports signal"),
    "listening without an address": (LISTENER, "uses the network"),
    "name of an address": (ADDRESS_NAME, "uses the network"),
    "link to a harmless file": (HARMLESS_TARGET, "looks at {place}/null"),
    "module that is missing elsewhere": (MISSING_MODULE, "looks at {place}-nowhere"),
    "compiled module": (COMPILED_MODULE, "loads {place}/given.so"),
    "environment variable in a path": (EXPANDED_VARIABLE, "reads the environment variable VOLPLUGIN_EVASION"),
    "translations": (TRANSLATIONS, "reads {place}"),
    "client certificate": (CLIENT_CERTIFICATE, "reads {place}/given.csv"),
    "file below an open folder": (FOLDER_HANDLE, "reads /"),
    "root folder in /proc": (OWN_ROOT, "reads {place}/given.csv"),
    "program started by a coroutine": (COROUTINES, "another program"),
    "texts of a package": (PACKAGE_TEXTS, "reads {place}/given.csv"),
}


def contents(folder):
    """Make one file of every kind that strategies read from."""
    table = pd.DataFrame({"date": ["2017-01-03"], "symbol": ["AAA"], "close": [1.0]})
    table.to_csv(folder / "pandas.csv", index=False)
    table.to_csv(folder / "panel.csv.gz", index=False)
    np.save(folder / "numpy.npy", np.ones(3))
    with h5py.File(folder / "h5py.h5", "w") as file:
        file["x"] = np.ones(3)
    safetensors.numpy.save_file({"x": np.ones(3)}, folder / "safetensors.safetensors")
    pd.to_pickle(1, folder / "pickle.pkl")
    ForecastCache(folder).save("archive", "key", {"x": np.ones(3)})


def futures(folder: Path) -> Path:
    """Write a file of every kind that could hold prices of the future."""
    table = pd.DataFrame({"x": [1, 2]})
    contents(folder)
    table.to_csv(folder / "given.csv")
    table.to_pickle(folder / "given.pkl")
    table.to_parquet(folder / "given.parquet")
    table.to_feather(folder / "given.feather")
    (folder / "folder.parquet").mkdir()
    table.to_parquet(folder / "folder.parquet" / "a.parquet")
    table.to_hdf(folder / "given.h5", key="x")
    np.arange(2).tofile(folder / "given.bin")
    (folder / "given.py").write_text("1")
    (folder / "moved.csv").write_text("1")
    (folder / "given.so").write_text("1")
    (folder / "null").symlink_to("/dev/null")
    joblib.dump(1, folder / "given.joblib")
    sqlite3.connect(folder / "given.sqlite").close()
    ForecastCache(folder).save("given", "key", {"x": np.ones(2)})
    ModelStore(folder / "store").configure({"x": "1"})
    elsewhere = folder.with_name(f"{folder.name}-elsewhere")
    elsewhere.mkdir()
    (elsewhere / "volplugin_evasion.py").write_text("TEXT = 1")
    (folder / "volplugin_evasion_prices.py").write_text(f"PRICES = {[1.5 + number for number in range(1_100)]}")
    (folder / "volplugin_evasion_text.py").write_text(f"PRICES = {'1.5, ' * 5_000!r}")
    return folder


def attempt(name: str, place: Path, bundle: str) -> tuple[dict[str, str] | None, dict[str, str], str]:
    """Run a strategy with an evasion twice; returns its error, what was reported, and what must be among it."""
    body, expected = EVASIONS[name]
    real = os.environ["ZIPLINE_ROOT"]
    strategy = place / f"strategy_{list(EVASIONS).index(name)}.py"
    text = TEMPLATE.format(place=str(place), real=real, bundle=bundle, body=textwrap.indent(body, "    "))
    strategy.write_text(text)
    with scrambled_root([bundle], os.environ, None, 0) as root:
        one = record(Job(str(strategy), bundle, "2017-06-01", "2017-06-02", root))
        found = one.foreign | record(Job(str(strategy), bundle, "2017-06-01", "2017-06-02", root)).foreign
        # joblib would give later tests the workers that it started in this folder; MKL ends where its folder is gone.
        get_reusable_executor().shutdown(wait=True)
    return one.error, found, expected.format(place=place, real=real)


def main() -> None:
    """Print the table; exit with 1 where an evasion is not reported."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ZIPLINE_ROOT"] = folder
        prices, place = Path(folder, "prices"), Path(folder, "place")
        place.mkdir()
        futures(place)
        zipline_market.write_csv(prices, zipline_market.market())
        register_prices("market", prices)
        ingest_bundle("market")
        print("| way past the audit | verdict | reported |\n|---|---|---|")  # noqa: T201
        missed = 0
        for name in EVASIONS:
            _, found, expected = attempt(name, place, "market")
            reported = [what for what in found if expected in what]
            missed += not reported
            shown = reported[0] if reported else "nothing"
            for path, known in {
                str(place): "PLACE",
                folder: "ROOT",
                f"/proc/{os.getpid()}/": "/proc/PID/",
                sysconfig.get_path("purelib"): "LIBRARIES",
            }.items():
                shown = shown.replace(path, known)
            print(f"| {name} | {'not auditable' if reported else 'CLEAN'} | {shown} |", flush=True)  # noqa: T201
        print(f"{len(EVASIONS)} evasions, {missed} not reported")  # noqa: T201
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
