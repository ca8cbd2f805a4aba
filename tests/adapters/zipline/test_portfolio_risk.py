"""Risk of the portfolio held, beside the forecast that holds the same numbers."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from volplugin import CovarianceForecast
from volplugin.adapters.zipline.portfolio_risk import Holdings, portfolio_risks
from volplugin.risk.covariance_path import CovarianceArrays

NAMES = ["A", "B", "C"]


def test_market_part_is_the_exposure_of_the_forecast_s_factor():
    """With event variance, which is on the diagonal of Sigma alone."""
    sigma, correlated = np.array([0.01, 0.02, 0.03]), np.array([0.01, 0.016, 0.03])
    rho = np.array([[1.0, 0.3, 0.2], [0.3, 1.0, 0.5], [0.2, 0.5, 1.0]])
    arrays = CovarianceArrays(pd.Index(NAMES), sigma, correlated, rho)
    covariance = rho * np.outer(correlated, correlated) + np.diag(sigma**2 - correlated**2)
    whole = pd.DataFrame(covariance / np.outer(sigma, sigma), NAMES, NAMES)
    forecast = CovarianceForecast(pd.Timestamp("2015-06-30"), 1, pd.Series(sigma, NAMES), whole)
    for weights in ({"C": 0.5, "A": 0.7}, {"B": -0.5}):
        held = Holdings([SimpleNamespace(symbol=name) for name in weights], np.array(list(weights.values())))
        [risk] = portfolio_risks([arrays], held=[held], periods=252)
        table = forecast.factor_risk(weights, 0, periods=252)
        assert risk.predicted_vol == pytest.approx(forecast.portfolio_volatility(weights, 252), rel=1e-12)
        assert risk.predicted_vol_market == pytest.approx(table.loc["market", "exposure"], rel=1e-12)
        specific = np.sqrt(risk.predicted_vol**2 - risk.predicted_vol_market**2)
        assert specific == pytest.approx(table.loc["specific", "exposure"], rel=1e-9)
    assert portfolio_risks([arrays], held=[Holdings([], np.empty(0))], periods=252)[0].predicted_vol_market == 0
