import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from volplugin import CovarianceForecast
from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation import (
    acerbi_szekely,
    coverage,
    diebold_mariano,
    dynamic_quantile,
    expected_shortfall,
    fissler_ziegel,
    tail_limits,
    value_at_risk,
)
from volplugin.evaluation.bands import student_returns
from volplugin.evaluation.constants import measured_size
from volplugin.evaluation.tail_limits import simulate_tails


@pytest.fixture
def random():
    return np.random.default_rng(11)


@pytest.fixture
def tails(random):
    """Student-t returns of a moving volatility, with the right limits at 5%."""
    sessions = pd.bdate_range("2010-01-01", periods=2500)
    sigma = pd.Series(0.01 * np.exp(0.3 * np.sin(np.arange(2500) / 60)), sessions)
    returns = sigma * random.standard_t(6, 2500) * np.sqrt(4 / 6)
    limit = value_at_risk(returns, sigma, 0.05, "student")
    return returns, sigma, limit, expected_shortfall(returns, sigma, 0.05, "student")


def test_kupiec_equals_the_binomial_likelihood_ratio_and_its_exact_law():
    exceeded = pd.Series(np.arange(1000) % 50 == 0)  # 20 of 1000, never in a row
    found = coverage(exceeded, 0.01)
    ratio = 2 * (stats.binom.logpmf(20, 1000, 0.02) - stats.binom.logpmf(20, 1000, 0.01))
    assert (found.exceedances, found.expected) == (20, 10)
    assert found.kupiec_statistic == pytest.approx(ratio, rel=1e-9)
    k = np.arange(1001)
    ratios = 2 * (stats.binom.logpmf(k, 1000, k / 1000) - stats.binom.logpmf(k, 1000, 0.01))
    law = stats.binom.pmf(k, 1000, 0.01)
    assert found.kupiec_pvalue == pytest.approx(law[ratios > ratio + 1e-9].sum() + 0.5 * law[20], rel=1e-9)


def test_christoffersen_equals_the_g_test_of_the_transition_table(random):
    exceeded = pd.Series(random.random(2000) < np.where(np.arange(2000) % 400 < 80, 0.2, 0.01))
    found = coverage(exceeded, 0.05)
    table = pd.crosstab(exceeded[:-1].to_numpy(), exceeded[1:].to_numpy())
    oracle = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    assert found.independence_statistic == pytest.approx(oracle.statistic, rel=1e-9)
    assert found.independence_pvalue < 0.001
    assert found.christoffersen_statistic == pytest.approx(found.kupiec_statistic + oracle.statistic)
    assert found.christoffersen_pvalue < 0.001


def test_simulated_p_values_are_near_chi_square_ones_with_many_exceedances(random):
    found = coverage(random.random(5000) < 0.21, 0.2)
    assert found.independence_pvalue == pytest.approx(stats.chi2.sf(found.independence_statistic, 1), abs=0.03)
    assert found.christoffersen_pvalue == pytest.approx(stats.chi2.sf(found.christoffersen_statistic, 2), abs=0.03)


@pytest.mark.parametrize("hits", [0, 300])
def test_coverage_is_finite_where_nothing_or_everything_is_exceeded(hits):
    found = coverage(pd.Series([True] * hits + [False] * (300 - hits)), 0.05)
    assert np.isfinite([found.kupiec_statistic, found.independence_statistic]).all()
    assert found.kupiec_pvalue < 0.001


def test_missing_sessions_are_not_exceedances():
    found = coverage(np.r_[np.full(250, np.nan), np.zeros(245), np.ones(5)], 0.02)
    assert (found.exceedances, found.sessions) == (5, 250)


@pytest.mark.parametrize("exceeded", [np.array(["True", "False"] * 50), np.full(100, 0.3), ["no"] * 90])
def test_exceedances_that_are_not_boolean_are_refused(exceeded):
    with pytest.raises(ParameterError, match="booleans"):
        coverage(exceeded, 0.05)


@pytest.mark.parametrize("level", [99, 1.5, 0.5, 0.0, -0.1, float("nan")])
def test_levels_that_are_no_tail_probability_are_refused(level, tails):
    with pytest.raises(ParameterError, match="tail probability"):
        coverage(np.arange(500) % 20 == 0, level)
    with pytest.raises(ParameterError, match="tail probability"):
        dynamic_quantile(tails[0], tails[2], level)


