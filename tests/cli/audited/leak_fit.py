"""Planted leak: a model is fitted on everything, and its numbers are used through the back door."""

from zipline.api import order_target_percent, symbol

from volplugin import HARVolatility, read_bundle
from volplugin.adapters.zipline import read_parameters


def initialize(context):
    context.panel = read_bundle(read_parameters().bundle)
    context.model = HARVolatility().fit(context.panel)
    context.asset = symbol("CCC")


def handle_data(context, data):
    if data.current_session.dayofweek != 0:
        return
    known = context.panel.asof(data.current_session)
    sigma = context.model.predict_in_sample(known, known.last_session, known.last_session)[1]["CCC"].iloc[-1]
    order_target_percent(context.asset, min(0.005 / sigma, 1.0))
