"""A sample ``extension.py`` for zipline.

Copy it to ``$ZIPLINE_ROOT/extension.py`` (``~/.zipline/extension.py`` by default), which zipline reads by itself, or
name it: ``zipline -e path/to/extension.py run ...``. Without a file,
``zipline -e volplugin.adapters.zipline.extension ...`` does the same.

Prices of your own, of any market, are one more line (`volplugin ingest` prints it)::

    register_prices("mine", "~/prices")
"""

from volplugin.adapters.zipline import register_csv_folder, register_dow30, register_metrics, register_prices

register_dow30()  # the bundle "dow30": zipline ingest -b dow30
register_metrics()  # the metrics set "volplugin": zipline run --metrics-set volplugin ...

__all__ = ["register_csv_folder", "register_prices"]
