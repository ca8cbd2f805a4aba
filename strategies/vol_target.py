"""Hold an equal-weight book at a chosen volatility.

At each rebalance the risk model forecasts the covariance of every stock that trades, and the book is levered
so that its forecast volatility is the target: down in a storm, up in a calm, within the leverage cap.

    volplugin backtest vol_target --bundle dow30 --start 2010-01-04 --end 2021-04-20 --target 0.10 --out DIR
    zipline -e volplugin.adapters.zipline.extension -x volplugin.target=0.10 run -f strategies/vol_target.py \
        -b dow30 --start 2010-01-04 --end 2021-04-20 --no-benchmark --metrics-set volplugin -o perf.pkl

Parameters (``-x volplugin.NAME=VALUE``): target, frequency, max_leverage, band, correlation, covariance, store, bundle.
Leverage above one is borrowed, and zipline charges nothing for it.
"""

import pandas as pd
from zipline.algorithm import TradingAlgorithm
from zipline.protocol import BarData

from volplugin import CovarianceForecast
from volplugin._gallery.shared import prepare
from volplugin.portfolio.allocation import equal_weight


def initialize(context: TradingAlgorithm) -> None:
    """Set the risk model, the target, the costs and the calendar of rebalances."""
    prepare(context, compose)


def compose(context: TradingAlgorithm, data: BarData, forecast: CovarianceForecast) -> pd.Series:
    """Weigh every stock the same."""
    return equal_weight(forecast)
