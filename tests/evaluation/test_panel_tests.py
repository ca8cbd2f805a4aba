import numpy as np
import pandas as pd
import pytest
from scipy import stats

from volplugin.errors import InsufficientHistoryError
from volplugin.evaluation import hac_lags, level_test, mincer_zarnowitz, pooled_mincer_zarnowitz


@pytest.fixture(scope="module")
def market():
    """Forecasts of eight stocks over 600 sessions and outcomes with a common shock; some missing."""
    random = np.random.default_rng(3)
    f = pd.DataFrame(1e-4 * np.exp(random.standard_normal((600, 8))))
    shock = 0.8 * random.standard_normal((600, 1)) + 0.6 * random.standard_normal((600, 8))
    y = 1.2 * f * shock**2
    y.iloc[:100, 3] = np.nan
    y.iloc[300] = np.nan
    return y, f


def test_pooled_regression_equals_driscoll_and_kraay_written_out(market):
    y, f = market
    here = y.notna().to_numpy()
    time, lags = np.nonzero(here)[0], 10
    ratio, forecast = y.to_numpy()[here] / f.to_numpy()[here], f.to_numpy()[here]
    design = np.column_stack([1e-4 / forecast, np.ones(len(forecast))])
    beta = np.linalg.lstsq(design, ratio, rcond=None)[0]
    moments = np.zeros((600, 2))
    np.add.at(moments, time, design * (ratio - design @ beta)[:, None])
    meat = moments.T @ moments
    for lag in range(1, lags + 1):
        product = moments[lag:].T @ moments[:-lag]
        meat += (1 - lag / (lags + 1)) * (product + product.T)
    bread = np.linalg.inv(design.T @ design)
    gap = beta - [0, 1]
    wald = gap @ np.linalg.solve(bread @ meat @ bread, gap)
    found = pooled_mincer_zarnowitz(y, f, 5, lags=lags)
    assert found.intercept == pytest.approx(beta[0] * 1e-4, rel=1e-8)
    assert found.slope == pytest.approx(beta[1], rel=1e-8)
    assert found.statistic == pytest.approx(wald, rel=1e-8)
    assert found.pvalue == pytest.approx(stats.chi2.sf(wald, 2), rel=1e-6)
    assert found.sessions == 599


def test_copies_of_a_stock_are_no_further_evidence(market):
    y, f = (frame[[0]] for frame in market)
    alone = pooled_mincer_zarnowitz(y, f, 5)
    copies = pooled_mincer_zarnowitz(pd.concat([y] * 10, axis=1), pd.concat([f] * 10, axis=1), 5)
    assert copies.statistic == pytest.approx(alone.statistic, rel=1e-9)
    assert copies.slope == pytest.approx(alone.slope, rel=1e-9)


def test_one_stock_is_the_regression_of_a_series(market):
    y, f = (frame[0].drop(300) for frame in market)
    alone, pooled = mincer_zarnowitz(y, f, 5), pooled_mincer_zarnowitz(y.to_frame(), f.to_frame(), 5)
    assert pooled.intercept == pytest.approx(alone.intercept, rel=1e-8)
    # But for the small-sample factor n / (n - 2) of the series' covariance.
    assert pooled.statistic * 597 / 599 == pytest.approx(alone.statistic, rel=1e-8)


def test_pooled_regression_accepts_the_truth_and_rejects_a_biased_forecast():
    random = np.random.default_rng(4)
    f = pd.DataFrame(1e-4 * np.exp(random.standard_normal((2500, 10))))
    y = f * (0.7 * random.standard_normal((2500, 1)) + np.sqrt(0.51) * random.standard_normal((2500, 10))) ** 2
    assert pooled_mincer_zarnowitz(y, f, 1).pvalue > 0.05
    assert pooled_mincer_zarnowitz(y, f * 1.3, 1).pvalue < 0.001


@pytest.mark.parametrize("horizon", [1, 21])
def test_level_test_is_the_t_of_a_mean_with_newey_west_errors(horizon):
    x = pd.Series(np.random.default_rng(5).chisquare(1, 400)).rolling(horizon).mean()
    x[7] = np.nan
    known = x.dropna().to_numpy()
    n, lags = len(known), hac_lags(horizon, len(known))
    gap = known - known.mean()
    variance = gap @ gap / n
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * (gap[lag:] @ gap[:-lag]) / n
    found = level_test(x, horizon)
    expected = (known.mean() - 1) / np.sqrt(variance / (n - 1))
    assert found.statistic == pytest.approx(expected, rel=1e-9)
    assert found.pvalue == pytest.approx(2 * stats.t.sf(abs(expected), n - 1), rel=1e-9)
    assert (found.ratio, found.sessions) == (pytest.approx(known.mean()), n)


@pytest.mark.parametrize(("horizon", "sessions", "lags"), [(1, 2800, 9), (1, 100, 4), (5, 500, 10), (21, 2800, 42)])
def test_lags_are_twice_the_horizon_or_by_the_rule(horizon, sessions, lags):
    assert hac_lags(horizon, sessions) == lags


def test_too_few_sessions_are_an_error(market):
    y, f = (frame.iloc[:40] for frame in market)
    with pytest.raises(InsufficientHistoryError, match="40 sessions are too few"):
        pooled_mincer_zarnowitz(y, f, 21)
    with pytest.raises(InsufficientHistoryError, match="40 sessions are too few"):
        level_test(y[0] / f[0], 21)
