"""Planted leak: prices adjusted backwards from today hold the splits and dividends to come in their level."""

from zipline.api import order, symbol

from volplugin import read_bundle
from volplugin.adapters.zipline import read_parameters


def initialize(context):
    context.asset = symbol("AAA")
    context.close = read_bundle(read_parameters().bundle, anchor="last").close["AAA"]


def handle_data(context, data):
    if data.current_session.dayofweek != 0:
        return
    order(context.asset, int(10_000 / context.close[data.current_session]))
