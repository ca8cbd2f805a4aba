import numpy as np
import pandas as pd
import pytest

from volplugin.evaluation import (
    bias_statistic,
    calibration_summary,
    calibration_table,
    coverage,
    horizon_scores,
    level_test,
    mincer_zarnowitz,
    mrad,
    q_statistic,
    realized_variance,
    value_at_risk,
)


@pytest.fixture(scope="module")
def series():
    """Volatility forecasts of four series, right ones, and heavy-tailed returns; the last is listed late."""
    random = np.random.default_rng(8)
    sessions = pd.bdate_range("2010-01-01", periods=701)
    sigma = 0.01 * np.exp(0.4 * np.sin(np.arange(701) / 50))[:, None] * np.array([1.0, 1.3, 0.8, 1.0])
    # Each session's forecast is for the session after it.
    draws = random.standard_t(6, (700, 4)) * np.sqrt(4 / 6) * sigma[:-1]
    returns = pd.DataFrame(draws, sessions[1:], list("ABCD"))
    volatility = pd.DataFrame(sigma[:-1], sessions[:-1], list("ABCD"))
    volatility.loc[sessions[:660], "D"] = np.nan
    return volatility, returns


def test_one_session_ahead_every_number_is_that_of_its_own_function(series):
    volatility, returns = series
    found = calibration_table(volatility, returns, 1).loc["B"]
    sigma = volatility["B"].set_axis(returns.index)
    r = returns["B"]
    bias = bias_statistic(r / sigma)
    assert found["sessions"] == 700
    assert found[["bias", "bias_lower", "bias_upper"]].tolist() == pytest.approx([bias.value, bias.lower, bias.upper])
    assert found["mrad"] == pytest.approx(mrad(r / sigma, 21))
    assert found["q"] == pytest.approx(q_statistic(r, sigma))
    assert found["qlike"] == pytest.approx(q_statistic(r, sigma) - 1)
    fit = mincer_zarnowitz(r**2, sigma**2, 1)
    assert found["mz_pvalue"] == pytest.approx(fit.pvalue)
    assert found["mz_slope"] == pytest.approx(fit.slope)
    assert found["level_t"] == pytest.approx(level_test(r**2 / sigma**2, 1).statistic)
    for method in ("gaussian", "historical"):
        for tail in (0.01, 0.05):
            limit = value_at_risk(r, sigma, tail, method).dropna()
            expected = coverage(r[limit.index] < limit, tail)
            name = f"{method}_{tail:.0%}"
            assert found[f"exceeded_{name}"] == pytest.approx(expected.exceedances / expected.sessions)
            assert found[f"kupiec_{name}"] == pytest.approx(expected.kupiec_pvalue)
            assert found[f"christoffersen_{name}"] == pytest.approx(expected.christoffersen_pvalue)


def test_several_sessions_ahead_are_judged_over_the_standing_forecast(series):
    volatility, returns = series
    found = calibration_table(volatility.iloc[:-4], returns, 5).loc["A"]
    pooled = horizon_scores(volatility["A"], returns["A"], 5)
    assert found["bias"] == pytest.approx(pooled["bias_statistic"]["value"], rel=1e-12)
    assert found["qlike"] == pytest.approx(pooled["qlike"], rel=1e-12)
    y = realized_variance(returns["A"].reindex(volatility.index.union(returns.index)), 5).loc[volatility.index]
    assert found["mz_slope"] == pytest.approx(mincer_zarnowitz(y, volatility["A"] ** 2, 5).slope)
    assert not found.index.str.contains("kupiec|christoffersen|exceeded").any()


def test_a_series_too_short_has_no_verdict_and_no_say_in_the_summary(series):
    table = calibration_table(*series, 1)
    assert table.loc["D", "sessions"] == 40
    assert table.loc["D"].drop("sessions").isna().all()
    row = calibration_summary(table)
    assert row["series"] == 3
    assert row["bias"] == pytest.approx(table["bias"].median())


def test_summary_counts_the_series_that_reject(series):
    volatility, returns = series
    # Half the risk of A is missed; B and C are right.
    table = calibration_table(volatility.assign(A=volatility["A"] / 2), returns, 1)
    row = calibration_summary(table)
    evaluated = table.loc[list("ABC")]
    assert evaluated.loc["A", ["level_pvalue", "kupiec_gaussian_5%", "mz_pvalue"]].max() < 1e-4
    assert row["level"] == pytest.approx((evaluated["level_pvalue"] < 0.05).mean())
    assert row["mz"] == pytest.approx((evaluated["mz_pvalue"] < 0.05).mean())
    assert row["kupiec_gaussian_5%"] == pytest.approx((evaluated["kupiec_gaussian_5%"] < 0.05).mean())
    assert row["exceeded_gaussian_5%"] == pytest.approx(evaluated["exceeded_gaussian_5%"].mean())
    outside = ~evaluated["bias"].between(evaluated["bias_lower"], evaluated["bias_upper"])
    assert row["outside_band"] == pytest.approx(outside.mean())


def test_right_forecasts_are_rejected_about_as_often_as_the_tests_say():
    random = np.random.default_rng(9)
    sessions = pd.bdate_range("2000-01-03", periods=1501)
    # So large that the floor of squared returns plays no part in Q.
    sigma = pd.DataFrame(np.exp(random.standard_normal((1501, 60)) / 4), sessions).iloc[:-1]
    returns = pd.DataFrame(sigma.to_numpy() * random.standard_normal((1500, 60)), sessions[1:])
    row = calibration_summary(calibration_table(sigma, returns, 1))
    names = ["level", "mz", "outside_band", "kupiec_gaussian_1%", "kupiec_gaussian_5%", "christoffersen_gaussian_5%"]
    assert (row[names] < 0.15).all()
    assert row["mrad"] == pytest.approx(0.126, abs=0.003)
    assert row["q"] == pytest.approx(2.27, abs=0.03)
