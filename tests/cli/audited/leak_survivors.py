"""Planted leak: only stocks that are not delisted in the next two years are bought."""

import pandas as pd
from zipline.api import order_target_percent


def initialize(context):
    context.universe = context.asset_finder.retrieve_all(context.asset_finder.equities_sids)


def handle_data(context, data):
    if data.current_session.dayofweek != 0:
        return
    later = data.current_session + pd.Timedelta(days=150)
    living = [asset for asset in context.universe if asset.end_date >= later and data.can_trade(asset)]
    for asset in living:
        order_target_percent(asset, 0.9 / len(living))
