"""A strategy's day: compose the portfolio, hold it at the target."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd
from zipline.algorithm import TradingAlgorithm
from zipline.api import commission, date_rules, schedule_function, set_commission, set_slippage, slippage
from zipline.protocol import BarData

from volplugin import RiskProvider, VolatilityTarget
from volplugin._gallery.shared.parameters import read_gallery_parameters

Compose = Callable[[TradingAlgorithm, BarData, list[Any]], pd.Series]
"""Weights wanted by asset, at any leverage, of the assets that trade."""


def prepare(context: TradingAlgorithm, compose: Compose, *, covariance: str | None = None) -> None:
    """Set up a strategy by the parameters of the run; call it in ``initialize``.

    Parameters
    ----------
    context : TradingAlgorithm
    compose : callable
        ``compose(context, data, assets)`` returns the weights wanted.
    covariance : str, optional
        One of `COVARIANCES`, in place of the parameter.
    """
    chosen = read_gallery_parameters()
    rule = VolatilityTarget(chosen.target, chosen.max_leverage, band=chosen.band)
    follow(context, compose, chosen.provider(covariance), rule, chosen.frequency)


def follow(
    context: TradingAlgorithm, compose: Compose, risk: RiskProvider, target: VolatilityTarget, frequency: str
) -> None:
    """Set the universe, the costs and the calendar of rebalances.

    Parameters
    ----------
    context : TradingAlgorithm
    compose : callable
        ``compose(context, data, assets)`` returns the weights wanted.
    risk : RiskProvider
    target : VolatilityTarget
    frequency : {"daily", "weekly", "monthly"}
    """
    context.compose, context.risk, context.target, context.frequency = compose, risk, target, frequency
    context.universe = context.asset_finder.retrieve_all(context.asset_finder.equities_sids)
    set_commission(commission.PerShare(cost=0.001, min_trade_cost=1.0))
    set_slippage(slippage.FixedBasisPointsSlippage(basis_points=2.0, volume_limit=0.1))
    schedule_function(rebalance, date_rules.every_day())


def rebalance(context: TradingAlgorithm, data: BarData) -> None:
    """Hold the composed portfolio at the target; orders only where a rebalance is due or the guard demands it."""
    tradable = [asset for asset in context.universe if data.can_trade(asset)]
    if tradable:
        weights = partial(context.compose, context, data, tradable)
        context.risk.target(context, data, weights, frequency=context.frequency, missing="drop")
