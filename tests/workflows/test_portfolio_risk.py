import json

import numpy as np
import pandas as pd
import pytest
from synthetic import ASOF, LISTED, SESSIONS

from volplugin import HARVolatility, RiskModel, RollingCorrelation, RollingVolatility
from volplugin.errors import MissingForecastError
from volplugin.workflows import portfolio_text, portfolio_today

MODEL = RiskModel(RollingVolatility(40), RollingCorrelation(60))
WEIGHTS = pd.Series({"ALFA": 0.5, "BRAV": 0.7, "CHAR": -0.2, "GOLF": 0.0})


GROUPS = {"ALFA": "north", "BRAV": "south", "CHAR": "north"}


@pytest.fixture(scope="module")
def panel(synthetic):
    return synthetic.asof(ASOF)


@pytest.fixture(scope="module")
def portfolio(panel):
    return portfolio_today(MODEL, panel, WEIGHTS, horizon=5, groups=GROUPS)


@pytest.fixture(scope="module")
def forecasts(panel):
    """The forecasts of the last two sessions, made on their own."""
    return [MODEL.forecast(panel.asof(session), 5) for session in panel.sessions[-2:]]


def shares_before(panel):
    """Weights of the session before, from shares, prices and cash of a portfolio worth one."""
    then, now = panel.close[["ALFA", "BRAV", "CHAR"]].iloc[-2:].to_numpy()
    shares = np.array([0.5, 0.7, -0.2]) / now
    cash = 1 - shares @ now
    return pd.Series(shares * then / (shares @ then + cash), ["ALFA", "BRAV", "CHAR"])


def test_numbers_come_from_the_forecasts_of_the_last_two_sessions(portfolio, forecasts, panel):
    before, now = forecasts
    held, then = WEIGHTS[WEIGHTS != 0], shares_before(panel)
    assert portfolio.volatility == pytest.approx(now.portfolio_volatility(held, periods=252), rel=1e-12)
    assert portfolio.before == pytest.approx(before.portfolio_volatility(then, periods=252), rel=1e-12)
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
    trimmed = now.portfolio_volatility(held - pd.Series({"ALFA": 0.01, "BRAV": 0, "CHAR": 0}), periods=252)
    assert portfolio.positions.loc["ALFA", "trim"] == pytest.approx(trimmed - portfolio.volatility, rel=1e-10)


def test_causes_add_up_to_the_change(portfolio, forecasts, panel):
    before, now = forecasts
    assert portfolio.change.sum() == pytest.approx(portfolio.volatility - portfolio.before, abs=1e-14)
    expected = now.volatility_change(WEIGHTS, before, shares_before(panel), periods=252)
    np.testing.assert_allclose(portfolio.change, expected, rtol=1e-9)
    assert portfolio.average_correlation_before == pytest.approx(before.average_correlation(WEIGHTS))


def test_weights_of_the_session_before_may_be_given(panel, forecasts):
    then = pd.Series({"ALFA": 0.1, "BRAV": 0.0, "GOLF": 0.3})
    found = portfolio_today(MODEL, panel, WEIGHTS, horizon=5, weights_before=then, history=1)
    assert found.before == pytest.approx(forecasts[0].portfolio_volatility(then, periods=252), rel=1e-12)
    assert found.change.sum() == pytest.approx(found.volatility - found.before, abs=1e-14)


def test_groups_and_factors_add_up_to_the_volatility(portfolio, forecasts):
    groups = portfolio.groups
    assert groups.loc["north", "weight"] == pytest.approx(0.3)
    parts = portfolio.positions["contribution"]
    assert groups.loc["north", "contribution"] == pytest.approx(parts["ALFA"] + parts["CHAR"], rel=1e-12)
    for table in (groups, portfolio.factors):
        assert table["contribution"].sum() == pytest.approx(portfolio.volatility, rel=1e-12)
        assert table["share"].sum() == pytest.approx(1, rel=1e-12)
    market = pd.Series(1 / 8, forecasts[1].assets)
    covariance = forecasts[1].covariance
    beta = forecasts[1].align(WEIGHTS) @ covariance @ market / (market @ covariance @ market)
    assert portfolio.beta == pytest.approx(beta, rel=1e-12)


