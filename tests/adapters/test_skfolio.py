"""Our forecasts inside the real skfolio: `make test-peers` runs these."""

import numpy as np
import pandas as pd
import pytest

from volplugin import EWMAVolatility, HARVolatility, RiskModel
from volplugin.correlation import EWMACorrelation, TwoSpeedCorrelation
from volplugin.data.panel import PricePanel
from volplugin.errors import AssetMismatchError, InsufficientHistoryError, LookAheadError, ParameterError
from volplugin.evaluation import CovariancePath, evaluate_covariance_forecasts

pytest.importorskip("skfolio", reason="skfolio is not installed; `make test-peers` runs these with it")

from skfolio import RiskMeasure
from skfolio.model_selection import online_covariance_forecast_evaluation
from skfolio.moments import EWMu
from skfolio.optimization import InverseVolatility, MeanRisk, RiskBudgeting
from skfolio.prior import EmpiricalPrior
from sklearn.base import clone

from volplugin.adapters.skfolio import ForecastCovariance, ForecastPrior

ASOF = "2010-06-30"


@pytest.fixture(scope="module")
def model():
    return RiskModel(EWMAVolatility(), EWMACorrelation(halflife=63))


@pytest.fixture(scope="module")
def returns(real):
    return np.expm1(real.returns.dropna())


@pytest.fixture(scope="module")
def past(returns):
    return returns.loc[:ASOF].tail(500)


@pytest.fixture(scope="module")
def sigma(model, real):
    return model.forecast(real.asof(ASOF), 21, "structure").covariance


# -- the estimator ---------------------------------------------------------------------------------


def test_the_covariance_is_our_forecast_from_the_last_date(model, real, past, sigma):
    fitted = ForecastCovariance(model, real).fit(past)
    np.testing.assert_allclose(fitted.covariance_, sigma, rtol=1e-12)
    assert fitted.forecast_.asof == past.index[-1]
    assert (fitted.forecast_.horizon, fitted.forecast_.diagnostics["view"]) == (21, "structure")
    assert list(fitted.feature_names_in_) == list(past.columns)


def test_assets_are_those_of_the_returns_in_their_order(model, real, past, sigma):
    names = ["PG", "AXP", "IBM"]
    fitted = ForecastCovariance(model, real).fit(past[names])
    np.testing.assert_allclose(fitted.covariance_, sigma.loc[names, names], rtol=1e-12)


def test_the_order_of_the_rows_does_not_matter(model, real, past, sigma):
    fitted = ForecastCovariance(model, real).fit(past.sample(frac=1, random_state=1))
    assert fitted.forecast_.asof == past.index[-1]
    np.testing.assert_array_equal(fitted.covariance_, ForecastCovariance(model, real).fit(past).covariance_)
    for rows in (past.index.insert(0, past.index[0]), past.index.insert(0, pd.NaT)):
        with pytest.raises(ParameterError, match="one row per session"):
            ForecastCovariance(model, real).fit(past.iloc[[0, *range(len(past))]].set_axis(rows))


def test_view_horizon_and_periods_are_passed_on(real, past):
    model = RiskModel(EWMAVolatility(), TwoSpeedCorrelation())
    weekly = ForecastCovariance(model, real, horizon=5, view="risk", periods=5).fit(past)
    daily = model.forecast(real.asof(ASOF), 5, "risk").covariance
    np.testing.assert_allclose(weekly.covariance_, 5 * daily, rtol=1e-12)
    assert np.abs(ForecastCovariance(model, real).fit(past).covariance_ - daily.to_numpy()).max() > 1e-6


def test_nothing_after_the_last_date_matters(model, real, past, sigma):
    fields = {field: getattr(real, field).copy() for field in ("open", "high", "low", "close")}
    for frame in fields.values():
        frame.loc[frame.index > ASOF] *= 3
    fitted = ForecastCovariance(model, PricePanel(**fields)).fit(past)
    np.testing.assert_array_equal(fitted.covariance_, ForecastCovariance(model, real).fit(past).covariance_)


def test_a_clone_shares_the_trained_model(real, past):
    model = RiskModel(HARVolatility(terms="market"), EWMACorrelation()).fit(real.asof("2009-12-31"))
    estimator = ForecastCovariance(model, real, horizon=5)
    copy = clone(estimator)
    assert copy.model is model
    assert copy.get_params() == estimator.get_params()
    np.testing.assert_array_equal(copy.fit(past).covariance_, estimator.fit(past).covariance_)


def test_an_asset_without_a_forecast_is_left_out_of_the_portfolios(model, returns, past, real):
    fields = {field: getattr(real, field).copy() for field in ("open", "high", "low", "close")}
    for frame in fields.values():
        frame.loc[:"2010-06-28", "V"] = np.nan
    fitted = ForecastCovariance(model, PricePanel(**fields)).fit(past)
    place = list(past.columns).index("V")
    assert np.isnan(fitted.covariance_[place]).all()
    assert np.isfinite(np.delete(np.diagonal(fitted.covariance_), place)).all()
    assert "V" in fitted.forecast_.diagnostics["excluded"]


