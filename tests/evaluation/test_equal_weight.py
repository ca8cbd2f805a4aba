import numpy as np
import pandas as pd
import pytest

from volplugin import EWMAVolatility, RiskModel, RollingCorrelation
from volplugin.errors import InsufficientHistoryError
from volplugin.evaluation import equal_weight_portfolios, forecast_table, portfolio_forecasts


@pytest.fixture(scope="module")
def parts(panel):
    """Forecasts of two models, and the correlations of a risk model of the first."""
    first, last = panel.sessions[300], panel.sessions[320]
    volatility = EWMAVolatility(decay=0.97)
    model = RiskModel(volatility=volatility, correlation=RollingCorrelation(window=60))
    table = forecast_table({"own": volatility, "other": EWMAVolatility(0.9)}, panel, first, last, (5,))
    path = list(model.forecast_path(panel, panel.sessions[300:321], 5))
    return model, table, {forecast.asof: forecast.correlation for forecast in path}


def test_with_its_own_correlation_the_portfolio_is_that_of_the_risk_model(panel, parts):
    model, table, correlations = parts
    found = equal_weight_portfolios(table, correlations.items(), panel)[5]["own"]
    expected = portfolio_forecasts(model, panel, None, table.index[0], table.index[-1], 5)
    np.testing.assert_allclose(found.predicted, expected.predicted, rtol=1e-12)
    pd.testing.assert_series_equal(found.returns, expected.returns, rtol=1e-12)
    assert found.horizon == 5


def test_all_models_forecast_the_same_portfolio(panel, parts):
    _, table, correlations = parts
    holed = table.copy()
    holed.loc[holed.index[7:], ("other", 5, "C")] = np.nan
    found = equal_weight_portfolios(holed, correlations.items(), panel)[5]
    pd.testing.assert_series_equal(found["own"].returns, found["other"].returns)
    last = table.index[-1]
    rho = correlations[last].drop(index="C", columns="C").to_numpy()
    sigma = table["own"][5].loc[last].drop("C").to_numpy() / 4
    assert found["own"].predicted[last] == pytest.approx(np.sqrt(sigma @ rho @ sigma))
    earned = np.expm1(panel.returns.loc[panel.sessions[321]]).drop("C").mean()
    assert found["own"].returns[panel.sessions[321]] == pytest.approx(earned)


def test_origins_without_a_correlation_have_no_forecast(panel, parts):
    _, table, correlations = parts
    some = dict(list(correlations.items())[3:])
    found = equal_weight_portfolios(table, some.items(), panel)[5]["own"].predicted
    assert found.index.equals(table.index)
    assert found.isna().tolist() == [True] * 3 + [False] * 18


def test_no_origin_at_all_is_an_error(panel, parts):
    _, table, correlations = parts
    with pytest.raises(InsufficientHistoryError, match="horizon 5"):
        equal_weight_portfolios(table * np.nan, correlations.items(), panel)
