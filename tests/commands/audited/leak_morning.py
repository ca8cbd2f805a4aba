"""Planted leak: zipline shows today's close in before_trading_start, and it is kept as the morning's signal."""

from zipline.api import date_rules, order_target_percent, schedule_function, symbol


def initialize(context):
    context.asset = symbol("AAA")
    context.signal = 0.0
    schedule_function(rebalance, date_rules.week_start())


def before_trading_start(context, data):
    context.signal = float(data.history(context.asset, "close", 2, "1d").pct_change().iloc[-1])


def rebalance(context, data):
    order_target_percent(context.asset, 0.5 if context.signal > 0 else 0.1)
