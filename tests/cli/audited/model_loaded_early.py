"""Not auditable: a later vintage is loaded at the start, and what is done with its numbers cannot be seen."""

from zipline.api import order, symbol

from volplugin import ModelStore
from volplugin.adapters.zipline import read_parameters


def initialize(context):
    store = ModelStore(read_parameters().store)
    state, _ = store.load(store.vintages()[-1])
    context.size = 1 + len(state)


def handle_data(context, data):
    order(symbol("AAA"), context.size)
