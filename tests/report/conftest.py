import dataclasses
import sys

import numpy as np
import pandas as pd
import pytest

from volplugin.data.panel import PricePanel
from volplugin.evaluation import PortfolioForecasts, portfolio_scorecard, volatility_scorecard
from volplugin.report import BacktestResult, Comparison, RunDetails, write_report

ASSETS = [f"S{i:02d}" for i in range(12)]


@pytest.fixture(autouse=True)
def no_figures():
    """Close the figures that pyplot shows, so that each test begins with none."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def perf_frame(seed, sessions, scale=1.0):
    """Return a zipline perf frame whose realised volatility is the forecast times `scale`."""
    random = np.random.default_rng(seed)
    sigma = 0.10 * np.exp(0.3 * np.sin(np.arange(len(sessions)) / 50))
    returns = sigma * scale / np.sqrt(252) * random.standard_normal(len(sessions))
    share = random.dirichlet(np.arange(1, 13), len(sessions))
    return pd.DataFrame(
        {
            "returns": returns,
            "predicted_vol": sigma,
            "predicted_vol_market": 0.8 * sigma,
            "predicted_vol_specific": 0.6 * sigma,
            "gross_leverage": 0.10 / sigma,
            "portfolio_value": 1000.0,
            "transactions": [[{"amount": -3, "price": 20.0}] if day % 21 == 5 else [] for day in range(len(sessions))],
            "risk_contributions": [dict(zip(ASSETS, row, strict=True)) for row in share * sigma[:, None]],
        },
        index=sessions.tz_localize("UTC") + pd.Timedelta(hours=21),
    )


def stormy(perf):
    """Move the frame to 2018-2020, and multiply the returns of the stress period of 2020 by four."""
    moved = perf.set_axis(pd.bdate_range("2018-06-01", periods=len(perf)))
    storm = moved.index.slice_indexer("2020-02-20", "2020-06-30")
    moved.iloc[storm, moved.columns.get_loc("returns")] *= 4
    return moved


def scored(perf, target=0.10):
    index = perf.index.tz_localize(None).normalize()
    sigma = perf["predicted_vol"].set_axis(index) / np.sqrt(252)
    return portfolio_scorecard(sigma, perf["returns"].set_axis(index), target)


@pytest.fixture(scope="session")
def result():
    """A complete result of 560 sessions: models, comparison, portfolios and average correlation."""
    sessions = pd.bdate_range("2010-01-04", periods=560)
    random = np.random.default_rng(1)
    shocks = 0.01 * (0.6 * random.standard_normal((560, 1)) + 0.8 * random.standard_normal((560, 12)))
    panel = PricePanel(close=pd.DataFrame(50 * np.exp(shocks.cumsum(axis=0)), sessions, ASSETS))
    squared = panel.returns**2
    forecasts = {
        (name, h): squared.ewm(halflife=halflife).mean().iloc[100:500] ** 0.5
        for name, halflife in {"LSTM": 60, "HAR": 30, "EWMA94": 11.2}.items()
        for h in (1, 21)
    }
    table = pd.concat(forecasts, axis=1, names=["model", "horizon", "asset"])
    perf, other = perf_frame(2, sessions), perf_frame(3, sessions, scale=1.3)
    portfolio = panel.returns.mean(axis=1).iloc[1:]
    risk = {"two-speed": 40, "EWMA94": 11.2}
    portfolios = {
        name: PortfolioForecasts((portfolio**2).ewm(halflife=h).mean().iloc[60:] ** 0.5, portfolio, 21)
        for name, h in risk.items()
    }
    return BacktestResult(
        details=RunDetails(
            strategy="vol_target",
            bundle="dow30",
            model="LSTM volatilities and EWMA correlation",
            frequency="monthly",
            parameters={"max_leverage": 1.5, "target": 0.10},
            vintages=[{"model": "LSTM", "trained_through": "2009-12-31"}],
            fingerprint="0123abcd",
        ),
        perf=perf,
        scorecard=scored(perf),
        target=0.10,
        volatility=volatility_scorecard(table, panel, calibrated_through="2010-06-30"),
        comparisons={"rolling correlation": Comparison(other, scored(other))},
        portfolios=portfolios,
        average_correlation=pd.Series(0.3 + 0.1 * np.sin(np.arange(27)), sessions[::-21][::-1]),
    )


@pytest.fixture(scope="session")
def storm(result):
    """The complete result moved to 2018 to 2020."""
    perf = stormy(result.perf)
    return dataclasses.replace(result, perf=perf, scorecard=scored(perf))


@pytest.fixture(scope="session")
def report(storm, tmp_path_factory):
    """The page of the complete result, with its plots."""
    return write_report(storm, tmp_path_factory.mktemp("out") / "new")


@pytest.fixture(scope="session")
def bare():
    """The minimal input of a report: 200 sessions of returns and predictions, no target."""
    perf = perf_frame(4, pd.bdate_range("2015-01-01", periods=200))[["returns", "predicted_vol"]]
    details = RunDetails(strategy="<b>mine</b>", bundle="own", model="EWMA")
    return BacktestResult(details, perf, scored(perf, None))
