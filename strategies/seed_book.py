"""Hold a portfolio of given weights at a chosen volatility: the one of ``volplugin study``, without look-ahead.

The weights come from a CSV file with columns ``symbol, weight``, as in ``volplugin study --weights``; without a file
they are equal. They are the composition; the leverage follows the forecast.

    volplugin backtest seed_book --bundle dow30 --start 2010-01-04 --end 2021-04-20 -x weights=book.csv --out DIR
    zipline -e volplugin.adapters.zipline.extension -x volplugin.weights=book.csv run -f strategies/seed_book.py \
        -b dow30 --start 2010-01-04 --end 2021-04-20 --no-benchmark --metrics-set volplugin -o perf.pkl

Parameters (``-x volplugin.NAME=VALUE``): weights, and those of ``vol_target``.
"""

from typing import Any

import pandas as pd
from zipline.algorithm import TradingAlgorithm
from zipline.protocol import BarData

from volplugin._gallery.shared import prepare, read_gallery_parameters
from volplugin.errors import AssetMismatchError
from volplugin.workflows import read_weights


def initialize(context: TradingAlgorithm) -> None:
    """Read the weights, and set the risk model, the target, the costs and the calendar of rebalances."""
    prepare(context, compose)
    symbols = [asset.symbol for asset in context.universe]
    file = read_gallery_parameters().weights
    context.seed_weights = read_weights(file) if file else pd.Series(1 / len(symbols), index=symbols)
    strange = context.seed_weights.index.difference(symbols)
    if len(strange):
        raise AssetMismatchError(f"{file}: the run's bundle has no {strange[0]}; it holds {', '.join(symbols)}")


def compose(context: TradingAlgorithm, data: BarData, assets: list[Any]) -> pd.Series:
    """Return the given weight of each stock that trades."""
    given = context.seed_weights.reindex([asset.symbol for asset in assets], fill_value=0.0)
    return pd.Series(given.to_numpy(), index=assets)
