"""Planted leak: the newest vintage of a store answers at every date."""

from zipline.api import order_target_percent, symbol

from volplugin import HARVolatility, ModelStore, read_bundle
from volplugin.adapters.zipline import read_parameters


def initialize(context):
    parameters = read_parameters()
    state, metadata = ModelStore(parameters.store).load(ModelStore(parameters.store).vintages()[-1])
    context.model = HARVolatility().restore(state, metadata.trained_through, metadata.assets, metadata.universe)
    context.panel = read_bundle(parameters.bundle)
    context.asset = symbol("CCC")


def handle_data(context, data):
    if data.current_session.dayofweek != 0:
        return
    known = context.panel.asof(data.current_session)
    sigma = context.model.predict_in_sample(known, known.last_session, known.last_session)[1]["CCC"].iloc[-1]
    order_target_percent(context.asset, min(0.005 / sigma, 1.0))
