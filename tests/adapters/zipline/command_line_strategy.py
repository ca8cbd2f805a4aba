"""A strategy for zipline's own command: parameters, both ways of forecasts into Pipeline, and a limit."""

from zipline.api import attach_pipeline, order_target_percent, pipeline_output, record
from zipline.pipeline import Pipeline

from volplugin import RiskModel, RiskProvider, RollingCorrelation, RollingVolatility, read_bundle
from volplugin.adapters.zipline import (
    PrecomputedForecasts,
    predicted_volatility,
    read_parameters,
    set_max_predicted_volatility,
)


def initialize(context):
    context.chosen = read_parameters()
    model = RollingVolatility(40)
    table = model.predict_path(read_bundle(context.chosen.bundle), "2017-02-01", "2017-03-31")
    forecasts = PrecomputedForecasts(volatility=table)
    forecasts.attach(context)
    context.risk = RiskProvider(RiskModel(model, RollingCorrelation(60)), bundle=context.chosen.bundle)
    set_max_predicted_volatility(0.9)
    computed, loaded = predicted_volatility(model), forecasts.dataset.volatility.latest
    attach_pipeline(Pipeline({"computed": computed, "loaded": loaded}), "volatility")


def before_trading_start(context, data):
    context.output = pipeline_output("volatility")


def handle_data(context, data):
    apart = (context.output["computed"] / context.output["loaded"] - 1).abs().max()
    record(target=context.chosen.target, frequency=context.chosen.frequency, apart=apart)
    for asset in context.output.index:
        order_target_percent(asset, context.chosen.target)
