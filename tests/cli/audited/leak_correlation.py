"""Planted leak: a book weighed by the correlations of the whole sample."""

import numpy as np
from zipline.api import order_target_percent, symbols

from volplugin import read_bundle
from volplugin.adapters.zipline import read_parameters

NAMES = ("AAA", "BBB", "CCC")


def initialize(context):
    rho = read_bundle(read_parameters().bundle).returns[list(NAMES)].corr()
    raw = np.linalg.solve(rho.to_numpy(), np.ones(len(NAMES)))
    context.weights = dict(zip(symbols(*NAMES), raw / raw.sum(), strict=True))


def handle_data(context, data):
    if data.current_session.dayofweek != 0:
        return
    for asset, weight in context.weights.items():
        order_target_percent(asset, weight)
