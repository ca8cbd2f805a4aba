"""Former name of ``vol_target``; ``volplugin backtest steady_vol`` runs the same strategy."""

from volplugin._gallery.vol_target import compose, initialize

__all__ = ["compose", "initialize"]
