"""Our judge of covariances against skfolio's own: `make test-peers` runs these."""

import numpy as np
import pandas as pd
import pytest

from volplugin.evaluation import CovariancePath, evaluate_covariance_forecasts
from volplugin.evaluation.covariance import evaluation_sample, outcomes
from volplugin.evaluation.covariance.test_portfolios import EQUAL, INVERSE, RANDOM_LONG, TestPortfolios

pytest.importorskip("skfolio", reason="skfolio is not installed; `make test-peers` runs these with it")

from skfolio.model_selection import online_covariance_forecast_evaluation
from skfolio.moments import EWCovariance

WARMUP, RANDOM = 120, 6


@pytest.fixture(scope="module")
def simple(panel):
    return np.expm1(panel.returns.iloc[1:])


@pytest.fixture(scope="module")
def path(simple):
    """What skfolio's estimator says at every session from the end of the warm-up on."""
    estimator, forecasts = EWCovariance(half_life=30), []
    estimator.partial_fit(simple.iloc[:WARMUP])
    for place in range(WARMUP, len(simple) + 1):
        sigma = pd.DataFrame(estimator.covariance_.copy(), simple.columns, simple.columns)
        forecasts.append((simple.index[place - 1], sigma))
        if place < len(simple):
            estimator.partial_fit(simple.iloc[place : place + 1])
    return CovariancePath.collect(forecasts)


@pytest.fixture(scope="module")
def portfolios():
    return TestPortfolios(5, RANDOM)


def weights_of(portfolios):
    """Weights of the fully invested books that do not depend on the forecast; skfolio knows no dollar-neutral ones."""
    fixed = np.isin(portfolios.families, [EQUAL, RANDOM_LONG])
    all_assets = np.ones((1, 5), dtype=bool)
    return portfolios.weights(np.eye(5)[None], all_assets)[0][fixed], fixed


def evaluated_by_skfolio(simple, horizon, weights, phase=0):
    return online_covariance_forecast_evaluation(
        EWCovariance(half_life=30), simple, warmup_size=WARMUP + phase,
        test_size=horizon, portfolio_weights=weights,
    )  # fmt: skip


def test_mahalanobis_and_bias_of_one_session_are_theirs(panel, simple, path, portfolios):
    weights, fixed = weights_of(portfolios)
    found = outcomes(path.matrices[:-1], evaluation_sample({"": path}, panel, 1), portfolios)
    theirs = evaluated_by_skfolio(simple, 1, weights)
    np.testing.assert_allclose(found.columns["distance"][:, 0], theirs.mahalanobis_calibration_ratio, rtol=1e-9)
    np.testing.assert_allclose(found.columns["score"][:, fixed], theirs.portfolio_standardized_return, rtol=1e-8)
    ours = evaluate_covariance_forecasts({"": path}, panel, 1, random=RANDOM, reps=10).table.iloc[0]
    summary = theirs.summary()
    assert ours["mahalanobis", ""] == pytest.approx(summary.loc["Mahalanobis ratio", "mean"], rel=1e-9)


def test_inverse_volatility_is_their_default_portfolio(panel, simple, path, portfolios):
    found = outcomes(path.matrices[:-1], evaluation_sample({"": path}, panel, 1), portfolios)
    theirs = evaluated_by_skfolio(simple, 1, None)
    np.testing.assert_allclose(
        found.columns["score"][:, portfolios.families == INVERSE], theirs.portfolio_standardized_return, rtol=1e-8
    )


@pytest.mark.parametrize("phase", [0, 3])
def test_qlike_of_a_phase_is_theirs_but_for_the_outcomes_own_part(panel, simple, path, portfolios, phase):
    """Theirs is ``ln(h f) + sum r^2 / (h f)``; ours takes off what no forecast can change, ``ln(h y) + 1``."""
    horizon = 5
    weights, fixed = weights_of(portfolios)
    theirs = evaluated_by_skfolio(simple, horizon, weights, phase)
    sample = evaluation_sample({"": path}, panel, horizon)
    found = outcomes(path.aligned(sample.origins, sample.assets), sample, portfolios)
    rows = slice(phase, None, horizon)
    realised = found.columns["return_squared"][rows][:, fixed]
    expected = theirs.portfolio_variance_qlike_loss - np.log(horizon * realised) - 1
    np.testing.assert_allclose(found.columns["qlike"][rows][:, fixed], expected, rtol=1e-7, atol=1e-9)


def test_log_likelihood_is_their_score(panel, simple, path):
    horizon = 5
    sample = evaluation_sample({"": path}, panel, horizon)
    found = outcomes(path.aligned(sample.origins, sample.assets), sample, TestPortfolios(5, 1))
    estimator = EWCovariance(half_life=30).fit(simple.iloc[:WARMUP])
    ahead = simple.iloc[WARMUP : WARMUP + horizon]
    assert found.columns["log_likelihood"][0, 0] == pytest.approx(estimator.score(ahead), rel=1e-9)
