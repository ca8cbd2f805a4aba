"""Clean: forecasts of every date are made at the start, each by the vintage of its date."""

from zipline.api import date_rules, order_target_percent, schedule_function, symbols

from volplugin import read_bundle
from volplugin.adapters.zipline import read_parameters
from volplugin.defaults import load_walk


def initialize(context):
    chosen = read_parameters()
    panel = read_bundle(chosen.bundle)
    context.path = load_walk(chosen.store).predict_path(panel, "2017-05-01", "2017-07-31")
    context.assets = symbols("AAA", "BBB")
    schedule_function(rebalance, date_rules.month_start())


def rebalance(context, data):
    for asset in context.assets:
        order_target_percent(asset, min(0.003 / context.path.loc[data.current_session, asset.symbol], 0.9))
