"""Planted leak: only stocks that are not delisted in the next two years are bought."""

import pandas as pd
from zipline.api import date_rules, order_target_percent, schedule_function


def initialize(context):
    context.universe = context.asset_finder.retrieve_all(context.asset_finder.equities_sids)
    schedule_function(rebalance, date_rules.month_start())


def rebalance(context, data):
    later = data.current_session + pd.Timedelta(days=150)
    living = [asset for asset in context.universe if asset.end_date >= later and data.can_trade(asset)]
    for asset in living:
        order_target_percent(asset, 0.9 / len(living))
