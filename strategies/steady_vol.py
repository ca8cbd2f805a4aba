"""Hold an equal-weight book as close to a chosen volatility as daily bars allow: the recommended recipe.

The risk model is the one for targeting, whose average correlation follows the market within days, and the target
corrects itself by its track record, trades to the edge of a band, and watches the book at every close, so that a
weekly or monthly rebalance does not wait in a storm (`volplugin.risk.defaults.targeting_rule` has the numbers).

    volplugin backtest steady_vol --bundle dow30 --start 2010-01-04 --end 2021-04-20 --target 0.10 --out DIR
    zipline -e volplugin.adapters.zipline.extension -x volplugin.target=0.10 run -f strategies/steady_vol.py \
        -b dow30 --start 2010-01-04 --end 2021-04-20 --no-benchmark --metrics-set volplugin -o perf.pkl

Parameters (``-x volplugin.NAME=VALUE``): target, frequency, max_leverage, band, store, bundle.
Leverage above one is borrowed, and zipline charges nothing for it.
"""

from zipline.algorithm import TradingAlgorithm

from volplugin._gallery.shared import prepare
from volplugin._gallery.vol_target import compose
from volplugin.portfolio.defaults import targeting_rule


def initialize(context: TradingAlgorithm) -> None:
    """Set up what ``vol_target`` does, with the risk model and the rule for targeting."""
    prepare(context, compose, covariance="targeting", rule=targeting_rule)