def test_what_cannot_be_answered_is_a_named_error(model, real, past):
    estimator = ForecastCovariance(model, real)
    with pytest.raises(ParameterError, match="no dates"):
        estimator.fit(past.to_numpy())
    with pytest.raises(AssetMismatchError, match="ZZZ"):
        estimator.fit(past.rename(columns={"V": "ZZZ"}))
    with pytest.raises(LookAheadError, match="the panel ends on 2010-03-31"):
        ForecastCovariance(model, real.asof("2010-03-31")).fit(past)
    with pytest.raises(ParameterError, match="periods is 0"):
        ForecastCovariance(model, real, periods=0).fit(past)


# -- optimisers ------------------------------------------------------------------------------------


def test_minimum_variance_is_that_of_our_forecast(model, real, past, sigma):
    portfolio = MeanRisk(prior_estimator=EmpiricalPrior(covariance_estimator=ForecastCovariance(model, real)))
    w = pd.Series(portfolio.fit(past).weights_, past.columns)
    slope = sigma @ w
    assert w.sum() == pytest.approx(1)
    held = w > 1e-6
    np.testing.assert_allclose(slope[held], w @ slope, rtol=1e-4)
    assert (slope[~held] >= w @ slope * (1 - 1e-4)).all()


@pytest.mark.parametrize("prior", [EmpiricalPrior, ForecastPrior])
def test_risk_budgeting_spreads_our_forecast_risk_evenly(model, real, past, sigma, prior):
    portfolio = RiskBudgeting(
        risk_measure=RiskMeasure.VARIANCE, prior_estimator=prior(covariance_estimator=ForecastCovariance(model, real))
    )
    w = pd.Series(portfolio.fit(past).weights_, past.columns)
    np.testing.assert_allclose(w * (sigma @ w) / (w @ sigma @ w), 1 / len(w), rtol=1e-3)


def test_inverse_volatility_reads_our_volatilities(model, real, past, sigma):
    w = InverseVolatility(prior_estimator=ForecastPrior(ForecastCovariance(model, real))).fit(past).weights_
    inverse = 1 / np.sqrt(np.diagonal(sigma))
    np.testing.assert_allclose(w, inverse / inverse.sum(), rtol=1e-9)


# -- the prior -------------------------------------------------------------------------------------


def test_scenarios_have_the_forecast_covariance_and_the_estimated_mean(model, real, past, sigma):
    fitted = ForecastPrior(ForecastCovariance(model, real)).fit(past).return_distribution_
    np.testing.assert_allclose(fitted.covariance, sigma, rtol=1e-12)
    np.testing.assert_allclose(np.cov(fitted.returns.T), sigma, rtol=1e-9)
    np.testing.assert_allclose(fitted.returns.mean(axis=0), past.mean(), rtol=1e-9)
    assert fitted.returns.shape == past.shape


def test_a_tail_risk_portfolio_follows_the_forecast(model, real, past):
    settings = {"risk_measure": RiskMeasure.CVAR}
    ours, plain = (
        MeanRisk(prior_estimator=ForecastPrior(ForecastCovariance(model, real), recolour=recolour), **settings)
        .fit(past).weights_
        for recolour in (True, False)
    )  # fmt: skip
    assert ours.sum() == pytest.approx(1)
    assert np.abs(ours - plain).max() > 0.01


def test_scenarios_with_a_missing_return_are_left_out(model, real, past):
    holed = past.copy()
    holed.iloc[3, 2] = np.nan
    fitted = ForecastPrior(ForecastCovariance(model, real), mu_estimator=EWMu(), recolour=False).fit(holed)
    assert fitted.return_distribution_.returns.shape == (len(past) - 1, 8)
    np.testing.assert_allclose(fitted.return_distribution_.returns[3], past.iloc[4])


def test_too_few_scenarios_are_a_named_error(model, real, past):
    with pytest.raises(InsufficientHistoryError, match="8 complete rows"):
        ForecastPrior(ForecastCovariance(model, real)).fit(past.tail(8))


# -- its online evaluation -------------------------------------------------------------------------


def test_its_online_evaluation_walks_our_forecasts_and_agrees_with_our_judge(model, real, returns):
    """At a horizon of one session both define Mahalanobis calibration, bias and QLIKE alike."""
    within = returns.loc["2010-01-04":"2010-06-30"]
    weights = np.full(8, 1 / 8)
    theirs = online_covariance_forecast_evaluation(
        ForecastCovariance(model, real, horizon=1), within, warmup_size=20, test_size=1, portfolio_weights=weights
    )
    path = CovariancePath.collect(model.forecast_path(real, within.index[19:-1], 1, "structure"))
    ours = evaluate_covariance_forecasts({"ours": path}, real.asof("2010-06-30"), 1, random=2, reps=10).table.loc[
        "ours"
    ]
    assert len(theirs.observations) == len(path.origins)
    assert ours["mahalanobis", ""] == pytest.approx(theirs.mahalanobis_calibration_ratio.mean(), rel=1e-9)
    count = len(path.origins)
    assert ours["bias", "equal weight"] == pytest.approx(theirs.bias_statistic[0] * np.sqrt(1 - 1 / count), rel=1e-9)


def test_online_and_plain_fits_are_equal(model, real, past):
    online, plain = ForecastCovariance(model, real), ForecastCovariance(model, real)
    for end in range(490, 500):
        online.partial_fit(past.iloc[end - 1 : end])
    np.testing.assert_allclose(online.covariance_, plain.fit(past.iloc[:499]).covariance_, rtol=1e-9)
