"""Not auditable: all that it reads is not in the bundle."""

import pickle
import sqlite3
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import safetensors.numpy
from zipline.api import order, symbol

from volplugin import PricePanel
from volplugin.storage.forecast_cache import ForecastCache

HERE = Path(__file__).parent


def initialize(context):
    pd.read_csv(HERE / "pandas.csv")  # pandas
    np.load(HERE / "numpy.npy")  # numpy
    pickle.loads((HERE / "pickle.pkl").read_bytes())  # pickle
    PricePanel.from_csv(HERE / "panel.csv.gz")  # panel
    sqlite3.connect(HERE / "sqlite.db").close()  # sqlite
    h5py.File(HERE / "h5py.h5", "r").close()  # h5py
    safetensors.numpy.load_file(HERE / "safetensors.safetensors")  # safetensors
    ForecastCache(HERE).load("archive", "key")  # archive
    subprocess.run([sys.executable, "-c", "pass"], check=True)  # program


def handle_data(context, data):
    order(symbol("AAA"), 1)
