"""Hold an equal-weight book at a chosen volatility.

At each rebalance the risk model forecasts the covariance of every stock that trades, and the book is levered
so that its forecast volatility is the target: down in a storm, up in a calm, within the leverage cap.

    volplugin backtest vol_target --bundle dow30 --start 2010-01-04 --end 2021-04-20 --target 0.10 --out DIR
    zipline -e volplugin.adapters.zipline.extension -x volplugin.target=0.10 run -f strategies/vol_target.py \
        -b dow30 --start 2010-01-04 --end 2021-04-20 --no-benchmark --metrics-set volplugin -o perf.pkl

Parameters (``-x volplugin.NAME=VALUE``): target, frequency, max_leverage, band, correlation, store, bundle.
Leverage above one is borrowed, and zipline charges nothing for it.
"""

import pandas as pd
from zipline.algorithm import TradingAlgorithm
from zipline.api import (
    commission,
    date_rules,
    order_target_percent,
    schedule_function,
    set_commission,
    set_slippage,
    slippage,
)
from zipline.protocol import BarData

from volplugin import RiskProvider, RollingCorrelation, VolatilityTarget
from volplugin.adapters.zipline import read_parameters

RULES = {"daily": date_rules.every_day, "weekly": date_rules.week_start, "monthly": date_rules.month_start}
CORRELATIONS = {"default": None, "rolling": RollingCorrelation()}


def initialize(context: TradingAlgorithm) -> None:
    """Set the risk model, the target, the costs and the calendar of rebalances."""
    chosen = read_parameters()
    context.risk = RiskProvider.from_store(
        chosen.store, bundle=chosen.bundle, correlation=CORRELATIONS[chosen.correlation]
    )
    context.target = VolatilityTarget(chosen.target, max_leverage=chosen.max_leverage, band=chosen.band)
    context.universe = context.asset_finder.retrieve_all(context.asset_finder.equities_sids)
    set_commission(commission.PerShare(cost=0.001, min_trade_cost=1.0))
    set_slippage(slippage.FixedBasisPointsSlippage(basis_points=2.0, volume_limit=0.1))
    schedule_function(rebalance, RULES[chosen.frequency]())


def rebalance(context: TradingAlgorithm, data: BarData) -> None:
    """Bring the book to equal weights at the leverage that the forecast allows."""
    tradable = [asset for asset in context.universe if data.can_trade(asset)]
    forecast = context.risk.forecast(context, data, tradable)
    held = context.portfolio.current_portfolio_weights
    weights = context.target.scale(equal_weight(forecast.assets), forecast, current=held)
    for asset in tradable:
        order_target_percent(asset, weights.get(asset, 0.0))


def equal_weight(assets: pd.Index) -> pd.Series:
    """Weigh every asset the same, fully invested."""
    return pd.Series(1.0 / len(assets), index=assets)
