import json

import numpy as np
import pandas as pd
import pytest
from synthetic import ASOF, LISTED, SESSIONS

from volplugin import RiskModel, RollingCorrelation, RollingVolatility
from volplugin.errors import MissingForecastError
from volplugin.workflows import book_today
from volplugin.workflows.portfolio_risk import book_text

MODEL = RiskModel(RollingVolatility(40), RollingCorrelation(60))
WEIGHTS = pd.Series({"ALFA": 0.5, "BRAV": 0.7, "CHAR": -0.2, "GOLF": 0.0})


def test_the_numbers_are_those_of_the_forecasts_of_two_sessions(synthetic):
    book = book_today(MODEL, synthetic.asof(ASOF), WEIGHTS, horizon=5)
    sessions = synthetic.asof(ASOF).sessions[-2:]
    before, now = (MODEL.forecast(synthetic.asof(session), 5) for session in sessions)
    held = WEIGHTS[WEIGHTS != 0]
    assert book.volatility == pytest.approx(now.portfolio_volatility(held, periods=252), rel=1e-12)
    assert book.before == pytest.approx(before.portfolio_volatility(held, periods=252), rel=1e-12)
    assert list(book.positions.index) == list(book.positions["contribution"].sort_values(ascending=False).index)
    assert set(book.positions.index) == {"ALFA", "BRAV", "CHAR"}
    assert book.positions["contribution"].sum() == pytest.approx(book.volatility)
    assert book.positions["share"].sum() == pytest.approx(1)
    assert book.positions["change"].sum() == pytest.approx(book.volatility - book.before, abs=1e-12)
    expected = (now.volatility - before.volatility)[held.index] * np.sqrt(252)
    pd.testing.assert_series_equal(book.positions["volatility_change"][held.index], expected, check_names=False)
    step = held.copy()
    step["ALFA"] += 1e-6
    moved = (now.portfolio_volatility(step, periods=252) - book.volatility) / 1e-6
    assert book.positions.loc["ALFA", "marginal"] == pytest.approx(moved, rel=1e-4)


def test_pairs_are_the_most_correlated_first(synthetic):
    book = book_today(MODEL, synthetic.asof(ASOF), WEIGHTS, pairs=2)
    rho = book.forecast.correlation.loc[["ALFA", "BRAV", "CHAR"], ["ALFA", "BRAV", "CHAR"]].to_numpy()
    top = np.sort(rho[np.triu_indices(3, 1)])[::-1][:2]
    np.testing.assert_allclose(book.pairs["correlation"], top)


def test_equal_weights_unless_told(synthetic):
    book = book_today(MODEL, synthetic.asof(ASOF))
    assert book.weights.to_dict() == dict.fromkeys(book.forecast.assets, 1 / len(book.forecast.assets))


def test_without_a_forecast_the_session_before_nothing_changed(synthetic):
    first = SESSIONS[40]
    book = book_today(MODEL, synthetic.asof(first), pd.Series({"ALFA": 1.0}))
    assert np.isnan(book.before) or book.before > 0
    panel = synthetic.asof(first).tail(1 + len(synthetic.asof(first).sessions) - 1)
    facts = book_today(MODEL, panel, pd.Series({"ALFA": 1.0})).as_dict()
    assert json.loads(json.dumps(facts, allow_nan=False))["units"]["contribution"].startswith("annual")


def test_weight_on_what_has_no_forecast_is_named(synthetic):
    unlisted = synthetic.asof(SESSIONS[SESSIONS.get_loc(LISTED) - 5] if LISTED in SESSIONS else SESSIONS[300])
    with pytest.raises(MissingForecastError, match="no forecast"):
        book_today(MODEL, unlisted, pd.Series({"DELT": 1.0}))


def test_in_words(synthetic):
    said = book_text(book_today(MODEL, synthetic.asof(ASOF), WEIGHTS))
    for part in ("Annual volatility over the 21 sessions", "the session before", "Most correlated", "ALFA", "ratio"):
        assert part in said
