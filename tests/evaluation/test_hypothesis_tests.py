import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from arch.bootstrap import MCS
from scipy import stats

from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation import coverage, diebold_mariano, mincer_zarnowitz, model_confidence_set, value_at_risk


@pytest.fixture
def random():
    return np.random.default_rng(11)


def newey_west(x, lags):
    """Long-run variance with Bartlett weights, written out."""
    x = x - x.mean()
    n = len(x)
    total = x @ x / n
    for lag in range(1, lags + 1):
        total += 2 * (1 - lag / (lags + 1)) * (x[lag:] @ x[:-lag]) / n
    return total


@pytest.mark.parametrize("horizon", [1, 5, 21])
def test_diebold_mariano_equals_the_formula_written_out(random, horizon):
    n = 500
    gap = np.convolve(random.standard_normal(n + horizon), np.ones(horizon) / horizon)[:n] - 0.1
    other = pd.Series(random.standard_normal(n) ** 2)
    found = diebold_mariano(other + gap, other, horizon)
    lags = {1: 6, 5: 10, 21: 42}[horizon]
    plain = gap.mean() / np.sqrt(newey_west(gap, lags) / n)
    small = np.sqrt((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n)
    assert found.statistic == pytest.approx(plain * small, rel=1e-9)
    assert found.pvalue == pytest.approx(2 * stats.t.cdf(-abs(plain * small), n - 1), rel=1e-9)
    assert (found.lags, found.sessions) == (lags, n)


def test_diebold_mariano_is_antisymmetric_and_ignores_incomplete_sessions(random):
    a, b = pd.Series(random.random(200)), pd.Series(random.random(200))
    a[3], b[7] = np.nan, np.nan
    assert diebold_mariano(a, b, 1).statistic == pytest.approx(-diebold_mariano(b, a, 1).statistic)
    assert diebold_mariano(a, b, 1).sessions == 198
    assert diebold_mariano(a, a, 1).statistic == 0


def test_diebold_mariano_rejects_about_as_often_as_it_says(random):
    pvalues = [
        diebold_mariano(pd.Series(random.standard_normal(250)), pd.Series(np.zeros(250)), 5).pvalue for _ in range(400)
    ]
    assert 0.02 < np.mean(np.array(pvalues) < 0.05) < 0.12


@pytest.mark.parametrize("rounding", [0.0, 1e-15])
def test_losses_that_differ_by_rounding_do_not_differ(random, rounding):
    loss = pd.Series(random.random(400))
    found = diebold_mariano(loss * (1 + rounding), loss, 5)
    assert (found.statistic, found.pvalue) == (0.0, 1.0)


def test_diebold_mariano_needs_more_sessions_than_lags():
    with pytest.raises(InsufficientHistoryError, match="too few for 42 lags"):
        diebold_mariano(pd.Series(np.arange(30.0)), pd.Series(np.ones(30)), 21)


def test_model_confidence_set_is_that_of_arch_with_names_in_place(random):
    noise = random.random((400, 1))
    losses = pd.DataFrame(noise + random.random((400, 3)) + [0.5, 0.0, 0.01], columns=["bad", "good", "near"])
    found = model_confidence_set(losses, horizon=5, reps=300, seed=3)
    oracle = MCS(losses, size=0.1, reps=300, block_size=10, method="R", seed=3)
    oracle.compute()
    assert found.to_dict() == pytest.approx(oracle.pvalues["Pvalue"].to_dict())
    assert found["bad"] < 0.10 <= min(found["good"], found["near"])


def test_models_that_lose_the_same_share_a_place_in_the_confidence_set(random):
    better = random.random(400)
    worse = better + random.random(400) + 0.5
    alone = model_confidence_set(pd.DataFrame({"good": better, "bad": worse}), horizon=5)
    losses = pd.DataFrame({"good": better, "bad": worse, "again": better * (1 + 1e-15)})
    found = model_confidence_set(losses, horizon=5)
    assert found.to_dict() == {**alone.to_dict(), "again": alone["good"]}
    assert model_confidence_set(losses[["good", "again"]], horizon=5).tolist() == [1.0, 1.0]


def test_a_confidence_set_without_a_session_in_common_is_refused():
    with pytest.raises(InsufficientHistoryError, match="no session"):
        model_confidence_set(pd.DataFrame({"a": [1.0, np.nan], "b": [np.nan, 1.0]}), 1)


def test_one_model_has_no_confidence_set():
    with pytest.raises(ParameterError, match="two models"):
        model_confidence_set(pd.DataFrame({"only": [1.0, 2.0]}), 1)


def test_mincer_zarnowitz_equals_statsmodels_on_the_unscaled_regression(random):
    f = pd.Series(1e-4 * np.exp(random.standard_normal(800)))
    y = f * random.standard_normal(800) ** 2 * 1.3 + 2e-5
    found = mincer_zarnowitz(y, f, horizon=5)
    design = np.column_stack([1 / f, np.ones(800)])
    fit = sm.OLS(y / f, design).fit(cov_type="HAC", cov_kwds={"maxlags": 10, "use_correction": True})
    gap = fit.params.to_numpy() - [0, 1]
    wald = gap @ np.linalg.solve(np.asarray(fit.cov_params()), gap)
    assert found.intercept == pytest.approx(fit.params.iloc[0], rel=1e-6)
    assert found.slope == pytest.approx(fit.params.iloc[1], rel=1e-6)
    assert found.statistic == pytest.approx(wald, rel=1e-5)
    assert found.pvalue == pytest.approx(stats.chi2.sf(wald, 2), rel=1e-4)


def test_mincer_zarnowitz_accepts_the_truth_and_rejects_a_biased_forecast(random):
    f = pd.Series(1e-4 * np.exp(random.standard_normal(3000)))
    y = f * random.standard_normal(3000) ** 2
    assert mincer_zarnowitz(y, f, 1).pvalue > 0.05
    assert mincer_zarnowitz(y, f * 1.3, 1).pvalue < 0.001


def test_kupiec_equals_the_binomial_likelihood_ratio():
    exceeded = pd.Series(np.arange(1000) % 50 == 0)  # 20 of 1000, never in a row
    found = coverage(exceeded, 0.01)
    ratio = 2 * (stats.binom.logpmf(20, 1000, 0.02) - stats.binom.logpmf(20, 1000, 0.01))
    assert (found.exceedances, found.expected) == (20, 10)
    assert found.kupiec_statistic == pytest.approx(ratio, rel=1e-9)
    assert found.kupiec_pvalue == pytest.approx(stats.chi2.sf(ratio, 1))


def test_christoffersen_equals_the_g_test_of_the_transition_table(random):
    exceeded = pd.Series(random.random(2000) < np.where(np.arange(2000) % 400 < 80, 0.2, 0.01))
    found = coverage(exceeded, 0.05)
    table = pd.crosstab(exceeded[:-1].to_numpy(), exceeded[1:].to_numpy())
    oracle = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    assert found.independence_statistic == pytest.approx(oracle.statistic, rel=1e-9)
    assert found.independence_pvalue == pytest.approx(oracle.pvalue, rel=1e-9)
    assert found.christoffersen_statistic == pytest.approx(found.kupiec_statistic + oracle.statistic)
    assert found.christoffersen_pvalue < 1e-4


@pytest.mark.parametrize("hits", [0, 300])
def test_coverage_is_finite_where_nothing_or_everything_is_exceeded(hits):
    found = coverage(pd.Series([True] * hits + [False] * (300 - hits)), 0.05)
    assert np.isfinite([found.kupiec_statistic, found.independence_statistic]).all()
    assert found.kupiec_pvalue < 0.001


def test_gaussian_limit_is_undercut_as_often_as_it_says(random):
    sigma = pd.Series(0.01 * np.exp(random.standard_normal(50_000) / 3))
    returns = sigma * random.standard_normal(50_000)
    limit = value_at_risk(returns, sigma, 0.05)
    assert (returns < limit).mean() == pytest.approx(0.05, abs=0.003)


def test_historical_limit_uses_earlier_sessions_alone(random):
    sigma = pd.Series(np.full(400, 0.01))
    returns = pd.Series(0.01 * random.standard_t(4, 400))
    limit = value_at_risk(returns, sigma, 0.05, "historical", minimum=250)
    assert limit[:250].isna().all()
    expected = 0.01 * np.quantile(returns[:300] / 0.01, 0.05)
    assert limit[300] == pytest.approx(expected, rel=1e-12)


def test_limits_of_many_series_are_those_of_each(random):
    returns = pd.DataFrame(random.standard_normal((400, 3)))
    returns.iloc[5:50, 1] = np.nan
    sigma = pd.DataFrame(np.exp(random.standard_normal((400, 3)) / 3))
    for method in ("gaussian", "historical"):
        together = value_at_risk(returns, sigma, 0.05, method)
        for name in returns:
            alone = value_at_risk(returns[name], sigma[name], 0.05, method)
            pd.testing.assert_series_equal(together[name], alone, rtol=1e-12)


@pytest.mark.parametrize(("level", "method"), [(0.7, "gaussian"), (0.05, "cauchy")])
def test_unknown_limits_are_refused(level, method):
    with pytest.raises(ParameterError):
        value_at_risk(pd.Series([0.0]), pd.Series([0.01]), level, method)