def test_gaussian_limit_is_undercut_as_often_as_it_says(random):
    sigma = pd.Series(0.01 * np.exp(random.standard_normal(50_000) / 3))
    returns = sigma * random.standard_normal(50_000)
    limit = value_at_risk(returns, sigma, 0.05)
    assert (returns < limit).mean() == pytest.approx(0.05, abs=0.003)
    beyond = returns < limit
    assert returns[beyond].mean() == pytest.approx(expected_shortfall(returns, sigma, 0.05)[beyond].mean(), rel=0.02)


def test_historical_limits_use_the_last_1260_earlier_sessions_alone(random):
    sigma = pd.Series(np.full(1700, 0.01))
    returns = pd.Series(0.01 * random.standard_t(4, 1700))
    z = (returns / sigma).to_numpy()
    limit = value_at_risk(returns, sigma, 0.05, "historical")
    shortfall = expected_shortfall(returns, sigma, 0.05, "historical")
    assert limit[:250].isna().all()
    assert shortfall[:250].isna().all()
    for row, first in ((250, 0), (900, 0), (1600, 340)):
        window = z[first:row]
        quantile = np.quantile(window, 0.05)
        assert limit[row] == pytest.approx(0.01 * quantile, rel=1e-12)
        expected = quantile - np.maximum(quantile - window, 0).mean() / 0.05
        assert shortfall[row] == pytest.approx(0.01 * expected, rel=1e-12)
    later = returns.copy()
    later[1000:] = 5.0
    for tail in (value_at_risk, expected_shortfall):
        now = tail(later, sigma, 0.05, "historical")[:1001]
        pd.testing.assert_series_equal(now, tail(returns, sigma, 0.05, "historical")[:1001])


def test_historical_shortfall_leaves_missing_sessions_out(random):
    returns = pd.Series(0.01 * random.standard_normal(1700))
    returns[::7] = np.nan
    sigma = pd.Series(0.01, returns.index)
    window = (returns / sigma)[1600 - 1260 : 1600].dropna()
    quantile = np.quantile(window, 0.01)
    expected = 0.01 * (quantile - np.maximum(quantile - window, 0).mean() / 0.01)
    assert expected_shortfall(returns, sigma, 0.01, "historical")[1600] == pytest.approx(expected)


def test_limits_of_many_series_are_those_of_each(random):
    returns = pd.DataFrame(random.standard_normal((700, 3)))
    returns.iloc[5:50, 1] = np.nan
    sigma = pd.DataFrame(np.exp(random.standard_normal((700, 3)) / 3))
    for method in ("gaussian", "student", "historical"):
        together = value_at_risk(returns, sigma, 0.05, method)
        for name in returns:
            alone = value_at_risk(returns[name], sigma[name], 0.05, method)
            pd.testing.assert_series_equal(together[name], alone, rtol=1e-12)


@pytest.mark.parametrize(("level", "method"), [(0.7, "gaussian"), (0.05, "cauchy")])
def test_unknown_limits_are_refused(level, method):
    with pytest.raises(ParameterError):
        value_at_risk(pd.Series([0.0]), pd.Series([0.01]), level, method)


def test_dynamic_quantile_statistic_equals_the_regression_of_statsmodels(tails):
    returns, _, limit, _ = tails
    hit = (returns < limit).astype(float).to_numpy() - 0.05
    lags = [hit[4 - lag : len(hit) - lag] for lag in range(1, 5)]
    design = np.column_stack([np.ones(len(hit) - 4), *lags, limit.to_numpy()[4:]])
    fitted = sm.OLS(hit[4:], design).fit().fittedvalues
    assert dynamic_quantile(returns, limit, 0.05).statistic == pytest.approx(fitted @ fitted / (0.05 * 0.95), rel=1e-6)


def test_dynamic_quantile_rejects_exceedances_that_cluster(tails):
    returns, sigma, limit, _ = tails
    assert dynamic_quantile(returns, limit, 0.05).pvalue > 0.02
    flat = pd.Series(returns.quantile(0.05), limit.index)
    clustered = returns.where(returns.index.year % 2 == 0, 2 * returns)
    assert dynamic_quantile(clustered, flat, 0.05).pvalue < 0.01


def test_acerbi_szekely_statistic_is_z2_and_its_hypothesis_is_not_rejected(tails):
    returns, _, limit, shortfall = tails
    found = acerbi_szekely(returns, limit, shortfall, 0.05)
    z2 = sum(returns[t] / (2500 * 0.05 * -shortfall[t]) for t in returns.index if returns[t] < limit[t]) + 1
    assert found.statistic == pytest.approx(z2, rel=1e-9)
    assert found.pvalue > 0.05
    assert found.ratio == pytest.approx(1.0, abs=0.1)


