"""Planted leak: one session ahead, once a month, and only in an order's size."""

from zipline.api import date_rules, order, schedule_function, symbol

from volplugin import read_bundle
from volplugin.adapters.zipline import read_parameters


def initialize(context):
    context.asset = symbol("BBB")
    context.close = read_bundle(read_parameters().bundle).close["BBB"]
    schedule_function(rebalance, date_rules.month_end())


def rebalance(context, data):
    here = context.close.index.get_loc(data.current_session)
    order(context.asset, 100 if context.close.iloc[here + 1] > context.close.iloc[here] else -100)
