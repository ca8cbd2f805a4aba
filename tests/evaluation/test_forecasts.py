import numpy as np
import pandas as pd
import pytest

from volplugin import EWMAVolatility, RiskModel, RollingCorrelation
from volplugin.errors import AssetMismatchError, InsufficientHistoryError, MissingForecastError, ParameterError
from volplugin.evaluation import forecast_table, portfolio_forecasts, portfolio_returns
from volplugin.risk.covariance import CovarianceForecast


class Flat:
    """Forecasts the standard deviation of the panel's whole past, whatever the horizon."""

    def predict_path(self, panel, start, end, horizon=21):
        return panel.returns.expanding(60).std().loc[start:end]


class FlatRisk:
    """Diagonal covariance of the last 60 sessions; asset E is left out before session 300."""

    def forecast_path(self, panel, sessions, horizon=21):
        for session in sessions:
            past = panel.asof(session)
            sigma = past.returns.tail(60).std()
            if len(past.sessions) <= 300:
                sigma = sigma.drop("E")
            rho = pd.DataFrame(np.eye(len(sigma)), sigma.index, sigma.index)
            yield CovarianceForecast(past.last_session, horizon, sigma, rho)


def test_forecast_table_is_labelled_by_model_horizon_and_asset(panel):
    start, end = panel.sessions[100], panel.sessions[149]
    done = []
    table = forecast_table({"a": Flat(), "b": Flat()}, panel, start, end, (1, 5), done.append)
    assert table.columns.names == ["model", "horizon", "asset"]
    assert table.shape == (50, 2 * 2 * 5)
    assert done == ["a, 1 sessions", "b, 1 sessions", "a, 5 sessions", "b, 5 sessions"]
    expected = panel.returns.iloc[:101].std()
    pd.testing.assert_series_equal(table["b"][5].iloc[0], expected, check_names=False, rtol=1e-9)


def test_no_models_is_an_error(panel):
    with pytest.raises(ParameterError, match="at least one model"):
        forecast_table({}, panel, "2010-06-01", "2010-07-01")


def test_portfolio_forecasts_follow_the_portfolio_that_could_be_held(panel):
    start, end = panel.sessions[290], panel.sessions[310]
    portfolio = portfolio_forecasts(FlatRisk(), panel, None, start, end, horizon=5)
    assert portfolio.predicted.index.equals(panel.sessions[290:311])
    before, after = panel.sessions[295], panel.sessions[305]
    simple = np.expm1(panel.returns)
    # Four assets with a forecast, then five; the book of an origin earns on the session after it.
    assert portfolio.returns[before] == pytest.approx(simple.loc[before, list("ABCD")].mean())
    assert portfolio.returns[after] == pytest.approx(simple.loc[after].mean())
    sigma = panel.returns.iloc[242:302].std()
    assert portfolio.predicted.loc[panel.sessions[301]] == pytest.approx(np.sqrt((sigma**2).sum()) / 5)


def test_portfolio_keeps_its_last_weights_and_starts_after_its_first_origin(panel):
    start, end = panel.sessions[400], panel.sessions[410]
    portfolio = portfolio_forecasts(FlatRisk(), panel, None, start, end, horizon=5, kind="log")
    assert portfolio.returns.index.equals(panel.sessions[401:])
    expected = np.log(np.exp(panel.returns.loc[panel.sessions[500]]).mean())
    assert portfolio.returns[panel.sessions[500]] == pytest.approx(expected)


def test_given_weights_need_a_forecast(panel):
    weights = pd.Series({"E": 0.5, "A": 0.5})
    with pytest.raises(MissingForecastError, match="E has weight 0.5"):
        portfolio_forecasts(FlatRisk(), panel, weights, panel.sessions[290], panel.sessions[295])


def test_no_session_between_the_dates_is_an_error(panel):
    with pytest.raises(InsufficientHistoryError, match="no session between"):
        portfolio_forecasts(FlatRisk(), panel, None, "2030-01-01", "2030-02-01")


def test_a_missing_return_of_a_held_asset_makes_the_portfolios_unknown():
    sessions = pd.bdate_range("2020-01-01", periods=4)
    returns = pd.DataFrame({"A": [0.01] * 4, "B": [0.02, 0.02, np.nan, np.nan]}, sessions)
    portfolios = pd.DataFrame({"A": [0.5, 0.5, 1.0], "B": [0.5, 0.5, 0.0]}, sessions[:3])
    found = portfolio_returns(returns, portfolios)
    assert found.iloc[0] == pytest.approx(0.5 * np.expm1(0.01) + 0.5 * np.expm1(0.02))
    assert np.isnan(found.iloc[1])
    assert found.iloc[2] == pytest.approx(np.expm1(0.01))


def test_portfolios_of_unknown_assets_or_kinds_are_refused(panel):
    portfolios = pd.DataFrame({"Z": [1.0]}, panel.sessions[:1])
    with pytest.raises(AssetMismatchError, match="holds Z"):
        portfolio_returns(panel.returns, portfolios)
    with pytest.raises(ParameterError, match="'simple' or 'log'"):
        portfolio_returns(panel.returns, portfolios.rename(columns={"Z": "A"}), "arithmetic")


def test_real_forecasters_and_risk_models_walk_as_they_forecast(panel):
    """The table's rows and the book's forecasts are those made at one session with nothing after it."""
    volatility = EWMAVolatility(decay=0.97)
    model = RiskModel(volatility=volatility, correlation=RollingCorrelation(window=60))
    start, end = panel.sessions[400], panel.sessions[404]
    table = forecast_table({"ewma": volatility}, panel, start, end, (5,))
    portfolio = portfolio_forecasts(model, panel, None, start, end, horizon=5)
    for session in panel.sessions[400:405]:
        known = panel.asof(session)
        np.testing.assert_allclose(table["ewma"][5].loc[session], volatility.predict(known, 5), rtol=1e-9)
        forecast = model.forecast(known, 5)
        alone = forecast.portfolio_volatility(dict.fromkeys(forecast.assets, 0.2))
        assert portfolio.predicted[session] == pytest.approx(alone, rel=1e-9)
