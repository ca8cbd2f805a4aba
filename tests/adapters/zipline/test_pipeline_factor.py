"""Forecast volatility in Pipeline: the provider's number, a session later, and nothing of the future."""

import gc

import numpy as np
import pandas as pd
import pytest
from zipline.api import attach_pipeline, pipeline_output
from zipline.pipeline import Pipeline

import zipline_market
from adapters.zipline import strategies
from volplugin import (
    HARVolatility,
    LSTMVolatility,
    RefitSchedule,
    RiskModel,
    RiskProvider,
    RollingCorrelation,
    RollingVolatility,
    WalkForward,
    read_bundle,
)
from volplugin.adapters.zipline import PredictedVolatility, predicted_volatility
from volplugin.adapters.zipline.pipeline_factor import _FOLLOWING
from volplugin.errors import ParameterError

START, END = "2017-05-22", "2017-07-07"


def shown(bundle, pipeline, *, start=START, end=END, **hooks):
    """What the pipeline shows, by session, in before_trading_start."""
    seen = {}

    def initialize(context):
        attach_pipeline(pipeline, "volatility")
        for name, hook in hooks.items():
            setattr(context, name, hook(context))

    def before_trading_start(context, data):
        output = pipeline_output("volatility").rename(index=lambda asset: asset.symbol)
        seen[data.current_session] = output
        if "risk" in hooks:
            all_assets = strategies.universe(context)
            forecast = context.risk.forecast(context, data, all_assets).relabel(
                {asset: asset.symbol for asset in all_assets}
            )
            seen[data.current_session, "provider"] = forecast.volatility

    strategies.run(bundle, start, end, initialize, before_trading_start=before_trading_start)
    return seen


def rolling():
    return RollingVolatility(40)


def test_it_is_the_provider_s_number(small):
    model = rolling()
    seen = shown(
        small,
        Pipeline({"volatility": predicted_volatility(model, horizon=5)}),
        risk=lambda context: RiskProvider(RiskModel(model, RollingCorrelation(20)), bundle=small, horizon=5),
    )
    for session in zipline_market.sessions(START, END):
        provided = seen[session, "provider"]
        assert len(provided) == 6
        np.testing.assert_allclose(seen[session]["volatility"][provided.index], provided, rtol=1e-9)


LEARNING = {
    "har": lambda panel: HARVolatility("market").fit(panel.asof("2017-05-01")),
    "lstm": lambda panel: LSTMVolatility(units=(4,), window=10, seeds=(0,), steps=5).fit(panel.asof("2017-05-01")),
    "walk": lambda panel: WalkForward(HARVolatility(), RefitSchedule("quarterly")).train(
        panel, START, END, progress=False
    ),
}


@pytest.mark.parametrize("name", LEARNING)
def test_of_a_young_bundle_it_is_what_research_says_of_the_window(small, caplog, name):
    panel = read_bundle(small)
    model = LEARNING[name](panel)
    window = len(panel.asof(START).sessions) - 1
    pipelines = {}

    def initialize(context):
        pipelines["volatility"] = predicted_volatility(model)
        attach_pipeline(Pipeline(pipelines), "volatility")

    seen = {}

    def before_trading_start(context, data):
        seen[data.current_session] = pipeline_output("volatility")["volatility"].rename(lambda asset: asset.symbol)

    strategies.run(small, START, END, initialize, before_trading_start=before_trading_start)
    assert pipelines["volatility"].window_length == window
    assert f"looks back {model.lookback} sessions, and the bundle holds {window}" in caplog.text
    days = zipline_market.sessions(str(panel.asof(START).sessions[-2].date()), END)
    for yesterday, today in zip(days[:-1], days[1:], strict=True):
        expected = model.vintage_at(yesterday).predict(panel.asof(yesterday).tail(window))
        np.testing.assert_allclose(seen[today], expected[seen[today].index], rtol=1e-5)


def test_the_session_itself_and_the_future_are_not_in_it(small, poisoned):
    pipeline = Pipeline({"volatility": predicted_volatility(rolling())})
    clean, other = shown(small, pipeline), shown(poisoned, pipeline)
    poison = pd.Timestamp(zipline_market.POISON)
    for session in zipline_market.sessions(START, END):
        equal = clean[session].equals(other[session])
        assert equal == (session <= poison)


def test_stocks_come_and_go(small):
    pipeline = Pipeline({"volatility": predicted_volatility(rolling())})
    listed = shown(small, pipeline, start="2016-01-04", end="2016-02-05")
    sizes = [len(output) for output in listed.values()]
    assert (sizes[0], sizes[-1]) == (5, 6)
    young = [output["volatility"].get("DDD", np.nan) for output in listed.values()]
    assert np.isnan(young[5])
    assert young[-1] > 0
    gone = shown(small, pipeline, start="2017-08-25", end="2017-09-06")
    assert ["EEE" in output.index for output in gone.values()] == 5 * [True] + 3 * [False]
    assert all(output["volatility"].notna().all() for output in gone.values())


def test_it_ranks_and_screens_and_may_be_thinned_out(small):
    volatility = predicted_volatility(rolling())
    monthly = volatility.downsample("month_start")
    pipeline = Pipeline({"volatility": volatility, "monthly": monthly}, screen=volatility.bottom(2))
    seen = shown(small, pipeline)
    all_assets = shown(small, Pipeline({"volatility": volatility}))
    for session, output in seen.items():
        assert set(output.index) == set(all_assets[session]["volatility"].nsmallest(2).index)
    first = pd.Timestamp("2017-07-03")
    assert (seen[first]["monthly"] == seen[first]["volatility"]).all()


def test_one_factor_serves_runs_of_other_prices(small, poisoned):
    model = LEARNING["lstm"](read_bundle(small))
    factor = PredictedVolatility(model=model, horizon=21, window_length=300)
    pipeline = Pipeline({"volatility": factor})
    runs = [shown(bundle, pipeline, start="2017-06-12", end="2017-06-23") for bundle in (small, poisoned, small)]
    last = pd.Timestamp("2017-06-23")
    assert runs[0][last].equals(runs[2][last])
    assert not runs[0][last].equals(runs[1][last])
    gc.collect()
    assert len(_FOLLOWING) == 0


def test_a_covariance_is_no_factor():
    with pytest.raises(ParameterError, match="model is RiskModel; pass a volatility forecaster"):
        predicted_volatility(RiskModel(rolling(), RollingCorrelation(20)))
