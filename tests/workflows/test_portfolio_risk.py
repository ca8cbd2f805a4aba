import json

import numpy as np
import pandas as pd
import pytest
from synthetic import ASOF, LISTED, SESSIONS

from volplugin import HARVolatility, RiskModel, RollingCorrelation, RollingVolatility
from volplugin.errors import MissingForecastError
from volplugin.workflows import portfolio_today
from volplugin.workflows.portfolio_risk import portfolio_text

MODEL = RiskModel(RollingVolatility(40), RollingCorrelation(60))
WEIGHTS = pd.Series({"ALFA": 0.5, "BRAV": 0.7, "CHAR": -0.2, "GOLF": 0.0})


def test_numbers_come_from_the_forecasts_of_the_last_two_sessions(synthetic):
    portfolio = portfolio_today(MODEL, synthetic.asof(ASOF), WEIGHTS, horizon=5)
    sessions = synthetic.asof(ASOF).sessions[-2:]
    before, now = (MODEL.forecast(synthetic.asof(session), 5) for session in sessions)
    held = WEIGHTS[WEIGHTS != 0]
    assert portfolio.volatility == pytest.approx(now.portfolio_volatility(held, periods=252), rel=1e-12)
    assert portfolio.before == pytest.approx(before.portfolio_volatility(held, periods=252), rel=1e-12)
    assert list(portfolio.positions.index) == list(
        portfolio.positions["contribution"].sort_values(ascending=False).index
    )
    assert set(portfolio.positions.index) == {"ALFA", "BRAV", "CHAR"}
    assert portfolio.positions["contribution"].sum() == pytest.approx(portfolio.volatility)
    assert portfolio.positions["share"].sum() == pytest.approx(1)
    assert portfolio.positions["change"].sum() == pytest.approx(portfolio.volatility - portfolio.before, abs=1e-12)
    expected = (now.volatility - before.volatility)[held.index] * np.sqrt(252)
    pd.testing.assert_series_equal(portfolio.positions["volatility_change"][held.index], expected, check_names=False)
    step = held.copy()
    step["ALFA"] += 1e-6
    moved = (now.portfolio_volatility(step, periods=252) - portfolio.volatility) / 1e-6
    assert portfolio.positions.loc["ALFA", "marginal"] == pytest.approx(moved, rel=1e-4)


def test_pairs_are_sorted_by_correlation(synthetic):
    portfolio = portfolio_today(MODEL, synthetic.asof(ASOF), WEIGHTS, pairs=2)
    rho = portfolio.forecast.correlation.loc[["ALFA", "BRAV", "CHAR"], ["ALFA", "BRAV", "CHAR"]].to_numpy()
    top = np.sort(rho[np.triu_indices(3, 1)])[::-1][:2]
    np.testing.assert_allclose(portfolio.pairs["correlation"], top)


def test_default_weights_are_equal(synthetic):
    portfolio = portfolio_today(MODEL, synthetic.asof(ASOF))
    assert portfolio.weights.to_dict() == dict.fromkeys(portfolio.forecast.assets, 1 / len(portfolio.forecast.assets))


def test_json_is_valid_without_a_previous_forecast(synthetic):
    first = SESSIONS[40]
    portfolio = portfolio_today(MODEL, synthetic.asof(first), pd.Series({"ALFA": 1.0}))
    assert np.isnan(portfolio.before) or portfolio.before > 0
    panel = synthetic.asof(first).tail(1 + len(synthetic.asof(first).sessions) - 1)
    numbers = portfolio_today(MODEL, panel, pd.Series({"ALFA": 1.0})).as_dict()
    assert json.loads(json.dumps(numbers, allow_nan=False))["units"]["contribution"].startswith("annual")


def test_weight_on_an_asset_without_forecast_raises(synthetic):
    unlisted = synthetic.asof(SESSIONS[SESSIONS.get_loc(LISTED) - 5] if LISTED in SESSIONS else SESSIONS[300])
    with pytest.raises(MissingForecastError, match="no forecast"):
        portfolio_today(MODEL, unlisted, pd.Series({"DELT": 1.0}))


def test_text_has_volatility_change_and_pairs(synthetic):
    output = portfolio_text(portfolio_today(MODEL, synthetic.asof(ASOF), WEIGHTS))
    for part in ("Annual volatility over the 21 sessions", "the session before", "Most correlated", "ALFA", "ratio"):
        assert part in output


def test_expected_events_and_a_stale_model_are_said(synthetic):
    model = RiskModel(HARVolatility("season").fit(synthetic.asof(SESSIONS[700])), RollingCorrelation(60))
    for session in SESSIONS[1050:1080]:
        portfolio = portfolio_today(model, synthetic.asof(session), horizon=1)
        if portfolio.forecast.events:
            break
    metadata, text = json.loads(json.dumps(portfolio.as_dict())), portfolio_text(portfolio)
    assert metadata["events"] == portfolio.forecast.events != []
    assert metadata["event_variance"] == portfolio.forecast.diagnostics["event_variance"]
    assert f"their share of the variance: {metadata['events'][0]} " in text
    assert metadata["stale"].startswith("the volatility model was trained through ")
    assert metadata["stale"] in text
