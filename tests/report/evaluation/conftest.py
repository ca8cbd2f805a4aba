"""Two evaluations: one of five models with components, portfolio and stress period, and a minimal one."""

import numpy as np
import pandas as pd
import pytest

from volplugin import PricePanel
from volplugin.evaluation import PortfolioForecasts, equal_weight_portfolios, evaluate_volatility_forecasts

MODELS = {"LSTM": 40, "HAR": 25, "GJR": 15, "EWMA94": 11, "rolling60": 90}
PARTS = {"LSTM seed 0": 35, "LSTM seed 1": 55, "LSTM ensemble": 42}


def paths(panel, halflives, horizons=(1, 5)):
    squared = panel.returns**2
    columns = {
        (name, h): squared.ewm(halflife=halflife).mean().iloc[150:530] ** 0.5
        for name, halflife in halflives.items()
        for h in horizons
    }
    return pd.concat(columns, axis=1, names=["model", "horizon", "asset"])


@pytest.fixture(scope="session")
def panel():
    random = np.random.default_rng(1)
    sessions = pd.bdate_range("2010-06-01", periods=560)
    level = np.exp(0.5 * np.sin(np.arange(560) / 40))[:, None]
    shocks = 0.012 * level * (0.6 * random.standard_normal((560, 1)) + 0.8 * random.standard_normal((560, 6)))
    return PricePanel(close=pd.DataFrame(50 * np.exp(shocks.cumsum(axis=0)), sessions, list("ABCDEF")))


@pytest.fixture(scope="session")
def evaluation(panel):
    forecasts = paths(panel, MODELS)
    rho = panel.returns.corr()
    return evaluate_volatility_forecasts(
        forecasts,
        panel,
        components=paths(panel, PARTS),
        parents=dict.fromkeys(PARTS, "LSTM"),
        portfolios=equal_weight_portfolios(forecasts, ((origin, rho) for origin in forecasts.index), panel),
        calibrated_through="2010-12-31",
    )


@pytest.fixture(scope="session")
def bare_evaluation(panel):
    """Return an evaluation of one model, without benchmark, portfolio and components, on 55 origins."""
    return evaluate_volatility_forecasts(
        paths(panel, {"mine": 20}, (5,)).iloc[:55], panel, calibrated_through="2010-12-31"
    )


@pytest.fixture(scope="session")
def portfolios(panel):
    portfolio = panel.returns.mean(axis=1).iloc[1:]
    return {"EWMA94": PortfolioForecasts((portfolio**2).ewm(halflife=11).mean().iloc[60:] ** 0.5, portfolio, 21)}
