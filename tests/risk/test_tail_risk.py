from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from volplugin import CovarianceForecast
from volplugin.errors import InsufficientHistoryError, LookAheadError, ParameterError
from volplugin.risk.tail_risk import loss_quantile, loss_shortfall

WEIGHTS = {"A": 0.6, "B": 0.5}


@pytest.fixture
def forecast():
    names = ["A", "B"]
    rho = pd.DataFrame([[1.0, 0.3], [0.3, 1.0]], names, names)
    return CovarianceForecast(pd.Timestamp("2020-01-31"), 21, pd.Series([0.01, 0.02], names), rho)


@pytest.fixture
def history():
    sessions = pd.bdate_range(end="2020-01-31", periods=1500)
    random = np.random.default_rng(2)
    sigma = 0.01 * np.exp(0.2 * random.standard_normal(1500))
    return pd.DataFrame({"returns": sigma * random.standard_t(5, 1500), "volatility": sigma}, sessions)


@pytest.mark.parametrize("level", [0.95, 0.975, 0.99])
@pytest.mark.parametrize(("method", "law"), [("gaussian", stats.norm()), ("student", stats.t(6, scale=np.sqrt(4 / 6)))])
def test_quantile_and_shortfall_are_the_integrals_of_the_law(level, method, law):
    assert law.std() == pytest.approx(1.0)
    quantile = loss_quantile(level, method)
    assert quantile == pytest.approx(law.ppf(level))
    mean = integrate.quad(lambda x: x * law.pdf(x), quantile, np.inf)[0] / (1 - level)
    assert loss_shortfall(level, method) == pytest.approx(mean, rel=1e-6)


def test_historical_tails_are_those_of_the_last_1260_standardized_returns(forecast, history):
    losses = -(history["returns"] / history["volatility"]).to_numpy()[-1260:]
    sigma = forecast.portfolio_volatility(WEIGHTS)
    found = forecast.value_at_risk(WEIGHTS, 0.99, history=history)
    assert found == pytest.approx(sigma * np.quantile(losses, 0.99))
    shortfall = forecast.expected_shortfall(WEIGHTS, 0.99, history=history)
    assert shortfall == pytest.approx(sigma * losses[losses > np.quantile(losses, 0.99)].mean(), rel=0.05)


@pytest.mark.parametrize("sessions", [None, 499])
def test_without_enough_history_the_law_is_student_t(forecast, history, sessions):
    given = None if sessions is None else history.tail(sessions)
    sigma = forecast.portfolio_volatility(WEIGHTS)
    found = forecast.expected_shortfall(WEIGHTS, 0.975, history=given)
    assert found == pytest.approx(sigma * loss_shortfall(0.975, "student"))


def test_several_sessions_grow_with_the_square_root_and_lose_their_fat_tails(forecast, history):
    one, many = (forecast.value_at_risk(WEIGHTS, 0.99, horizon=h, method="gaussian") for h in (1, 16))
    assert many == pytest.approx(4 * one)
    fat = forecast.value_at_risk(WEIGHTS, 0.99, horizon=16, method="student")
    assert many < fat < 4 * forecast.value_at_risk(WEIGHTS, 0.99, method="student")
    z = (history["returns"] / history["volatility"]).tail(1260)
    expected = np.quantile(-z.rolling(5).sum().dropna(), 0.99) * forecast.portfolio_volatility(WEIGHTS)
    assert forecast.value_at_risk(WEIGHTS, 0.99, horizon=5, history=history) == pytest.approx(expected)


def test_student_t_of_a_sum_has_the_kurtosis_of_simulated_sums():
    sums = np.random.default_rng(3).standard_t(9, (400_000, 5)).sum(axis=1) * np.sqrt(7 / 9)
    assert loss_quantile(0.99, "student", horizon=5, dof=9) == pytest.approx(np.quantile(sums, 0.99), rel=0.02)


def test_the_law_of_a_sum_without_kurtosis_is_the_law_of_one_session():
    for dof in (3.0, 4.0):
        assert loss_quantile(0.99, horizon=5, dof=dof) == pytest.approx(np.sqrt(5) * loss_quantile(0.99, dof=dof))


def test_an_interval_needs_two_horizons_of_history(forecast, history):
    year = replace(forecast, horizon=252)
    lower, upper = year.realized_interval(WEIGHTS, history.tail(504))
    assert 0 < lower < upper
    with pytest.raises(InsufficientHistoryError, match="over 252 sessions needs 504 sessions of history, not 503"):
        year.realized_interval(WEIGHTS, history.tail(503))


def test_an_interval_of_annual_volatility(forecast, history):
    daily = forecast.realized_interval(WEIGHTS, history)
    assert forecast.realized_interval(WEIGHTS, history, periods=252) == pytest.approx(np.sqrt(252) * np.array(daily))


