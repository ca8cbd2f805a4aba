import numpy as np
import pandas as pd
import pytest

from volplugin.errors import ParameterError
from volplugin.evaluation.covariance.test_portfolios import (
    FAMILIES,
    TestPortfolios,
    equal_weights,
    inverse_volatilities,
    long_only_minimum_variances,
    minimum_variances,
    risk_parities,
)
from volplugin.portfolio.allocation import inverse_volatility, minimum_variance, risk_parity
from volplugin.risk.covariance import CovarianceForecast

ORIGINS, ASSETS = 40, 12


@pytest.fixture(scope="module")
def covariances():
    """Daily covariances of assets with a common factor of changing strength."""
    random = np.random.default_rng(3)
    loadings = random.standard_normal((ORIGINS, ASSETS, 3)) + [2.0, 0.0, 0.0]
    rho = loadings @ loadings.transpose(0, 2, 1) + np.eye(ASSETS) * random.uniform(0.2, 3, (ORIGINS, 1, 1))
    scale = np.exp(0.4 * random.standard_normal((ORIGINS, ASSETS))) / 100
    unit = scale / np.sqrt(np.diagonal(rho, axis1=1, axis2=2))
    return rho * unit[:, :, None] * unit[:, None, :]


@pytest.fixture(scope="module")
def here():
    """Some assets take no part at some origins."""
    return np.random.default_rng(4).random((ORIGINS, ASSETS)) < 0.8


def filled(covariances, here):
    both = here[:, :, None] & here[:, None, :]
    return np.where(both, covariances, 0.0) + np.eye(ASSETS) * ~here[:, :, None]


def forecast(covariance):
    sigma = np.sqrt(np.diagonal(covariance))
    rho = covariance / np.outer(sigma, sigma)
    np.fill_diagonal(rho, 1.0)
    names = pd.Index([f"A{i}" for i in range(len(sigma))])
    return CovarianceForecast(
        pd.Timestamp("2020-01-02"), 21, pd.Series(sigma, names), pd.DataFrame((rho + rho.T) / 2, names, names)
    )


@pytest.mark.parametrize(
    ("many", "one"),
    [
        (inverse_volatilities, inverse_volatility),
        (minimum_variances, lambda f: minimum_variance(f, long_only=False)),
        (long_only_minimum_variances, minimum_variance),
        (risk_parities, risk_parity),
    ],
)
def test_many_origins_at_once_are_each_what_the_allocation_says(covariances, here, many, one):
    weights = many(filled(covariances, here), here)
    assert (weights[~here] == 0).all()
    for origin in range(ORIGINS):
        own = np.flatnonzero(here[origin])
        alone = one(forecast(covariances[origin][np.ix_(own, own)]))
        np.testing.assert_allclose(weights[origin, own], alone, rtol=0, atol=2e-6)


def test_equal_weights_are_over_those_that_take_part(here):
    weights = equal_weights(here)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert weights[0, here[0]] == pytest.approx(1 / here[0].sum())


def test_long_only_least_variance_meets_the_optimality_conditions(covariances):
    all_assets = np.ones((ORIGINS, ASSETS), dtype=bool)
    w = long_only_minimum_variances(covariances, all_assets)
    slope = np.einsum("tij,tj->ti", covariances, w)
    least = np.einsum("ti,ti->t", slope, w)[:, None]
    assert (w >= 0).all()
    assert (w == 0).any()
    np.testing.assert_allclose(np.where(w > 0, slope / least, 1.0), 1.0, rtol=1e-9)
    assert (slope >= least * (1 - 1e-9)).all()


def test_two_assets_have_known_portfolios():
    sigma, rho = np.array([0.01, 0.03]), 0.4
    covariance = np.outer(sigma, sigma) * np.array([[1, rho], [rho, 1]])
    both = np.ones((1, 2), dtype=bool)
    cross = rho * sigma[0] * sigma[1]
    first = (sigma[1] ** 2 - cross) / (sigma[0] ** 2 + sigma[1] ** 2 - 2 * cross)
    np.testing.assert_allclose(minimum_variances(covariance[None], both)[0], [first, 1 - first])
    # The first asset is better than any mix: rho > sigma_1 / sigma_2.
    np.testing.assert_allclose(long_only_minimum_variances(covariance[None], both)[0], [1.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(risk_parities(covariance[None], both)[0], [0.75, 0.25])


def test_random_portfolios_are_drawn_once_and_cut_to_those_that_take_part(covariances, here):
    portfolios = TestPortfolios(ASSETS, random=20, seed=5)
    weights = portfolios.weights(filled(covariances, here), here)
    assert weights.shape == (ORIGINS, 5 + 40, ASSETS)
    assert list(portfolios.families.unique()) == list(FAMILIES)
    assert (weights.transpose(0, 2, 1)[~here] == 0).all()
    long, short = weights[:, portfolios.families == FAMILIES[5]], weights[:, portfolios.families == FAMILIES[6]]
    np.testing.assert_allclose(long.sum(axis=2), 1)
    assert (long >= 0).all()
    np.testing.assert_allclose(short.sum(axis=2), 0, atol=1e-15)
    np.testing.assert_allclose(np.abs(short).sum(axis=2), 1)
    again = TestPortfolios(ASSETS, random=20, seed=5).weights(filled(4 * covariances, here), here)
    np.testing.assert_array_equal(again[:, 5:], weights[:, 5:])
    assert (
        TestPortfolios(ASSETS, random=20, seed=6).weights(filled(covariances, here), here)[:, 5:] != again[:, 5:]
    ).any()


def test_random_portfolios_can_be_left_out(covariances):
    portfolios = TestPortfolios(ASSETS, random=0)
    assert portfolios.weights(covariances, np.ones((ORIGINS, ASSETS), dtype=bool)).shape == (ORIGINS, 5, ASSETS)
    with pytest.raises(ParameterError, match="random is -1"):
        TestPortfolios(ASSETS, random=-1)
