"""A sample ``extension.py`` for zipline.

Copy it to ``$ZIPLINE_ROOT/extension.py`` (``~/.zipline/extension.py`` by default), where zipline looks of
its own accord, or name it: ``zipline -e path/to/extension.py run ...``. Without a file of your own,
``zipline -e volplugin.adapters.zipline.extension ...`` does the same.

A folder of your own ``SYMBOL.csv`` files (date,open,high,low,close,volume,dividend,split) is one more line::

    register_csv_folder("mine", "~/prices")
"""

from volplugin.adapters.zipline import register_csv_folder, register_dow30, register_metrics

register_dow30()  # the bundle "dow30": zipline ingest -b dow30
register_metrics()  # the metrics set "volplugin": zipline run --metrics-set volplugin ...

__all__ = ["register_csv_folder"]
