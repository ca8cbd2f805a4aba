"""Clean: a factor of a walk-forward, which Pipeline computes ahead of the clock, vintages of later dates included."""

from zipline.api import attach_pipeline, order_target_percent, pipeline_output
from zipline.pipeline import Pipeline

from volplugin.adapters.zipline import predicted_volatility, read_parameters
from volplugin.risk.defaults import load_walk_forward


def initialize(context):
    volatility = predicted_volatility(load_walk_forward(read_parameters().store))
    attach_pipeline(Pipeline({"volatility": volatility}, screen=volatility.bottom(3)), "calm")


def handle_data(context, data):
    calm = pipeline_output("calm").index
    for asset in {*calm, *context.portfolio.positions}:
        order_target_percent(asset, 0.3 if asset in calm else 0.0)