def test_a_history_beyond_asof_is_refused(forecast, history):
    late = history.set_axis([*history.index[:-1], pd.Timestamp("2020-02-03")])
    with pytest.raises(LookAheadError, match="^the history reaches 2020-02-03, after 2020-01-31; cut it there$"):
        forecast.value_at_risk(WEIGHTS, history=late)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda h: h[["returns"]], "no column 'volatility'"),
        (lambda h: h.assign(volatility=0.0), "positive volatility"),
        (lambda h: pd.concat([h, h.tail(1)]), "not in order"),
        (lambda h: h.iloc[::-1], "not in order"),
    ],
)
def test_a_history_that_cannot_be_used_is_named(forecast, history, spoil, message):
    with pytest.raises(ParameterError, match=message):
        forecast.expected_shortfall(WEIGHTS, history=spoil(history))


@pytest.mark.parametrize("level", [0.01, 0.5, 1.0, 99, float("nan")])
def test_levels_that_are_no_confidence_are_refused(forecast, level):
    with pytest.raises(ParameterError, match="confidence between"):
        forecast.value_at_risk(WEIGHTS, level)


def test_history_that_is_asked_for_must_be_there(forecast, history):
    with pytest.raises(InsufficientHistoryError, match="500 standardised returns, not 0"):
        forecast.value_at_risk(WEIGHTS, method="historical")
    with pytest.raises(ParameterError, match="method is 'cauchy'"):
        forecast.value_at_risk(WEIGHTS, method="cauchy")


def test_degrees_of_freedom_are_passed_on(forecast):
    sigma = forecast.portfolio_volatility(WEIGHTS)
    for dof in (3.0, 4.0, 9.0):
        law = stats.t(dof, scale=np.sqrt((dof - 2) / dof))
        assert forecast.value_at_risk(WEIGHTS, 0.95, dof=dof) == pytest.approx(sigma * law.ppf(0.95))
        mean = law.expect(lb=law.ppf(0.95)) / 0.05
        assert forecast.expected_shortfall(WEIGHTS, 0.95, dof=dof) == pytest.approx(sigma * mean, rel=1e-6)
    assert forecast.value_at_risk(WEIGHTS) == pytest.approx(sigma * loss_quantile(0.99, "student"))
    assert forecast.expected_shortfall(WEIGHTS) == pytest.approx(sigma * loss_shortfall(0.975, "student"))
    assert loss_quantile(0.99, horizon=4, dof=5) == pytest.approx(2 * np.sqrt(6 / 8) * stats.t(8).ppf(0.99))
    assert loss_shortfall(0.99, "gaussian", horizon=4) == pytest.approx(2 * loss_shortfall(0.99, "gaussian"))


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"level": 0.5}, "level is 0.5; pass a confidence between 0.5 and 1, such as 0.99"),
        ({"level": 1.0}, "level is 1.0; pass a confidence between 0.5 and 1, such as 0.99"),
        ({"method": "cauchy"}, "method is 'cauchy'; choose 'gaussian', 'student' or 'historical'"),
        ({"horizon": 0}, "horizon is 0; pass a whole number of sessions, 1 or more"),
        ({"dof": 2.0}, "dof is 2.0; pass degrees of freedom above 2, or method='gaussian'"),
    ],
)
def test_impossible_settings_are_named(settings, complaint):
    for tail in (loss_quantile, loss_shortfall):
        with pytest.raises(ParameterError, match=f"^{complaint}$"):
            tail(**{"level": 0.99} | settings)


def test_historical_tails_of_many_sessions_need_as_many_returns(forecast):
    z = np.random.default_rng(1).standard_normal(600)
    message = "^historical tails need 601 standardised returns, not 600; pass a longer history or method='student'$"
    with pytest.raises(InsufficientHistoryError, match=message):
        loss_quantile(0.99, "historical", horizon=601, standardized=z)
    assert loss_quantile(0.99, "historical", horizon=600, standardized=z) == pytest.approx(-z.sum())
    known = np.quantile(-z[:500], 0.98)
    beyond = known + np.maximum(-z[:500] - known, 0).mean() / 0.02
    assert loss_shortfall(0.98, "historical", standardized=z[:500]) == pytest.approx(beyond)


def test_a_missing_or_infinite_value_of_the_history(forecast, history):
    gap = history.copy()
    gap.iloc[3, 0] = np.nan
    assert forecast.value_at_risk(WEIGHTS, history=gap) == forecast.value_at_risk(WEIGHTS, history=history)
    gap.iloc[-3, 0] = np.inf
    message = f"^the history of {gap.index[-3].date()} is not finite with a positive volatility$"
    with pytest.raises(ParameterError, match=message):
        forecast.value_at_risk(WEIGHTS, history=gap)
