"""One step of volatility targeting in a running strategy: forecast, scale, order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import pandas as pd
from zipline.api import cancel_order, get_open_orders, order_target_percent

from volplugin.adapters.targeting import FREQUENCIES, MISSING, TargetingState, checked
from volplugin.adapters.zipline.sessions import completed_session, running_algorithm
from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.portfolio import VolatilityTarget
from volplugin.portfolio.defaults import TARGETING_HORIZON, TARGETING_VIEW
from volplugin.risk.covariance import CovarianceForecast, Weights, as_weights


class Forecasts(Protocol):
    """The part of a `RiskProvider` that targeting uses."""

    def forecast(
        self, context: Any, data: Any, assets: Iterable[Any], *, horizon: int | None = None, view: str = "risk"
    ) -> CovarianceForecast:
        """Forecast the covariance of some assets."""


LOG = logging.getLogger(__name__)


def hold_target(
    provider: Forecasts,
    state: TargetingState,
    context: Any,
    data: Any,
    weights: Weights | Callable[[], Weights],
    rule: VolatilityTarget | None,
    frequency: str,
    missing: str,
) -> pd.Series | None:
    """Make the step that `RiskProvider.target` documents."""
    rule = _checked(context, rule, frequency, missing)
    session, held = completed_session(data), context.portfolio.current_portfolio_weights
    calendar = running_algorithm().trading_calendar
    state.observe(session, context.portfolio.portfolio_value, calendar.previous_session)
    # An order fills at the next close: the portfolio held now is the one that goes through the next session.
    own = _forecast(provider, context, data, held.index)
    known = held if own is None else held[held.index.isin(own.assets)]
    if own is not None:
        state.record.expect(own.portfolio_volatility(known))
    record = state.record.frame
    is_early = own is not None and rule.needs_rebalance(known, own, held, record)
    if not (is_early or state.is_due(session, frequency)):
        return None
    wanted = as_weights(weights() if callable(weights) else weights)
    if missing == "drop":
        wanted = wanted[[data.can_trade(asset) for asset in wanted.index]]
    forecast = _forecast(provider, context, data, wanted.index.union(held.index, sort=False), missing)
    if forecast is None:
        return None
    if missing == "drop":
        wanted = _known(wanted, forecast)
    scaled = rule.scale(wanted, forecast, current=held, track_record=record)
    scaled = scaled.reindex(scaled.index.union(held.index, sort=False), fill_value=0.0)
    _order(data, scaled)
    state.rebalanced(session, frequency)
    return scaled


def _checked(context: Any, rule: VolatilityTarget | None, frequency: str, missing: str) -> VolatilityTarget:
    checked("frequency", frequency, FREQUENCIES)
    checked("missing", missing, MISSING)
    found: Any = getattr(context, "target", None) if rule is None else rule
    if found is None or not hasattr(found, "needs_rebalance"):
        raise ParameterError("no VolatilityTarget: pass rule=VolatilityTarget(0.10), or store it as context.target")
    if getattr(context, "target", None) is None:
        context.target = found  # where the metrics set reads it
    target: VolatilityTarget = found
    return target


def _forecast(
    provider: Forecasts, context: Any, data: Any, assets: Iterable[Any], missing: str = "drop"
) -> CovarianceForecast | None:
    """Forecast for targeting; None without assets, or if none of them can be forecast and `missing` is "drop"."""
    wanted = list(assets)
    if not wanted:
        return None
    try:
        return provider.forecast(context, data, wanted, horizon=TARGETING_HORIZON, view=TARGETING_VIEW)
    except InsufficientHistoryError:
        if missing == "raise":
            raise
        return None


def _known(wanted: pd.Series, forecast: CovarianceForecast) -> pd.Series:
    """Weights of the assets with a forecast; logs the others."""
    has_forecast = wanted.index.isin(forecast.assets)
    lacking = [asset.symbol for asset in wanted.index[~has_forecast & wanted.ne(0).to_numpy()]]
    if lacking:
        LOG.info("%s: no forecast for %s; dropped from the weights", forecast.asof.date(), ", ".join(lacking))
    return wanted[has_forecast]


def _order(data: Any, weights: pd.Series) -> None:
    """Order the weights of all tradable assets, in place of their open orders."""
    pending = get_open_orders()
    for asset, weight in weights.items():
        if not data.can_trade(asset):
            continue
        # An open order would come on top of the new one: sold twice is short.
        for order in pending.get(asset, []):
            cancel_order(order)
        order_target_percent(asset, weight)
