"""Planted leak: the worth of the book, read in the morning, is that of the evening."""

from zipline.api import order, record, symbol


def initialize(context):
    context.asset = symbol("AAA")


def before_trading_start(context, data):
    record(worth=context.portfolio.portfolio_value)


def handle_data(context, data):
    order(context.asset, 10)
