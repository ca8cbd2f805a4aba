"""Data bundles for zipline: the shipped ``dow30`` and any folder of CSV files.

Installed as ``volplugin._bundles``. One ``register_*`` function for each, to be called from zipline's
``extension.py`` (`extension.py` here is a sample), and `ingest_bundle`.
"""

from .csv_folder import register_csv_folder
from .dow30 import register_dow30
from .registration import ingest_bundle

__all__ = ["ingest_bundle", "register_csv_folder", "register_dow30"]
