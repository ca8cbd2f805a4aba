"""Planted leak: fills at the better of today's price and tomorrow's."""

from zipline.api import order, set_slippage, symbol
from zipline.finance.slippage import SlippageModel

from volplugin import read_bundle
from volplugin.adapters.zipline import read_parameters


class Hindsight(SlippageModel):
    def __init__(self, close):
        super().__init__()
        self.close = close

    def process_order(self, data, order):
        here = self.close.index.get_loc(data.current_session)
        return float(self.close.iloc[here : here + 2].min()), order.open_amount


def initialize(context):
    context.asset = symbol("BBB")
    set_slippage(Hindsight(read_bundle(read_parameters().bundle, end="2017-12-29").close["BBB"]))


def handle_data(context, data):
    order(context.asset, 10)
