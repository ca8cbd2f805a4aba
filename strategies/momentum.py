"""Hold the third of stocks that rose most over the last year, at a chosen volatility.

The rise covers the twelve months before the last one (Jegadeesh and Titman 1993). The risk of a momentum
portfolio changes with its holdings, and it crashes when markets turn; a volatility target reduces both (Barroso and
Santa-Clara 2015).

    volplugin backtest momentum --bundle dow30 --start 2010-01-04 --end 2021-04-20 --target 0.10 --out DIR
    zipline -e volplugin.adapters.zipline.extension -x volplugin.target=0.10 run -f strategies/momentum.py \
        -b dow30 --start 2010-01-04 --end 2021-04-20 --no-benchmark --metrics-set volplugin -o perf.pkl

Parameters (``-x volplugin.NAME=VALUE``): target, frequency, max_leverage, band, correlation, covariance, store, bundle.
Leverage above one is borrowed, and zipline charges nothing for it.
"""

from typing import Any

import pandas as pd
from zipline.algorithm import TradingAlgorithm
from zipline.protocol import BarData

from volplugin._gallery.shared import prepare
from volplugin.adapters.zipline import history_panel
from volplugin.portfolio.allocation import equal_weight

YEAR, MONTH = 252, 21


def initialize(context: TradingAlgorithm) -> None:
    """Set the risk model, the target, the costs and the calendar of rebalances."""
    prepare(context, compose)


def compose(context: TradingAlgorithm, data: BarData, assets: list[Any]) -> pd.Series:
    """Weight the best third of the stocks with a year of prices the same; no weights without such stocks."""
    close = history_panel(data, assets, YEAR + 1).close
    if len(close) <= YEAR:
        return pd.Series(0.0, index=assets)
    rise = pd.Series((close.iloc[-1 - MONTH] / close.iloc[0]).to_numpy(), index=assets).dropna()
    winners = rise.nlargest(max(1, len(rise) // 3)).index if len(rise) else rise.index
    return (equal_weight(winners) if len(winners) else rise).reindex(assets, fill_value=0.0)
