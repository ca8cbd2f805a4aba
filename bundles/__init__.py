"""Data bundles for zipline: the shipped ``dow30``, and prices from files and DataFrames of any market.

Installed as ``volplugin._bundles``. One ``register_*`` function for each, to be called from zipline's
``extension.py`` (`extension.py` here is a sample), and `ingest_bundle`.
"""

from .checks import check_bars
from .csv_folder import load_csv_folder, register_csv_folder
from .dow30 import register_dow30
from .prices import bundle_from_frames, register_prices
from .registration import ingest_bundle
from .staged import read_ingestion_metadata

__all__ = [
    "bundle_from_frames",
    "check_bars",
    "ingest_bundle",
    "load_csv_folder",
    "read_ingestion_metadata",
    "register_csv_folder",
    "register_dow30",
    "register_prices",
]
