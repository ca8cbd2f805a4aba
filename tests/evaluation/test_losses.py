import numpy as np
import pandas as pd
import pytest
from scipy import stats

from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation import log_likelihood, mse, proxy_scale, qlike, range_variance, realized_variance


def test_qlike_is_the_gaussian_deviance_per_observation():
    # Half the Gaussian deviance: log-likelihood at f = y less that at f.
    y, f = 3e-4, 2e-4
    deviance = (-0.5 * np.log(y) - 0.5) - (-0.5 * np.log(f) - 0.5 * y / f)
    assert qlike(y, f) == pytest.approx(2 * deviance, rel=1e-12)
    assert qlike(y, y) == pytest.approx(0, abs=1e-15)


def test_qlike_floors_the_outcome_and_keeps_missing_forecasts_missing():
    y = pd.Series([0.0, 1e-7, 1e-4])
    f = pd.Series([1e-4, 1e-4, np.nan])
    loss = qlike(y, f)
    assert loss[0] == loss[1] == pytest.approx(1e-3 - np.log(1e-3) - 1)
    assert np.isnan(loss[2])


@pytest.mark.parametrize("bad", [0.0, -1e-4])
def test_qlike_refuses_a_forecast_that_is_not_positive(bad):
    with pytest.raises(ParameterError, match="not positive"):
        qlike(pd.Series([1e-4, 1e-4]), pd.Series([1e-4, bad]))


def test_both_losses_are_least_at_the_conditional_mean():
    """A noisy proxy still ranks the truth first (Patton 2011)."""
    proxy = 2e-4 * np.random.default_rng(0).standard_normal(400_000) ** 2
    candidates = np.array([1.0, 1.6, 2.0, 2.4, 4.0]) * 1e-4
    for loss in (qlike, mse):
        means = [np.mean(loss(proxy, np.full_like(proxy, f))) for f in candidates]
        assert candidates[int(np.argmin(means))] == 2e-4


@pytest.mark.parametrize("horizon", [1, 5])
def test_log_likelihood_is_the_mean_density_of_the_returns_over_the_standing_forecast(panel, horizon):
    sigma = panel.returns["A"].ewm(halflife=20).std()
    found = log_likelihood(realized_variance(panel.returns["A"], horizon), sigma**2)
    for place in (100, 333):
        after = panel.returns["A"].iloc[place + 1 : place + 1 + horizon]
        expected = stats.norm.logpdf(after, scale=sigma.iloc[place]).mean()
        assert found.iloc[place] == pytest.approx(expected, rel=1e-12)


def test_log_likelihood_of_no_return_is_finite():
    assert log_likelihood(0.0, 1e-4) == pytest.approx(stats.norm.logpdf(0, scale=0.01))


def test_realized_variance_averages_the_sessions_after_the_origin():
    returns = pd.Series([0.5, 0.01, -0.02, 0.03, np.nan, 0.01, 0.02])
    found = realized_variance(returns, 2)
    assert found[0] == pytest.approx((0.01**2 + 0.02**2) / 2)
    assert found[1] == pytest.approx((0.02**2 + 0.03**2) / 2)
    assert found[4] == pytest.approx((0.01**2 + 0.02**2) / 2)
    assert found[[2, 3, 5, 6]].isna().all()


def test_realized_variance_of_the_past_does_not_move_with_the_far_future(panel):
    before = realized_variance(panel.returns, 5)
    poisoned = panel.returns.copy()
    poisoned.iloc[100:] *= 7
    pd.testing.assert_frame_equal(realized_variance(poisoned, 5).iloc[:95], before.iloc[:95], rtol=1e-12)


def test_horizon_below_one_is_refused(panel):
    with pytest.raises(ParameterError, match="horizon is 0"):
        realized_variance(panel.returns, 0)


def test_range_proxy_has_the_mean_of_squared_returns_on_its_calibration_span(panel):
    through = panel.sessions[299]
    scaled = (panel.variance * proxy_scale(panel, through)).iloc[1:300]
    squared = (panel.returns**2).iloc[1:300]
    np.testing.assert_allclose(scaled.mean(), squared.mean(), rtol=1e-12)
    np.testing.assert_allclose(range_variance(panel, 1, through).iloc[:299], scaled, rtol=1e-9)


def test_an_asset_too_young_for_a_scale_of_its_own_gets_the_pooled_one(panel):
    young = panel.assets[-1]
    close = {field: getattr(panel, field).copy() for field in ("open", "high", "low", "close")}
    for frame in close.values():
        frame.iloc[:200, -1] = np.nan
    thin = type(panel)(**close)
    through = panel.sessions[299]
    squared, proxy = thin.returns.loc[:through] ** 2, thin.variance.loc[:through]
    pooled = squared.sum().sum() / proxy.where(squared.notna()).sum().sum()
    assert proxy_scale(thin, through)[young] == pytest.approx(pooled, rel=1e-12)


def test_a_proxy_without_calibration_data_says_what_to_do(panel):
    with pytest.raises(InsufficientHistoryError, match="pass a later date"):
        range_variance(panel, 1, "1990-01-01")
