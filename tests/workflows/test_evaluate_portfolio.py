import numpy as np
import pandas as pd
import pytest
from synthetic import SESSIONS

from volplugin import EWMAVolatility
from volplugin.evaluation import equal_weight_books, forecast_table, portfolio_forecasts
from volplugin.workflows.evaluate_portfolio import book_models, forecast_books, judge_books

SPAN = SESSIONS[950], SESSIONS[990]


@pytest.fixture(scope="module")
def table(synthetic):
    return forecast_table({"slow": EWMAVolatility(0.97), "fast": EWMAVolatility(0.9)}, synthetic, *SPAN, (1, 5))


@pytest.fixture(scope="module")
def books(synthetic, walk, table):
    return forecast_books(synthetic, walk, *SPAN, volatilities=table, horizon=5, jobs=1)


def test_books_are_those_of_the_risk_models(synthetic, walk, books):
    models = book_models(walk)
    assert list(books.books) == list(models) == ["LSTM", "LSTM + rolling correlation", "EWMA94"]
    expected = portfolio_forecasts(models["EWMA94"], synthetic, None, *SPAN, horizon=5)
    found = books.books["EWMA94"]
    np.testing.assert_array_equal(found.predicted, expected.predicted)
    pd.testing.assert_series_equal(found.returns, expected.returns, check_exact=True, check_freq=False)
    assert found.predicted.index.equals(expected.predicted.index)
    assert found.horizon == 5
    assert list(judge_books(synthetic, walk, *SPAN, horizon=5, jobs=1)) == list(models)


def test_every_volatility_goes_with_our_correlation(synthetic, walk, table, books):
    path = book_models(walk)["LSTM"].forecast_path(synthetic, SESSIONS[950:991], 5)
    expected = equal_weight_books(table, ((forecast.asof, forecast.correlation) for forecast in path), synthetic)
    assert list(books.by_volatility) == [1, 5]
    for days, models in expected.items():
        assert list(books.by_volatility[days]) == ["slow", "fast"]
        for name, book in models.items():
            found = books.by_volatility[days][name]
            pd.testing.assert_series_equal(found.predicted, book.predicted, rtol=1e-12, check_freq=False)
            pd.testing.assert_series_equal(found.returns, book.returns, check_exact=True, check_freq=False)
            assert found.horizon == days
    assert forecast_books(synthetic, walk, *SPAN, horizon=5, jobs=1).by_volatility == {}


def test_a_second_run_finds_them_to_the_last_bit(synthetic, walk, table, books, archive, idle):
    asked = {"volatilities": table, "horizon": 5, "jobs": 1, "archive": archive}
    forecast_books(synthetic, walk, *SPAN, **asked)
    (archive.path / "book_EWMA94_5.npz").unlink()
    said = []
    forecast_books(synthetic, walk, *SPAN, **asked, say=said.append)
    assert said[0].endswith("the book by LSTM, LSTM + rolling correlation")
    idle()
    again = forecast_books(synthetic, walk, *SPAN, **asked)
    pairs = [(again.books, books.books), *((again.by_volatility[days], books.by_volatility[days]) for days in (1, 5))]
    for found, expected in pairs:
        assert list(found) == list(expected)
        for name, book in expected.items():
            pd.testing.assert_series_equal(found[name].predicted, book.predicted, check_exact=True, check_freq=False)
            pd.testing.assert_series_equal(found[name].returns, book.returns, check_exact=True, check_freq=False)


def test_other_volatilities_are_not_taken_for_them(synthetic, walk, table, archive):
    asked = {"horizon": 5, "jobs": 1, "archive": archive}
    forecast_books(synthetic, walk, *SPAN, volatilities=table, **asked)
    said = []
    other = table.copy()
    other.iloc[3, 2] *= 1.01
    for volatilities in (other, table.rename(columns={"slow": "slower"}, level="model")):
        forecast_books(synthetic, walk, *SPAN, volatilities=volatilities, **asked, say=said.append)
    assert [what.rsplit("the book by ")[1] for what in said] == 2 * ["LSTM + rolling correlation, EWMA94"]


def test_another_span_or_later_prices_are_not_taken_for_them(synthetic, walk, archive):
    forecast_books(synthetic, walk, *SPAN, horizon=5, jobs=1, archive=archive)
    said = []
    # The book's returns run on to the panel's end, so that they know of its later prices.
    forecast_books(synthetic.asof(SESSIONS[1200]), walk, *SPAN, horizon=5, jobs=1, archive=archive, say=said.append)
    forecast_books(synthetic, walk, SPAN[0], SESSIONS[985], horizon=5, jobs=1, archive=archive, say=said.append)
    assert said == []
