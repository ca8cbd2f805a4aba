"""Ways to get prices of the future, or decisions made from them, past the audit, each as the body of `initialize`.

PLACE is a folder with files of the future, REAL the user's own ``ZIPLINE_ROOT``. The second part of each entry is a
part of the sentence that the audit reports.
"""

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
}
