"""For ``zipline -e volplugin.adapters.zipline.extension``: bundle ``dow30`` and metrics set ``volplugin``.

From ``$ZIPLINE_ROOT/extension.py`` the same takes one line,
``import volplugin.adapters.zipline.extension``, and works beside bundles and metrics of your own.
"""

from volplugin._bundles import register_dow30
from volplugin.adapters.zipline.metrics import register_metrics

register_dow30()
register_metrics()
