"""Planted leak: zipline shows today's close in before_trading_start, and it is kept as the morning's signal."""

from zipline.api import order_target_percent, symbol


def initialize(context):
    context.asset = symbol("AAA")
    context.signal = 0.0


def before_trading_start(context, data):
    context.signal = float(data.history(context.asset, "close", 2, "1d").pct_change().iloc[-1])


def handle_data(context, data):
    if data.current_session.dayofweek != 0:
        return
    order_target_percent(context.asset, 0.5 if context.signal > 0 else 0.1)
