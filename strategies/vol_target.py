"""Hold an equal-weight portfolio as close to a chosen volatility as daily bars allow: the recommended strategy.

At each rebalance the risk model forecasts the covariance of every stock that trades, and the portfolio is levered
so that its forecast volatility is the target, within the leverage cap. The target is corrected by the track record,
trades stop at the edge of a band, and the leverage is checked at every close, so that a weekly or monthly rebalance
does not wait in a storm (`volplugin.VolatilityTarget` has the numbers).

    volplugin backtest vol_target --bundle dow30 --start 2010-01-04 --end 2021-04-20 --target 0.10 --out DIR
    zipline -e volplugin.adapters.zipline.extension -x volplugin.target=0.10 run -f strategies/vol_target.py \
        -b dow30 --start 2010-01-04 --end 2021-04-20 --no-benchmark --metrics-set volplugin -o perf.pkl

Parameters (``-x volplugin.NAME=VALUE``): target, frequency, max_leverage, band, correlation, covariance, store, bundle.
Leverage above one is borrowed, and zipline charges nothing for it.
"""

from typing import Any

import pandas as pd
from zipline.algorithm import TradingAlgorithm
from zipline.protocol import BarData

from volplugin._gallery.shared import prepare
from volplugin.portfolio.allocation import equal_weight


def initialize(context: TradingAlgorithm) -> None:
    """Set the risk model, the target, the costs and the calendar of rebalances."""
    prepare(context, compose)


def compose(context: TradingAlgorithm, data: BarData, assets: list[Any]) -> pd.Series:
    """Weight every stock the same."""
    return equal_weight(assets)
