"""A strategy's day: look at the book held, compose the wanted one, scale it to the target, order the difference."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
from zipline.algorithm import TradingAlgorithm
from zipline.api import (
    cancel_order,
    commission,
    date_rules,
    get_open_orders,
    order_target_percent,
    schedule_function,
    set_commission,
    set_slippage,
    slippage,
)
from zipline.protocol import BarData

from volplugin import CovarianceForecast, RiskProvider, VolatilityTarget
from volplugin._gallery.shared.parameters import read_gallery_parameters
from volplugin.portfolio import TrackRecord

RULES = {"daily": date_rules.every_day, "weekly": date_rules.week_start, "monthly": date_rules.month_start}

Compose = Callable[[TradingAlgorithm, BarData, CovarianceForecast], pd.Series]
"""Weights wanted by asset, at any leverage, of assets that the forecast covers."""


def prepare(
    context: TradingAlgorithm,
    compose: Compose,
    *,
    covariance: str | None = None,
    rule: Callable[..., VolatilityTarget] = VolatilityTarget,
) -> None:
    """Set up a strategy by the parameters of the run; call it in ``initialize``.

    Parameters
    ----------
    context : TradingAlgorithm
    compose : callable
        ``compose(context, data, forecast)`` returns the weights wanted.
    covariance : str, optional
        One of `COVARIANCES`, whatever the parameters say.
    rule : callable
        Makes the volatility target of ``target``, ``max_leverage`` and ``band``, the last if it was given.
    """
    chosen = read_gallery_parameters()
    if covariance is not None:
        chosen = replace(chosen, covariance=covariance)
    options = {"band": chosen.band} if chosen.band > 0 else {}
    target = rule(chosen.target, max_leverage=chosen.max_leverage, **options)
    follow(context, compose, chosen.provider(), target, chosen.frequency)


def follow(
    context: TradingAlgorithm, compose: Compose, risk: RiskProvider, target: VolatilityTarget, frequency: str
) -> None:
    """Set the universe, the costs and the calendar: rebalance on it, and watch every close if the target asks for it.

    A target with `feedback` needs a track record of the book held, and one with a `guard` is asked at every close
    whether to wait for the next rebalance.
    """
    context.compose, context.risk, context.target = compose, risk, target
    context.track, context.closed_at, context.due = TrackRecord(), None, False
    context.universe = context.asset_finder.retrieve_all(context.asset_finder.equities_sids)
    set_commission(commission.PerShare(cost=0.001, min_trade_cost=1.0))
    set_slippage(slippage.FixedBasisPointsSlippage(basis_points=2.0, volume_limit=0.1))
    if target.feedback == 0 and math.isinf(target.guard):
        schedule_function(rebalance, RULES[frequency]())
    else:
        schedule_function(_mark_due, RULES[frequency]())
        schedule_function(_watch, date_rules.every_day())


def rebalance(context: TradingAlgorithm, data: BarData) -> None:
    """Order the composed book at the leverage that the forecast allows."""
    tradable, held = _tradable(context, data), context.portfolio.current_portfolio_weights
    _rebalance(context, data, context.risk.forecast(context, data, tradable), tradable, held)


def _mark_due(context: TradingAlgorithm, data: BarData) -> None:
    context.due = True


def _watch(context: TradingAlgorithm, data: BarData) -> None:
    """Keep the track record, and rebalance if it is due or the book has strayed."""
    tradable, held = _tradable(context, data), context.portfolio.current_portfolio_weights
    value = context.portfolio.portfolio_value
    forecast = context.risk.forecast(context, data, tradable)
    if context.closed_at is not None:
        context.track.observe(value / context.closed_at - 1)
    # An order placed now fills at the next close: the book held now is the one that goes through the session.
    context.track.expect(forecast.portfolio_volatility(held[held.index.isin(forecast.assets)]))
    context.closed_at = value
    if context.due or _strays(context, data, forecast, held):
        _rebalance(context, data, forecast, tradable, held)
        context.due = False


def _strays(context: TradingAlgorithm, data: BarData, forecast: CovarianceForecast, held: pd.Series) -> bool:
    if math.isinf(context.target.guard):
        return False
    wanted = context.compose(context, data, forecast)
    return context.target.needs_rebalance(wanted, forecast, held, context.track.frame)


def _rebalance(
    context: TradingAlgorithm, data: BarData, forecast: CovarianceForecast, tradable: list[Any], held: pd.Series
) -> None:
    wanted = context.compose(context, data, forecast)
    weights = context.target.scale(wanted, forecast, current=held, track_record=context.track.frame)
    pending = get_open_orders()
    for asset in tradable:
        # What is still open would come on top of the new order: sold twice is short.
        for order in pending.get(asset, []):
            cancel_order(order)
        order_target_percent(asset, weights.get(asset, 0.0))


def _tradable(context: TradingAlgorithm, data: BarData) -> list[Any]:
    return [asset for asset in context.universe if data.can_trade(asset)]