def test_simulated_p_values_are_those_of_simulations_written_out(tails):
    """One simulated sample at a time, with other random numbers: p-values of 300 have an error of at most 0.03."""
    returns, _, limit, shortfall = (series[:400] for series in tails)
    random, expected = np.random.default_rng(77), 0.05 * 400
    losses = (returns / shortfall)[returns < limit].to_numpy()
    z2 = np.array(
        [1 - random.choice(losses / losses.mean(), random.binomial(400, 0.05)).sum() / expected for _ in range(2000)]
    )
    below = np.mean(z2 < 1 - losses.sum() / expected)
    found = acerbi_szekely(returns, limit, shortfall, 0.05)
    assert found.pvalue == pytest.approx(2 * min(below, 1 - below), abs=0.06)

    def statistic(hit):
        centred = hit - 0.05
        lags = [centred[4 - lag : 400 - lag] for lag in range(1, 5)]
        design = np.column_stack([np.ones(396), limit.to_numpy()[4:], *lags])
        fitted = design @ np.linalg.lstsq(design, centred[4:])[0]
        return fitted @ fitted / (0.05 * 0.95)

    drawn = [statistic(random.random(400) < 0.05) for _ in range(1000)]
    share = np.mean(np.array(drawn) > statistic((returns < limit).to_numpy()))
    assert dynamic_quantile(returns, limit, 0.05).pvalue == pytest.approx(share, abs=0.06)


def test_acerbi_szekely_rejects_a_gaussian_shortfall_of_fat_tails(tails):
    returns, sigma, _, _ = tails
    limits = [tail(returns, sigma, 0.01) for tail in (value_at_risk, expected_shortfall)]
    found = acerbi_szekely(returns, *limits, 0.01)
    assert found.statistic < -0.2
    assert found.pvalue < 0.05 < found.ratio


def test_shortfalls_of_the_wrong_sign_are_refused(tails):
    returns, _, limit, shortfall = tails
    with pytest.raises(ParameterError, match="change their signs"):
        acerbi_szekely(returns, -limit, -shortfall, 0.05)
    with pytest.raises(ParameterError, match="change their signs"):
        fissler_ziegel(returns, limit, -shortfall, 0.05)


def test_fissler_ziegel_loss_is_smallest_at_the_true_pair(random):
    returns = pd.Series(random.standard_normal(400_000))
    quantile, tail = stats.norm.ppf(0.05), -stats.norm.pdf(stats.norm.ppf(0.05)) / 0.05

    def mean_loss(v, e):
        return fissler_ziegel(returns, pd.Series(v, returns.index), pd.Series(e, returns.index), 0.05).mean()

    right = mean_loss(quantile, tail)
    for v, e in ((1.1, 1.0), (0.9, 1.0), (1.0, 1.15), (1.0, 0.9)):
        assert mean_loss(v * quantile, e * tail) > right


def test_fissler_ziegel_loss_written_out_and_compared_by_diebold_mariano(tails):
    returns, sigma, limit, shortfall = tails
    loss = fissler_ziegel(returns, limit, shortfall, 0.05)
    r, v, e = returns.iloc[9], limit.iloc[9], shortfall.iloc[9]
    assert loss.iloc[9] == pytest.approx(-max(v - r, 0) / (0.05 * e) + v / e + np.log(-e) - 1)
    worse = fissler_ziegel(returns, 1.4 * limit, 1.4 * shortfall, 0.05)
    assert diebold_mariano(loss, worse, 1).statistic < -2


def test_tests_of_a_few_sessions_are_refused(tails):
    returns, _, limit, shortfall = (one.iloc[:30] for one in tails)
    with pytest.raises(InsufficientHistoryError, match="pass 63"):
        dynamic_quantile(returns, limit, 0.05)
    with pytest.raises(InsufficientHistoryError):
        acerbi_szekely(returns[:1], limit[:1], shortfall[:1], 0.05)


