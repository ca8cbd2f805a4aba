"""The book of ``vol_target`` on RiskMetrics' EWMA covariance in place of the LSTM: the before of a before and after.

The two runs differ in the covariance and in nothing else; compare ``realized_vol`` with the target.

    volplugin backtest vol_target_ewma --bundle dow30 --start 2010-01-04 --end 2021-04-20 --target 0.10 --out before
    volplugin backtest vol_target --bundle dow30 --start 2010-01-04 --end 2021-04-20 --target 0.10 --out after

With zipline itself the same is one parameter: ``-x volplugin.covariance=ewma`` for any strategy of the gallery.
"""

from zipline.algorithm import TradingAlgorithm

from volplugin._gallery.shared import prepare
from volplugin._gallery.vol_target import compose


def initialize(context: TradingAlgorithm) -> None:
    """Set up what ``vol_target`` does, with the other covariance."""
    prepare(context, compose, covariance="ewma")
