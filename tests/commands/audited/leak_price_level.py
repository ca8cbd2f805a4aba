"""Planted leak: prices adjusted backwards from today hold the splits and dividends to come in their level."""

from zipline.api import date_rules, order, schedule_function, symbol

from volplugin import read_bundle
from volplugin.adapters.zipline import read_parameters


def initialize(context):
    context.asset = symbol("AAA")
    context.close = read_bundle(read_parameters().bundle, anchor="last").close["AAA"]
    schedule_function(rebalance, date_rules.month_start())


def rebalance(context, data):
    order(context.asset, int(10_000 / context.close[data.current_session]))
