"""For ``zipline -e volplugin.adapters.zipline.extension``: bundle ``dow30`` and metrics set ``volplugin``.

In ``$ZIPLINE_ROOT/extension.py`` one line does the same, next to your own bundles and metrics:
``import volplugin.adapters.zipline.extension``.
"""

from volplugin._bundles import register_dow30
from volplugin.adapters.zipline.metrics import register_metrics

register_dow30()
register_metrics()
