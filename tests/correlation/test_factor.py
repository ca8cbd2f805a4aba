import numpy as np
import pandas as pd
import pytest

from volplugin.correlation import FactorCorrelation, RollingCorrelation
from volplugin.correlation.factor import above_noise, residual_shrinkage
from volplugin.errors import ParameterError


def market(n_sessions: int = 504, n_assets: int = 60, groups: int = 2, seed: int = 0) -> pd.DataFrame:
    """One common factor, and groups of assets with a factor of their own."""
    random = np.random.default_rng(seed)
    values = 0.5 * random.standard_normal((n_sessions, 1)) + 0.7 * random.standard_normal((n_sessions, n_assets))
    for group in range(groups):
        values[:, group::3] += 0.5 * random.standard_normal((n_sessions, 1))
    return pd.DataFrame(values)


def test_the_number_of_factors_is_found():
    assert FactorCorrelation().diagnose(market(groups=2))[1]["chosen"]["factors"] == 3
    assert FactorCorrelation().diagnose(market(groups=0))[1]["chosen"]["factors"] == 1
    noise = pd.DataFrame(np.random.default_rng(0).standard_normal((504, 60)))
    assert FactorCorrelation().diagnose(noise)[1]["chosen"]["factors"] <= 2


def test_the_edge_of_noise_by_hand():
    """Four assets, the first component taking half: noise of variance 0.5 reaches 0.5 (1 + 0.2)^2 = 0.72."""
    assert above_noise(np.array([0.5, 0.7, 0.8, 2.0]), 100) == 2
    assert above_noise(np.array([0.5, 0.71, 0.79, 2.0]), 16) == 1
    assert above_noise(np.ones(4), 100) == 1


def test_the_residual_share_by_hand():
    residual = np.array([[0.5, 0.1, -0.2], [0.1, 0.4, 0.0], [-0.2, 0.0, 0.3]])
    squares = 2 * (0.1**2 + 0.2**2)
    errors = (2 * (0.5 * 0.4 + 0.5 * 0.3 + 0.4 * 0.3) + squares) / 50
    assert residual_shrinkage(residual, 50) == pytest.approx(errors / squares)
    assert residual_shrinkage(residual, 5) == 1
    assert residual_shrinkage(np.diag([0.5, 0.2]), 50) == 1


def test_components_plus_shrunk_residual():
    """One factor, the rest multiplied by what the diagnostics say."""
    z = market()
    rho, metadata = FactorCorrelation(504, factors=1).diagnose(z)
    sample = RollingCorrelation(504).estimate(z).to_numpy()
    values, vectors = np.linalg.eigh(sample)
    common = values[-1] * np.outer(vectors[:, -1], vectors[:, -1])
    expected = common + (1 - metadata["chosen"]["residual_shrinkage"]) * (sample - common)
    np.fill_diagonal(expected, 1)
    np.testing.assert_allclose(rho, expected, atol=1e-10)


def test_all_factors_are_the_sample():
    z = market(n_assets=8)
    pd.testing.assert_frame_equal(FactorCorrelation(504, factors=8).estimate(z), RollingCorrelation(504).estimate(z))
    pd.testing.assert_frame_equal(FactorCorrelation(504, factors=99).estimate(z), RollingCorrelation(504).estimate(z))


def test_no_factor_is_shrinkage_to_the_identity():
    z = market(n_assets=8)
    rho, metadata = FactorCorrelation(504, factors=0).diagnose(z)
    left = 1 - metadata["chosen"]["residual_shrinkage"]
    expected = left * RollingCorrelation(504).estimate(z).to_numpy()
    np.fill_diagonal(expected, 1)
    np.testing.assert_allclose(rho, expected, atol=1e-12)


def test_many_assets_and_few_sessions_are_definite_without_repair():
    metadata = FactorCorrelation(100).diagnose(market(100, 400))[1]
    assert metadata["psd_repair"] == 0
    assert metadata["condition_number"] < 5000
    assert metadata["chosen"]["residual_shrinkage"] > 0.8


def test_it_is_nearer_to_the_truth_than_the_sample():
    """By the Gaussian likelihood of sessions to come."""
    known, later = market(252 + 500, 120).iloc[:252], market(252 + 500, 120).iloc[252:].to_numpy()
    later = later / later.std(axis=0)

    def loss(estimator):
        rho = estimator.estimate(known).to_numpy()
        return np.linalg.slogdet(rho)[1] + np.einsum("ti,ij,tj->t", later, np.linalg.inv(rho), later).mean()

    assert loss(FactorCorrelation(252)) < loss(RollingCorrelation(252)) - 20


def test_impossible_number_of_factors():
    with pytest.raises(ParameterError, match="factors is -1"):
        FactorCorrelation(factors=-1).estimate(market(60, 4))
