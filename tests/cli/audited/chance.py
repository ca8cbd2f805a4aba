"""Not auditable: it throws dice."""

import numpy as np
from zipline.api import order, symbol

RANDOM = np.random.default_rng()


def initialize(context):
    context.asset = symbol("AAA")


def handle_data(context, data):
    order(context.asset, int(RANDOM.integers(1, 1000)))
