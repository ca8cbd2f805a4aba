import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from arch.bootstrap import MCS
from scipy import fft, stats

from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation import diebold_mariano, mincer_zarnowitz, model_confidence_set
from volplugin.evaluation.long_run import cosine_averages, long_run_mean


@pytest.fixture
def random():
    return np.random.default_rng(11)


@pytest.mark.parametrize(("horizon", "degrees"), [(1, 8), (5, 8), (21, 5)])
def test_diebold_mariano_equals_the_formula_written_out(random, horizon, degrees):
    n = 500
    gap = np.convolve(random.standard_normal(n + horizon), np.ones(horizon) / horizon)[:n] - 0.1
    other = pd.Series(random.standard_normal(n) ** 2)
    found = diebold_mariano(other + gap, other, horizon)
    time = (np.arange(n) + 0.5) / n
    averages = [np.sqrt(2 / n) * np.cos(np.pi * j * time) @ gap for j in range(1, degrees + 1)]
    plain = gap.mean() / np.sqrt(np.mean(np.square(averages)) / n)
    assert found.statistic == pytest.approx(plain, rel=1e-9)
    assert found.pvalue == pytest.approx(2 * stats.t.cdf(-abs(plain), degrees), rel=1e-9)
    assert (found.dof, found.sessions) == (degrees, n)


def test_cosine_averages_are_a_discrete_cosine_transform(random):
    values = random.standard_normal((300, 2))
    found = cosine_averages(values, 12)
    np.testing.assert_allclose(found, fft.dct(values, norm="ortho", axis=0)[1:13], rtol=1e-9)


def test_long_run_variance_is_near_a_newey_west_one_of_statsmodels(random):
    x = np.convolve(random.standard_normal(20_020), np.ones(21) / 21, mode="valid")
    found = long_run_mean(x, 1)
    hac = sm.OLS(x, np.ones(len(x))).fit(cov_type="HAC", cov_kwds={"maxlags": 200})
    assert found.error == pytest.approx(float(hac.bse[0]), rel=0.2)


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
    assert 0.025 < np.mean(np.array(pvalues) < 0.05) < 0.08


@pytest.mark.parametrize("rounding", [0.0, 1e-15])
def test_losses_that_differ_by_rounding_do_not_differ(random, rounding):
    loss = pd.Series(random.random(400))
    found = diebold_mariano(loss * (1 + rounding), loss, 5)
    assert (found.statistic, found.pvalue) == (0.0, 1.0)


def test_diebold_mariano_needs_four_horizons():
    with pytest.raises(InsufficientHistoryError, match="30 sessions are too few"):
        diebold_mariano(pd.Series(np.arange(30.0)), pd.Series(np.ones(30)), 21)


def test_an_infinite_loss_is_named(random):
    loss = pd.Series(random.random(300), pd.bdate_range("2020-01-01", periods=300))
    broken = loss.copy()
    broken.iloc[7] = np.inf
    with pytest.raises(ParameterError, match="loss is infinite at 2020-01-10"):
        diebold_mariano(broken, loss, 1)
    with pytest.raises(ParameterError, match="b is infinite"):
        model_confidence_set(pd.DataFrame({"a": loss, "b": broken}), 1)


def test_a_repeated_session_is_named(random):
    loss = pd.Series(random.random(50), pd.bdate_range("2020-01-01", periods=50))
    with pytest.raises(ParameterError, match="2020-01-01 twice"):
        diebold_mariano(pd.concat([loss, loss[:1]]), loss, 1)


def test_model_confidence_set_agrees_with_arch_on_independent_losses(random):
    noise = random.random((1500, 1))
    losses = noise + 0.3 * random.random((1500, 4)) + [0.02, 0.0, 0.004, 0.05]
    losses = pd.DataFrame(losses, columns=["bad", "good", "near", "worst"])
    found = model_confidence_set(losses, horizon=1, reps=4000)
    oracle = MCS(losses, size=0.1, reps=4000, block_size=1, method="R", seed=3)
    oracle.compute()
    expected = oracle.pvalues["Pvalue"]
    assert (found >= 0.10).to_dict() == (expected >= 0.10).to_dict()
    assert found["good"] == 1.0
    assert found["near"] == pytest.approx(expected["near"], abs=0.15)


