"""Planted leak: returns are scaled by a mean and deviation of the whole sample."""

import os

from zipline.api import order_target_percent, record, symbol

from volplugin import read_bundle
from volplugin.adapters.zipline import read_parameters


def initialize(context):
    returns = read_bundle(read_parameters().bundle, environ=os.environ).returns["AAA"]
    context.mean, context.deviation = returns.mean(), returns.std()
    context.asset = symbol("AAA")


def handle_data(context, data):
    if data.current_session.dayofweek != 0:
        return
    today = data.history(context.asset, "close", 2, "1d").pct_change().iloc[-1]
    score = (today - context.mean) / context.deviation
    record(score=score)
    order_target_percent(context.asset, 0.5 if score > 0 else 0.1)
