"""Intervals of portfolio volatility: each source against simulation or the plain formula."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from volplugin import (
    CovarianceForecast,
    EWMACorrelation,
    HARVolatility,
    RiskModel,
    TwoSpeedCorrelation,
    VolatilityTarget,
    WalkForward,
    simulated_panel,
)
from volplugin.errors import InsufficientHistoryError, LookAheadError, ParameterError
from volplugin.risk.uncertainty import KURTOSIS_FACTOR, ForecastUncertainty, correlation_error

NAMES = ["A", "B", "C"]
SIGMA = np.array([0.01, 0.02, 0.015])
RHO = np.array([[1.0, 0.6, 0.2], [0.6, 1.0, -0.1], [0.2, -0.1, 1.0]])


def forecast(**uncertainty):
    known = {"uncertainty": ForecastUncertainty(**uncertainty)}
    return CovarianceForecast(
        pd.Timestamp("2020-01-31"), 21, pd.Series(SIGMA, NAMES), pd.DataFrame(RHO, NAMES, NAMES), known
    )


@pytest.mark.parametrize("weights", [[0.5, 0.3, 0.2], [0.7, -0.5, 0.3], [1.0, 0.0, 0.0]])
def test_the_error_of_the_correlation_is_the_simulated_one(weights):
    """The oracle: sample correlations of 400 Gaussian sessions, 4,000 times."""
    random, count, x = np.random.default_rng(1), 400, np.array(weights) * SIGMA
    root, logs = np.linalg.cholesky(RHO), []
    for _ in range(4000):
        rho = np.corrcoef((random.standard_normal((count, 3)) @ root.T).T)
        logs.append(np.log(x @ rho @ x) / 2)
    found = correlation_error(x, RHO, count) / np.sqrt(KURTOSIS_FACTOR)
    assert found == pytest.approx(np.std(logs), rel=0.05, abs=1e-8)


def test_the_kurtosis_factor_is_the_simulated_one_of_student_t():
    random, count = np.random.default_rng(2), 400
    x, root, logs = np.array([0.5, 0.3, 0.2]) * SIGMA, np.linalg.cholesky(RHO), []
    for _ in range(4000):
        scale = np.sqrt(8 / random.chisquare(8, (count, 1)))
        rho = np.corrcoef((random.standard_normal((count, 3)) @ root.T * scale).T)
        logs.append(np.log(x @ rho @ x) / 2)
    assert correlation_error(x, RHO, count) == pytest.approx(np.std(logs), rel=0.08)


def test_seeds_and_vintages_are_standard_deviations_of_log_volatility():
    seeds = pd.DataFrame([SIGMA * factor for factor in (0.9, 1.0, 1.2)], columns=NAMES)
    found = forecast(seeds=seeds, vintages=seeds.iloc[:2]).volatility_interval({"A": 0.5, "B": 0.5})
    logs = np.log([0.9, 1.0, 1.2])
    assert found.seeds == pytest.approx(logs.std(ddof=1) / np.sqrt(3))
    assert found.vintages == pytest.approx(logs[:2].std(ddof=1))
    assert found.correlation == 0
    assert found.upper == pytest.approx(found.volatility * np.exp(1.6448536 * np.hypot(found.seeds, found.vintages)))
    assert found.lower * found.upper == pytest.approx(found.volatility**2)
    others = seeds.assign(D=9.0)[["D", "C", "B", "A"]]  # of more assets, in another order
    assert forecast(seeds=others).volatility_interval({"A": 0.5, "B": 0.5}).seeds == found.seeds
    annual = forecast(seeds=seeds).volatility_interval({"A": 0.5, "B": 0.5}, periods=252)
    assert annual.volatility == pytest.approx(found.volatility * np.sqrt(252))


def test_a_forecast_by_hand_is_a_point_and_leverage_does_not_matter():
    point = forecast().volatility_interval({"A": 1.0})
    assert point.lower == point.volatility == point.upper
    one, two = (forecast(observations=100.0).volatility_interval({"A": w, "B": w}) for w in (0.5, 1.0))
    assert two.upper / two.volatility == pytest.approx(one.upper / one.volatility)
    with pytest.raises(ParameterError, match="level is 1"):
        point = forecast().volatility_interval({"A": 1.0}, level=1.0)


def test_the_realised_interval_multiplies_quantiles_of_past_ratios():
    sessions, random = pd.bdate_range("2010-01-01", periods=1400), np.random.default_rng(3)
    past = pd.DataFrame({"volatility": 0.01 * np.exp(0.2 * random.standard_normal(1400))}, sessions)
    past["returns"] = past["volatility"] * random.standard_t(5, 1400)
    f = CovarianceForecast(sessions[-1], 5, pd.Series(0.02, ["A"]), pd.DataFrame(1.0, ["A"], ["A"]))
    last = past.tail(1260)
    ratios = [
        np.sqrt((last["returns"].iloc[t : t + 5] ** 2).mean()) / last["volatility"].iloc[t] for t in range(1260 - 4)
    ]
    bounds = f.realized_interval({"A": 0.5}, past, level=0.8)
    windows, quantiles = 1256 / 10, np.log(np.quantile(ratios, [0.1, 0.5, 0.9]))
    wider = stats.t.ppf(0.9, windows - 1) / stats.norm.ppf(0.9) * np.sqrt(1 + 1 / windows)
    expected = np.exp(quantiles[1] + wider * (quantiles[[0, 2]] - quantiles[1]))
    np.testing.assert_allclose(bounds, 0.01 * expected)
    # A quarter's interval has 9.5 windows to go by, where 1,198 independent ones would give no more than quantiles.
    slow = replace(f, horizon=63).realized_interval({"A": 0.5}, past, level=0.8)
    squares = np.lib.stride_tricks.sliding_window_view(last["returns"].to_numpy() ** 2, 63).mean(axis=1)
    plain = 0.01 * np.quantile(np.sqrt(squares) / last["volatility"].to_numpy()[:1198], [0.1, 0.9])
    assert slow[0] < plain[0] < plain[1] < slow[1]
    with pytest.raises(InsufficientHistoryError, match="longer history"):
        f.realized_interval({"A": 0.5}, past.tail(499))
    with pytest.raises(ParameterError, match="level is 0"):
        f.realized_interval({"A": 0.5}, past, level=0.0)
    with pytest.raises(LookAheadError):
        f.realized_interval({"A": 0.5}, past.set_axis(sessions + pd.offsets.BDay(1)))


def test_two_speeds_have_fewer_observations_behind_the_average():
    estimator = TwoSpeedCorrelation(fast_halflife=7, trust=0.5)
    weights = 0.5 ** (np.arange(2000) / 7)
    fast = weights.sum() ** 2 / (weights**2).sum()
    assert estimator.average_observations(700.0) == pytest.approx(1 / (0.25 / fast + 0.25 / 700), rel=1e-6)
    assert estimator.average_observations(700.0, "structure") == 700
    weights = 0.5 ** (np.arange(2000) / 4)
    fast = weights.sum() ** 2 / (weights**2).sum()
    assert estimator.average_observations(700.0, "targeting") == pytest.approx(fast, rel=1e-6)


def test_a_model_fills_the_vintages_and_the_observations():
    panel = simulated_panel(3, "2010-01-04", "2015-03-31", seed=3)
    walk = WalkForward(HARVolatility()).train(panel, "2013-01-02", "2015-03-31", progress=False)
    found = RiskModel(walk, EWMACorrelation(60)).forecast(panel)
    known = found.diagnostics["uncertainty"]
    assert known.seeds.empty
    assert known.observations == pytest.approx(found.diagnostics["observations"])
    dates = walk.vintage_dates()[-3:]
    for row, date in zip(range(3), [dates[2], dates[0], dates[1]], strict=True):
        np.testing.assert_allclose(known.vintages.iloc[row], walk.vintage_at(date).predict(panel, 21), rtol=1e-9)
    interval = found.volatility_interval(dict.fromkeys(panel.assets, 1 / 3))
    assert 0 < interval.vintages < interval.correlation < 0.2


def test_the_interval_is_a_no_trade_band():
    seeds = pd.DataFrame([SIGMA * factor for factor in (0.8, 1.0, 1.25)], columns=NAMES)
    f, rule = forecast(seeds=seeds), VolatilityTarget(0.10, 9, band="interval", drift=0)
    portfolio = pd.Series({"A": 0.5, "B": 0.5})
    wanted = rule.scale(portfolio, f)
    interval = f.volatility_interval(portfolio)
    low, high = interval.volatility / interval.upper, interval.volatility / interval.lower
    assert high > 1.1
    for held, expected in ((0.99 * low, low), (low * 1.001, low * 1.001), (1.0, 1.0), (high * 1.2, high)):
        pd.testing.assert_series_equal(rule.scale(portfolio, f, current=held * wanted), expected * wanted)
    with pytest.raises(ParameterError, match="band is wide"):
        VolatilityTarget(0.10, band="wide")


def test_forecasts_that_have_no_risk_or_are_alone_spread_nothing():
    seeds = pd.DataFrame([SIGMA, SIGMA * 2], columns=NAMES)
    f = forecast(seeds=seeds, vintages=seeds.iloc[:1])
    assert forecast(observations=100.0).volatility_interval({}).correlation == 0.0
    found = f.volatility_interval({})
    assert (found.lower, found.upper, found.volatility, found.seeds) == (0.0, 0.0, 0.0, 0.0)
    assert f.volatility_interval({"A": 1.0}).vintages == 0.0
    still = forecast(seeds=seeds * np.array([[0.0], [1.0]]))  # only one of them has risk
    assert still.volatility_interval({"A": 1.0}).seeds == 0.0
    assert f.volatility_interval({"A": 1.0}).seeds == pytest.approx(np.log([1, 2]).std(ddof=1) / np.sqrt(2))
    # A seed without a forecast of an asset that is not held still counts.
    gap = seeds.assign(C=np.nan)
    assert forecast(seeds=gap).volatility_interval({"A": 1.0}).seeds == f.volatility_interval({"A": 1.0}).seeds


def test_equality_looks_at_every_part():
    seeds = pd.DataFrame([SIGMA], columns=NAMES)
    one = ForecastUncertainty(seeds, seeds, 9.0)
    assert one == ForecastUncertainty(seeds.copy(), seeds.copy(), 9.0)
    for other in (ForecastUncertainty(seeds * 2, seeds, 9.0), ForecastUncertainty(seeds, seeds * 2, 9.0), 3):
        assert one != other
    assert one != ForecastUncertainty(seeds, seeds, 8.0)
    assert ForecastUncertainty() == ForecastUncertainty()


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_levels_that_are_no_probability(level):
    with pytest.raises(ParameterError, match=f"^level is {level}; pass a probability between 0 and 1, such as 0.9$"):
        forecast().volatility_interval({"A": 1.0}, level=level)
