"""Former name of ``vol_target``: ``volplugin backtest steady_vol`` and ``volplugin backtest vol_target`` do the same."""

from volplugin._gallery.vol_target import compose, initialize

__all__ = ["compose", "initialize"]