def test_p_value_of_two_models_is_that_of_diebold_mariano(random):
    losses = pd.DataFrame(random.random((600, 2)) + [0.0, 0.03], columns=["one", "other"])
    found = model_confidence_set(losses, horizon=1, reps=20_000)
    alone = diebold_mariano(losses["other"], losses["one"], 1)
    assert found["other"] == pytest.approx(alone.pvalue, abs=0.01)


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


@pytest.mark.parametrize(("rows", "horizon"), [(1, 1), (3, 21), (11, 1), (83, 21)])
def test_a_confidence_set_of_a_few_sessions_is_refused(rows, horizon):
    losses = pd.DataFrame({"a": np.linspace(0.3, 0.4, rows), "b": np.linspace(0.5, 0.9, rows)})
    with pytest.raises(InsufficientHistoryError, match="too few"):
        model_confidence_set(losses, horizon)


def test_one_model_has_no_confidence_set():
    with pytest.raises(ParameterError, match="two models"):
        model_confidence_set(pd.DataFrame({"only": [1.0, 2.0]}), 1)


def test_mincer_zarnowitz_equals_statsmodels_on_the_unscaled_regression(random):
    f = pd.Series(1e-4 * np.exp(random.standard_normal(800)))
    y = f * random.standard_normal(800) ** 2 * 1.3 + 2e-5
    found = mincer_zarnowitz(y, f, horizon=1)
    design = np.column_stack([1 / f, np.ones(800)])
    fit = sm.OLS(y / f, design).fit()
    # The score test explains ones by the moments: n times an uncentred R squared.
    moments = design * (y / f - 1).to_numpy()[:, None]
    explained = sm.OLS(np.ones(800), moments).fit().rsquared * 800
    assert found.intercept == pytest.approx(fit.params.iloc[0], rel=1e-6)
    assert found.slope == pytest.approx(fit.params.iloc[1], rel=1e-6)
    assert found.statistic == pytest.approx(explained, rel=1e-5)
    assert found.pvalue == pytest.approx(stats.chi2.sf(explained, 2), rel=1e-4)


@pytest.mark.parametrize("horizon", [1, 5])
def test_a_constant_forecast_is_tested_for_its_level_alone(random, horizon):
    y = pd.Series(1e-4 * random.chisquare(1, 600))
    right, low = (mincer_zarnowitz(y, pd.Series(f, y.index), horizon) for f in (1e-4, 1e-5))
    assert (right.rank, low.rank) == (1, 1)
    assert np.isnan([right.intercept, right.slope]).all()
    assert low.pvalue < 0.01 < right.pvalue


def test_mincer_zarnowitz_accepts_the_truth_and_rejects_a_biased_forecast(random):
    f = pd.Series(1e-4 * np.exp(random.standard_normal(3000)))
    y = f * random.standard_normal(3000) ** 2
    assert mincer_zarnowitz(y, f, 1).pvalue > 0.05
    assert mincer_zarnowitz(y, f * 1.3, 1).pvalue < 0.001


def test_simulated_mincer_zarnowitz_p_value_is_the_share_of_larger_statistics():
    random = np.random.default_rng(8)
    f = pd.Series(1e-4 * np.exp(0.5 * random.standard_normal(300)))
    y = f * random.standard_t(6, 300) ** 2 * 4 / 6
    ratios = random.standard_t(6, (40, 300)) ** 2 * 4 / 6
    found = mincer_zarnowitz(y, f, 1, ratios)
    others = np.array([mincer_zarnowitz(f * ratio, f, 1).statistic for ratio in ratios])
    assert found.statistic == mincer_zarnowitz(y, f, 1).statistic
    assert found.pvalue == (others >= found.statistic).mean()
