import numpy as np
import pandas as pd
import pytest
from synthetic import SESSIONS

from volplugin.evaluation import portfolio_forecasts
from volplugin.judging import book_models, forecast_books, judge_books

SPAN = SESSIONS[950], SESSIONS[990]


@pytest.fixture(scope="module")
def books(synthetic, walk):
    return forecast_books(synthetic, walk, *SPAN, horizon=5, jobs=1)


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


def test_correlations_are_those_that_our_risk_model_gave(synthetic, walk, books):
    origin = SESSIONS[970]
    expected = book_models(walk)["LSTM"].forecast(synthetic.asof(origin), 5).correlation
    pd.testing.assert_frame_equal(books.correlations[origin], expected, rtol=1e-12)
    assert list(books.correlations) == list(SESSIONS[950:991])


def test_a_second_run_finds_them_to_the_last_bit(synthetic, walk, books, archive, idle):
    forecast_books(synthetic, walk, *SPAN, horizon=5, jobs=1, archive=archive)
    (archive.path / "book_EWMA94_5.npz").unlink()
    said = []
    forecast_books(synthetic, walk, *SPAN, horizon=5, jobs=1, archive=archive, say=said.append)
    assert said[0].endswith("the book by LSTM, LSTM + rolling correlation")
    idle()
    again = forecast_books(synthetic, walk, *SPAN, horizon=5, jobs=1, archive=archive)
    for name, book in books.books.items():
        pd.testing.assert_series_equal(again.books[name].predicted, book.predicted, check_exact=True, check_freq=False)
    for origin, rho in books.correlations.items():
        pd.testing.assert_frame_equal(again.correlations[origin], rho, check_exact=True)


def test_another_span_or_later_prices_are_not_taken_for_them(synthetic, walk, archive):
    forecast_books(synthetic, walk, *SPAN, horizon=5, jobs=1, archive=archive)
    said = []
    # The book's returns run on to the panel's end, so that they know of its later prices.
    forecast_books(synthetic.asof(SESSIONS[1200]), walk, *SPAN, horizon=5, jobs=1, archive=archive, say=said.append)
    forecast_books(synthetic, walk, SPAN[0], SESSIONS[985], horizon=5, jobs=1, archive=archive, say=said.append)
    assert said == []
