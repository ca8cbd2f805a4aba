"""Future poison through zipline: nothing decided before session D knows anything of D.

Two bundles are the same before D; from D on every bar, split and dividend differs. Whatever was decided
before the close of D must be the same to the last bit.
"""

import pandas as pd
import pytest
from zipline.api import date_rules, order_target_percent, schedule_function

import zipline_market
from adapters.zipline import strategies
from volplugin import (
    HARVolatility,
    LSTMVolatility,
    ModelStore,
    RefitSchedule,
    RiskModel,
    RiskProvider,
    RollingCorrelation,
    RollingVolatility,
    VolatilityTarget,
    WalkForward,
    read_bundle,
)

D = pd.Timestamp(zipline_market.POISON)
START, END = "2017-05-15", "2017-06-30"


def watch(bundle, provider):
    """Everything that a strategy decided, by hook and session; raw morning prices; and the perf."""
    decided, raw = {}, {}

    def decide(context, data, hook):
        forecast = context.risk.forecast(context, data, context.universe)
        weights = context.target.scale(pd.Series(1 / 6, index=forecast.assets), forecast)
        decided[hook, data.current_session] = (
            forecast.asof,
            forecast.covariance.to_numpy().tobytes(),
            weights.to_numpy().tobytes(),
        )
        return weights

    def initialize(context):
        context.universe = strategies.universe(context)
        context.risk = provider()
        context.target = VolatilityTarget(0.10, max_leverage=1.5)
        schedule_function(at_the_close, date_rules.every_day())

    def before_trading_start(context, data):
        raw[data.current_session] = data.history(context.universe, "close", 5, "1d").to_numpy().tobytes()
        decide(context, data, "before")

    def at_the_close(context, data):
        for asset, weight in decide(context, data, "close").items():
            order_target_percent(asset, weight)

    perf = strategies.run(bundle, START, END, initialize, before_trading_start=before_trading_start)
    perf.index = perf.index.normalize().tz_localize(None)
    return decided, raw, perf


FORECASTERS = {"har": HARVolatility(), "lstm": LSTMVolatility(units=(4,), window=10, seeds=(0,), steps=5)}


def trained(forecaster, bundle, folder):
    """Make a walk-forward model that was trained on a bundle's own data, poison included."""
    walk_forward = WalkForward(forecaster, schedule=RefitSchedule("quarterly"), store=ModelStore(folder))
    panel = read_bundle(bundle)  # to the last bit: a later split rescales the usual adjusted prices
    return RiskModel(walk_forward.train(panel, START, END, progress=False), RollingCorrelation(60))


@pytest.fixture(scope="module", params=["bundle", "history", *FORECASTERS])
def pair(request, small, poisoned, tmp_path_factory):
    """The same strategy on both markets, with every way for prices to come in."""

    def run(bundle):
        model = (
            trained(FORECASTERS[request.param], bundle, tmp_path_factory.mktemp("models"))
            if request.param in FORECASTERS
            else RiskModel(RollingVolatility(40), RollingCorrelation(60))
        )
        return watch(bundle, lambda: RiskProvider(model, bundle=None if request.param == "history" else bundle))

    return run(small), run(poisoned)


def test_zipline_itself_shows_the_future_in_the_morning(pair):
    """The positive control: the markets do differ, and a raw read in ``before_trading_start`` sees it."""
    clean, other = pair[0][1], pair[1][1]
    assert clean[D] != other[D]
    assert all(clean[day] == other[day] for day in clean if day < D)


def test_decisions_before_the_close_of_d_are_bit_identical(pair):
    clean, other = pair[0][0], pair[1][0]
    known = [key for key in clean if key[1] < D or key == ("before", D)]
    assert len(known) == 2 * len(zipline_market.sessions(START, str(D.date()))) - 1
    assert [key for key in known if clean[key] != other[key]] == []


def test_decisions_from_the_close_of_d_on_differ(pair):
    clean, other = pair[0][0], pair[1][0]
    assert clean["close", D] != other["close", D]
    assert all(clean[key][0] <= key[1] for key in clean)


def test_predictions_through_d_are_bit_identical(pair):
    clean, other = (run[2]["predicted_vol"] for run in pair)
    assert clean[:D].equals(other[:D])
    assert clean[:D].iloc[5:].gt(0).all()
    assert not clean[D:].equals(other[D:])


def test_positions_through_the_day_before_d_are_the_same(pair):
    clean, other = (run[2]["gross_leverage"] for run in pair)
    before = clean.index < D
    assert clean[before].equals(other[before])
