"""Hold the long-only portfolio of least forecast variance, levered to a chosen volatility.

An optimiser selects the stocks whose risk is under-forecast, so that the realised volatility of such a portfolio
exceeds its forecast: the bias in the report shows by how much.

    volplugin backtest minimum_variance --bundle dow30 --start 2010-01-04 --end 2021-04-20 --target 0.10 --out DIR
    zipline -e volplugin.adapters.zipline.extension -x volplugin.target=0.10 run -f strategies/minimum_variance.py \
        -b dow30 --start 2010-01-04 --end 2021-04-20 --no-benchmark --metrics-set volplugin -o perf.pkl

Parameters (``-x volplugin.NAME=VALUE``): target, frequency, max_leverage, band, correlation, covariance, store, bundle.
Leverage above one is borrowed, and zipline charges nothing for it.
"""

from typing import Any

import pandas as pd
from zipline.algorithm import TradingAlgorithm
from zipline.protocol import BarData

from volplugin._gallery.shared import prepare
from volplugin.portfolio.allocation import minimum_variance


def initialize(context: TradingAlgorithm) -> None:
    """Set the risk model, the target, the costs and the calendar of rebalances."""
    prepare(context, compose)


def compose(context: TradingAlgorithm, data: BarData, assets: list[Any]) -> pd.Series:
    """Return the long-only portfolio of least forecast variance."""
    forecast = context.risk.forecast(context, data, assets, view="structure")
    return minimum_variance(forecast)
