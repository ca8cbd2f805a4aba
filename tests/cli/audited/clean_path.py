"""Clean: forecasts of every date are made at the start, each by the vintage of its date."""

from zipline.api import order_target_percent, symbols

from volplugin import read_bundle
from volplugin.adapters.zipline import read_parameters
from volplugin.risk.defaults import load_walk_forward


def initialize(context):
    chosen = read_parameters()
    panel = read_bundle(chosen.bundle)
    context.path = load_walk_forward(chosen.store).predict_path(panel, "2017-05-01", "2017-07-31")
    context.assets = symbols("AAA", "BBB")


def handle_data(context, data):
    if data.current_session.dayofweek != 0:
        return
    for asset in context.assets:
        order_target_percent(asset, min(0.003 / context.path.loc[data.current_session, asset.symbol], 0.9))
