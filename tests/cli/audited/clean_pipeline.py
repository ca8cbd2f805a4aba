"""Clean: stocks chosen by Pipeline, and the risk of the book asked in the morning."""

from zipline.api import attach_pipeline, order_target_percent, pipeline_output
from zipline.pipeline import Pipeline
from zipline.pipeline.data import USEquityPricing
from zipline.pipeline.factors import AverageDollarVolume

from volplugin import RiskModel, RiskProvider, RollingCorrelation, RollingVolatility
from volplugin.adapters.zipline import read_parameters


def initialize(context):
    liquid = AverageDollarVolume(window_length=20).top(3)
    attach_pipeline(Pipeline({"close": USEquityPricing.close.latest}, screen=liquid), "liquid")
    context.risk = RiskProvider(
        RiskModel(RollingVolatility(20), RollingCorrelation(20)), bundle=read_parameters().bundle
    )


def before_trading_start(context, data):
    context.chosen = list(pipeline_output("liquid").index)
    context.sigma = context.risk.forecast(context, data, context.chosen).volatility


def handle_data(context, data):
    if data.current_session.dayofweek != 0:
        return
    for asset in context.portfolio.positions:
        if asset not in context.chosen:
            order_target_percent(asset, 0)
    for asset in context.chosen:
        order_target_percent(asset, 0.002 / context.sigma[asset])