def test_limits_of_a_run_are_the_forecasts_of_each_close(random):
    """The oracle: `CovarianceForecast` with the sessions before it as history."""
    sessions = pd.bdate_range("2015-01-01", periods=560)
    sigma = pd.Series(0.01 * np.exp(0.2 * random.standard_normal(560)), sessions)
    returns = sigma * random.standard_t(5, 560)
    sigma.iloc[[7, 30]] = [np.nan, 0.0]
    limits = tail_limits(returns, sigma, 0.025)
    past = pd.DataFrame({"returns": returns, "volatility": sigma})
    for place in (3, 499, 501, 502, 503, 559):
        forecast = CovarianceForecast(
            sessions[place - 1], 1, pd.Series(sigma.iloc[place], ["A"]), pd.DataFrame(1.0, ["A"], ["A"])
        )
        history = past.iloc[:place]
        history = history[history["volatility"] > 0]
        expected = [
            measure({"A": 1.0}, 0.975, history=history)
            for measure in (forecast.value_at_risk, forecast.expected_shortfall)
        ]
        found = limits.iloc[place]
        np.testing.assert_allclose(-found[["value_at_risk", "expected_shortfall"]].astype(float), expected, rtol=1e-9)
        assert found["method"] == ("student" if len(history) < 500 else "historical")
    assert limits.iloc[7].isna().all()
    assert (limits.iloc[30, :2] == 0).all()


def test_simulated_limits_are_those_of_a_run():
    """The oracle: `tail_limits` on the simulated returns, at the sessions at which the limits change."""
    sigma = 0.01 * np.exp(0.3 * np.sin(np.arange(540) / 9))
    z = student_returns(np.random.default_rng(2), (2, 540), 6.0).astype(np.float32)
    places = [0, 77, 499, 500, 521]
    for level, found in simulate_tails(sigma, (0.01, 0.05), 6.0, reps=2).items():
        for row in range(2):
            returns = pd.Series(z[row] * sigma)
            limits = tail_limits(returns, pd.Series(sigma), level)
            np.testing.assert_allclose(
                found.limit.at(row, np.array(places)), limits["value_at_risk"][places], rtol=1e-5
            )
            assert (found.exceeded[row] == (returns < found.limit.at(row, np.arange(540)))).all()
            early = np.flatnonzero(found.exceeded[row, :501])
            losses = (returns / limits["expected_shortfall"])[early]
            np.testing.assert_allclose(found.losses[row, early], losses, rtol=1e-5)
            assert (found.losses[row] > 0).sum() == found.exceeded[row].sum()


def test_exceedances_of_historical_limits_vary_less_than_binomial_ones():
    found = simulate_tails(np.ones(1000), (0.05,), 6.0, reps=200)[0.05].exceeded.sum(axis=1)
    assert found.mean() == pytest.approx(50, abs=2)
    assert found.var() < 0.6 * 1000 * 0.05 * 0.95
    many = np.arange(1000) % 15 == 0  # 67 of 1,000
    simulated = simulate_tails(np.ones(1000), (0.05,), 6.0, reps=200)[0.05].exceeded
    assert coverage(many, 0.05, simulated).kupiec_pvalue < coverage(many, 0.05).kupiec_pvalue


def test_later_returns_do_not_reach_the_limits_of_a_run(random):
    sessions = pd.bdate_range("2015-01-01", periods=700)
    sigma = pd.Series(0.01, sessions)
    returns = sigma * random.standard_normal(700)
    other = returns.copy()
    other.iloc[600:] *= 9
    pd.testing.assert_frame_equal(
        tail_limits(returns, sigma, 0.01).iloc[:601], tail_limits(other, sigma, 0.01).iloc[:601], check_exact=True
    )


def test_the_sizes_beside_p_values_are_those_of_the_documented_tables():
    """Of each test at 5%, sessions ahead and tail: the size furthest from 5%, where it is outside 3.5% to 6.5%."""
    page = (Path(__file__).parents[2] / "docs/evaluation.md").read_text()
    cell = r"([\d.]+)"
    rows = re.findall(rf"^\| (.+?)(?:, {cell}%)? \| (\d+) \| (.+?) \| {cell} \| [^|]* \| {cell} \|", page, re.M)
    sizes = defaultdict(list)
    for test, tail, ahead, forecasts, *percents in rows:
        if forecasts == "right" or forecasts.startswith("equal"):
            sizes[test, float(tail) / 100 if tail else int(ahead)] += [float(one) / 100 for one in percents]
    assert len(sizes) > 25
    for (test, key), found in sizes.items():
        if not test.startswith("model confidence"):
            worst = max(found, key=lambda size: abs(size - 0.05))
            outside = not 0.035 <= worst <= 0.065
            assert measured_size(test, key) == pytest.approx(worst if outside else 0.05, abs=0.001), (test, key)
    for test, tail, share, error in re.findall(rf"^\| (.+ scorecards), {cell}% \| {cell}% \| {cell}% \|", page, re.M):
        size = measured_size(test, float(tail) / 100)
        assert size in (0.05, pytest.approx(1 - float(share) / 100, abs=0.001)), (test, tail, error)
