import numpy as np
import pandas as pd
import pytest
from scipy import stats

from volplugin.errors import InsufficientHistoryError
from volplugin.evaluation import combine_pvalues, level_test, mincer_zarnowitz, pooled_mincer_zarnowitz


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


def test_pooled_regression_equals_the_score_test_written_out(market):
    y, f = market
    here = y.notna().to_numpy()
    ratio, forecast = y.to_numpy()[here] / f.to_numpy()[here], f.to_numpy()[here]
    design = np.column_stack([1e-4 / forecast, np.ones(len(forecast))])
    beta = np.linalg.lstsq(design, ratio, rcond=None)[0]
    moments = np.zeros((600, 2))
    np.add.at(moments, np.nonzero(here)[0], design * (ratio - 1)[:, None])
    statistics = []
    for phase in range(5):
        own = moments[phase::5]
        total = own.sum(axis=0)
        statistics.append(total @ np.linalg.solve(own.T @ own, total))
    found = pooled_mincer_zarnowitz(y, f, 5)
    assert found.intercept == pytest.approx(beta[0] * 1e-4, rel=1e-8)
    assert found.slope == pytest.approx(beta[1], rel=1e-8)
    assert found.statistic == pytest.approx(np.median(statistics), rel=1e-8)
    assert found.pvalue == pytest.approx(combine_pvalues(stats.chi2.sf(statistics, 2)), rel=1e-8)
    assert (found.sessions, found.rank) == (599, 2)


def test_copies_of_a_stock_are_no_further_evidence(market):
    y, f = (frame[[0]] for frame in market)
    alone = pooled_mincer_zarnowitz(y, f, 5)
    many = [pd.concat([frame] * 10, axis=1, ignore_index=True) for frame in (y, f)]
    copies = pooled_mincer_zarnowitz(*many, 5)
    assert copies.statistic == pytest.approx(alone.statistic, rel=1e-9)
    assert copies.slope == pytest.approx(alone.slope, rel=1e-9)


def test_one_stock_is_the_regression_of_a_series(market):
    y, f = (frame[0].drop(300) for frame in market)
    alone, pooled = mincer_zarnowitz(y, f, 5), pooled_mincer_zarnowitz(y.to_frame(), f.to_frame(), 5)
    assert pooled.intercept == pytest.approx(alone.intercept, rel=1e-8)
    assert pooled.slope == pytest.approx(alone.slope, rel=1e-8)


def test_pooled_regression_accepts_the_truth_and_rejects_a_biased_forecast():
    random = np.random.default_rng(4)
    f = pd.DataFrame(1e-4 * np.exp(random.standard_normal((2500, 10))))
    y = f * (0.7 * random.standard_normal((2500, 1)) + np.sqrt(0.51) * random.standard_normal((2500, 10))) ** 2
    assert pooled_mincer_zarnowitz(y, f, 1).pvalue > 0.05
    assert pooled_mincer_zarnowitz(y, f * 1.3, 1).pvalue < 0.001


@pytest.mark.parametrize("horizon", [1, 21])
def test_level_test_is_the_t_of_a_log_mean_with_cosine_errors(horizon):
    x = pd.Series(np.random.default_rng(5).chisquare(1, 400)).rolling(horizon).mean()
    x[7] = np.nan
    known = x.dropna().to_numpy()
    degrees = {1: 8, 21: 4}[horizon]
    time = (np.arange(len(known)) + 0.5) / len(known)
    averages = [np.sqrt(2 / len(known)) * np.cos(np.pi * j * time) @ known for j in range(1, degrees + 1)]
    error = np.sqrt(np.mean(np.square(averages)) / len(known))
    found = level_test(x, horizon)
    expected = np.log(known.mean()) * known.mean() / error
    assert found.statistic == pytest.approx(expected, rel=1e-9)
    assert found.pvalue == pytest.approx(2 * stats.t.sf(abs(expected), degrees), rel=1e-9)
    assert (found.ratio, found.sessions) == (pytest.approx(known.mean()), len(known))


def test_the_band_of_the_bias_rejects_where_the_level_test_does():
    random = np.random.default_rng(6)
    for scale in (0.85, 1.0, 1.15):
        ratio = pd.Series(scale * random.chisquare(1, 500))
        found = level_test(ratio, 1)
        inside = found.lower <= np.sqrt(found.ratio) <= found.upper
        assert inside == (found.pvalue >= 0.05)


def test_too_few_sessions_are_an_error(market):
    y, f = (frame.iloc[:40] for frame in market)
    with pytest.raises(InsufficientHistoryError, match="40 sessions are too few"):
        pooled_mincer_zarnowitz(y, f, 21)
    with pytest.raises(InsufficientHistoryError, match="40 sessions are too few"):
        level_test(y[0] / f[0], 21)
