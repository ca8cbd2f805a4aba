import numpy as np
import pandas as pd
import pytest
from synthetic import SESSIONS

from volplugin import EWMAVolatility
from volplugin.evaluation import equal_weight_portfolios, forecast_table, portfolio_forecasts
from volplugin.workflows.evaluate_portfolio import evaluate_portfolios, forecast_portfolios, portfolio_models

SPAN = SESSIONS[950], SESSIONS[990]


@pytest.fixture(scope="module")
def table(synthetic):
    return forecast_table({"slow": EWMAVolatility(0.97), "fast": EWMAVolatility(0.9)}, synthetic, *SPAN, (1, 5))


@pytest.fixture(scope="module")
def portfolios(synthetic, walk_forward, table):
    return forecast_portfolios(synthetic, walk_forward, *SPAN, volatilities=table, horizon=5, jobs=1)


def test_portfolios_are_those_of_the_risk_models(synthetic, walk_forward, portfolios):
    models = portfolio_models(walk_forward)
    assert list(portfolios.portfolios) == list(models) == ["LSTM", "LSTM + rolling correlation", "EWMA94"]
    expected = portfolio_forecasts(models["EWMA94"], synthetic, None, *SPAN, horizon=5)
    found = portfolios.portfolios["EWMA94"]
    np.testing.assert_array_equal(found.predicted, expected.predicted)
    pd.testing.assert_series_equal(found.returns, expected.returns, check_exact=True, check_freq=False)
    assert found.predicted.index.equals(expected.predicted.index)
    assert found.horizon == 5
    assert list(evaluate_portfolios(synthetic, walk_forward, *SPAN, horizon=5, jobs=1)) == list(models)


def test_every_volatility_goes_with_our_correlation(synthetic, walk_forward, table, portfolios):
    path = portfolio_models(walk_forward)["LSTM"].forecast_path(synthetic, SESSIONS[950:991], 5)
    expected = equal_weight_portfolios(table, ((forecast.asof, forecast.correlation) for forecast in path), synthetic)
    assert list(portfolios.by_volatility) == [1, 5]
    for days, models in expected.items():
        assert list(portfolios.by_volatility[days]) == ["slow", "fast"]
        for name, portfolio in models.items():
            found = portfolios.by_volatility[days][name]
            pd.testing.assert_series_equal(found.predicted, portfolio.predicted, rtol=1e-12, check_freq=False)
            pd.testing.assert_series_equal(found.returns, portfolio.returns, check_exact=True, check_freq=False)
            assert found.horizon == days
    assert forecast_portfolios(synthetic, walk_forward, *SPAN, horizon=5, jobs=1).by_volatility == {}


def test_a_second_run_finds_them_to_the_last_bit(synthetic, walk_forward, table, portfolios, cache, idle):
    asked = {"volatilities": table, "horizon": 5, "jobs": 1, "cache": cache}
    forecast_portfolios(synthetic, walk_forward, *SPAN, **asked)
    (cache.path / "book_EWMA94_5.npz").unlink()
    output = []
    forecast_portfolios(synthetic, walk_forward, *SPAN, **asked, log=output.append)
    assert output[0].endswith("the book by LSTM, LSTM + rolling correlation")
    idle()
    again = forecast_portfolios(synthetic, walk_forward, *SPAN, **asked)
    pairs = [
        (again.portfolios, portfolios.portfolios),
        *((again.by_volatility[days], portfolios.by_volatility[days]) for days in (1, 5)),
    ]
    for found, expected in pairs:
        assert list(found) == list(expected)
        for name, portfolio in expected.items():
            pd.testing.assert_series_equal(
                found[name].predicted, portfolio.predicted, check_exact=True, check_freq=False
            )
            pd.testing.assert_series_equal(found[name].returns, portfolio.returns, check_exact=True, check_freq=False)


def test_other_volatilities_are_not_taken_for_them(synthetic, walk_forward, table, cache):
    asked = {"horizon": 5, "jobs": 1, "cache": cache}
    forecast_portfolios(synthetic, walk_forward, *SPAN, volatilities=table, **asked)
    output = []
    other = table.copy()
    other.iloc[3, 2] *= 1.01
    for volatilities in (other, table.rename(columns={"slow": "slower"}, level="model")):
        forecast_portfolios(synthetic, walk_forward, *SPAN, volatilities=volatilities, **asked, log=output.append)
    assert [what.rsplit("the book by ")[1] for what in output] == 2 * ["LSTM + rolling correlation, EWMA94"]


def test_another_span_or_later_prices_are_not_taken_for_them(synthetic, walk_forward, cache):
    forecast_portfolios(synthetic, walk_forward, *SPAN, horizon=5, jobs=1, cache=cache)
    output = []
    # The book's returns run on to the panel's end, so that they know of its later prices.
    forecast_portfolios(
        synthetic.asof(SESSIONS[1200]), walk_forward, *SPAN, horizon=5, jobs=1, cache=cache, log=output.append
    )
    forecast_portfolios(
        synthetic, walk_forward, SPAN[0], SESSIONS[985], horizon=5, jobs=1, cache=cache, log=output.append
    )
    assert output == []
