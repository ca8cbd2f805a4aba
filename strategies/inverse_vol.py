"""Weight stocks by the inverse of their forecast volatility, and hold the portfolio at a chosen volatility.

Calm stocks get more, volatile ones less: each has the same risk if all correlations are equal.

    volplugin backtest inverse_vol --bundle dow30 --start 2010-01-04 --end 2021-04-20 --target 0.10 --out DIR
    zipline -e volplugin.adapters.zipline.extension -x volplugin.target=0.10 run -f strategies/inverse_vol.py \
        -b dow30 --start 2010-01-04 --end 2021-04-20 --no-benchmark --metrics-set volplugin -o perf.pkl

Parameters (``-x volplugin.NAME=VALUE``): target, frequency, max_leverage, band, correlation, covariance, store, bundle.
Leverage above one is borrowed, and zipline charges nothing for it.
"""

from typing import Any

import pandas as pd
from zipline.algorithm import TradingAlgorithm
from zipline.protocol import BarData

from volplugin._gallery.shared import prepare
from volplugin.portfolio.allocation import inverse_volatility


def initialize(context: TradingAlgorithm) -> None:
    """Set the risk model, the target, the costs and the calendar of rebalances."""
    prepare(context, compose)


def compose(context: TradingAlgorithm, data: BarData, assets: list[Any]) -> pd.Series:
    """Weight every stock by one over its forecast volatility."""
    forecast = context.risk.forecast(context, data, assets, view="structure")
    return inverse_volatility(forecast)
