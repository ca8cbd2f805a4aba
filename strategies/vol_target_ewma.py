"""``vol_target`` on RiskMetrics' EWMA covariance in place of the LSTM: the same rule, for comparison.

The two runs differ in the covariance alone; compare ``realized_vol`` with the target.

    volplugin backtest vol_target_ewma --bundle dow30 --start 2010-01-04 --end 2021-04-20 --target 0.10 --out before
    volplugin backtest vol_target --bundle dow30 --start 2010-01-04 --end 2021-04-20 --target 0.10 --out after

One parameter does the same for any strategy of the gallery: ``-x covariance=ewma``, or with zipline itself
``-x volplugin.covariance=ewma``.
"""

from zipline.algorithm import TradingAlgorithm

from volplugin._gallery.shared import prepare
from volplugin._gallery.vol_target import compose


def initialize(context: TradingAlgorithm) -> None:
    """Set up ``vol_target`` with the other covariance."""
    prepare(context, compose, covariance="ewma")
