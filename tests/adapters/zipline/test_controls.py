"""A limit on the predicted volatility of the book, at every close."""

import logging

import pandas as pd
import pytest
from zipline.api import order_target_percent
from zipline.errors import AccountControlViolation

from adapters.zipline import strategies
from volplugin import RiskProvider
from volplugin.adapters.zipline import MaxPredictedVolatility, set_max_predicted_volatility
from volplugin.adapters.zipline.controls import PredictedVolatilityError
from volplugin.errors import ParameterError, VolpluginError

START, END = "2017-03-01", "2017-03-31"


def run(small, model, limit, *, action="raise", weight=0.15, start=START, provider=True):
    """Hold everything from the second session on, under a limit."""

    def initialize(context):
        context.universe = strategies.universe(context)
        if provider:
            context.risk = RiskProvider(model, bundle=small)
        set_max_predicted_volatility(limit, action)

    def hold(context, data):
        for asset in context.universe:
            if data.can_trade(asset):
                order_target_percent(asset, weight)

    return strategies.run(small, start, END, initialize, handle_data=hold)


def test_a_portfolio_within_the_limit_runs_through(small, model):
    perf = run(small, model, 0.5)
    assert 0.05 < perf["predicted_vol"].max() < 0.5


def test_a_portfolio_above_it_ends_the_run_and_says_why(small, model):
    with pytest.raises(PredictedVolatilityError) as raised:
        run(small, model, 0.05)
    assert isinstance(raised.value, VolpluginError)
    assert isinstance(raised.value, AccountControlViolation)
    output = str(raised.value)
    assert output.startswith("at the close of 2017-03-02 the portfolio's predicted volatility is ")
    assert "above the limit of 5.00% (most of it from " in output
    assert "hold less" in output


def test_the_number_is_that_of_the_perf_frame(small, model, caplog):
    perf = run(small, model, 0.05, action="log")
    output = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    sessions = perf.index.normalize().tz_localize(None)
    predicted = pd.Series(perf["predicted_vol"].to_numpy(), sessions).shift(-1)
    over = predicted[predicted > 0.05]
    assert len(over) > 15
    for session, volatility in over.items():
        assert any(
            f"{session.date()} the portfolio's predicted volatility is {volatility:.2%} a year" in line
            for line in output
        )


def test_stocks_without_a_forecast_are_named(small, model, caplog):
    run(small, model, 0.01, action="log", start="2016-01-06")
    assert "without a forecast: DDD" in caplog.text


def test_without_a_provider_it_asks_for_one(small, model):
    with pytest.raises(ParameterError, match="make a RiskProvider in initialize"):
        run(small, model, 0.1, provider=False)


@pytest.mark.parametrize(
    ("limit", "action", "message"),
    [(0.0, "raise", "limit is 0.0"), (float("nan"), "log", "limit is nan"), (0.1, "warn", "action is 'warn'")],
)
def test_a_limit_that_is_none_is_refused(limit, action, message):
    with pytest.raises(ParameterError, match=message):
        MaxPredictedVolatility(limit, action)


def test_outside_a_run_there_is_nothing_to_limit():
    with pytest.raises(ParameterError, match="no zipline simulation is running"):
        set_max_predicted_volatility(0.1)