def test_losses_are_past_standardised_returns_times_the_forecast(portfolio, panel):
    assert portfolio.tail_methods == {"next session": "historical", "next 5 sessions": "student"}
    held = WEIGHTS[WEIGHTS != 0]
    sessions = panel.sessions[-505:]
    sigma = [one.portfolio_volatility(held) for one in MODEL.forecast_path(panel, sessions, 1)]
    prices = panel.close.loc[sessions, held.index]
    returns = (prices / prices.shift(1) - 1).iloc[1:] @ held
    losses = -(returns / sigma[:-1])
    limit = np.quantile(losses, 0.99)
    assert portfolio.losses.loc["VaR 99%", "next session"] == pytest.approx(sigma[-1] * limit, rel=1e-9)
    limit = np.quantile(losses, 0.975)
    tail = limit + np.maximum(losses - limit, 0).mean() / 0.025
    assert portfolio.losses.loc["ES 97.5%", "next session"] == pytest.approx(sigma[-1] * tail, rel=1e-9)
    short = portfolio_today(MODEL, panel, WEIGHTS, horizon=5, history=100)
    assert set(short.tail_methods.values()) == {"student"}
    assert short.losses.loc["VaR 99%", "next 5 sessions"] == pytest.approx(
        MODEL.forecast(panel, 5).value_at_risk(WEIGHTS, horizon=5, method="student"), rel=1e-12
    )


def test_history_ends_with_today(portfolio, forecasts):
    last = portfolio.history.iloc[-2:]
    np.testing.assert_allclose(last, [one.portfolio_volatility(WEIGHTS, periods=252) for one in forecasts])
    assert len(portfolio.history) == 505


def test_pairs_are_sorted_by_correlation(synthetic):
    portfolio = portfolio_today(MODEL, synthetic.asof(ASOF), WEIGHTS, pairs=2, history=1)
    rho = portfolio.forecast.correlation.loc[["ALFA", "BRAV", "CHAR"], ["ALFA", "BRAV", "CHAR"]].to_numpy()
    top = np.sort(rho[np.triu_indices(3, 1)])[::-1][:2]
    np.testing.assert_allclose(portfolio.pairs["correlation"], top)


def test_default_weights_are_equal(synthetic):
    portfolio = portfolio_today(MODEL, synthetic.asof(ASOF), history=1)
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
    output = portfolio_text(portfolio_today(MODEL, synthetic.asof(ASOF), WEIGHTS, history=1))
    for part in (
        "% a year, ",
        "forecast of the next 21 sessions",
        "points by cause",
        "Most correlated",
        "ALFA",
        "VaR 99%",
    ):
        assert part in output


def test_expected_events_and_a_stale_model_are_said(synthetic):
    model = RiskModel(HARVolatility("season").fit(synthetic.asof(SESSIONS[700])), RollingCorrelation(60))
    for session in SESSIONS[1050:1080]:
        portfolio = portfolio_today(model, synthetic.asof(session), horizon=1, history=1)
        if portfolio.forecast.events:
            break
    metadata, text = json.loads(json.dumps(portfolio.as_dict())), portfolio_text(portfolio)
    assert metadata["events"] == portfolio.forecast.events != []
    assert metadata["event_variance"] == portfolio.forecast.diagnostics["event_variance"]
    assert "Moves of their own expected\n" in text
    assert f"\n{metadata['events'][0]} " in text.partition("Moves of their own expected\n")[2]
    assert metadata["stale"].startswith("the volatility model was trained through ")
    assert metadata["stale"] in " ".join(text.split())
