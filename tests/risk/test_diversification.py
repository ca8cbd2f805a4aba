import numpy as np
import pytest
from scipy.linalg import sqrtm

from volplugin.errors import ParameterError, VolpluginError
from volplugin.risk.diversification import bet_shares, diversification_ratio, effective_number, minimum_torsion


def constant(count: int, rho: float) -> np.ndarray:
    return np.full((count, count), rho) + (1 - rho) * np.eye(count)


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    z = random.standard_normal((3 * count, count)) + 0.8 * random.standard_normal((3 * count, 1))
    return random.normal(1, 0.5, count), np.exp(0.4 * random.standard_normal(count)), np.corrcoef(z.T)


def reference_shares(weights: np.ndarray, sigma: np.ndarray, rho: np.ndarray) -> np.ndarray:
    """Meucci, Santangelo and Deguest's own steps, with matrix roots."""
    root, scales = np.real(sqrtm(rho)), np.ones(len(rho))
    for _ in range(2000):
        scaled = np.diag(scales)
        rotation = np.linalg.inv(np.real(sqrtm(scaled @ rho @ scaled))) @ scaled @ root
        scales = np.diag(rotation @ root).copy()
    torsion = np.diag(sigma) @ np.diag(scales) @ rotation @ np.linalg.inv(root) @ np.diag(1 / sigma)
    covariance = rho * np.outer(sigma, sigma)
    return np.linalg.solve(torsion.T, weights) * (torsion @ covariance @ weights) / (weights @ covariance @ weights)


# -- diversification ratio --------------------------------------------------------------------------------


def test_ratio_in_closed_form():
    """Of n equal risks with correlation rho: the root of n / (1 + (n - 1) rho)."""
    for count, rho in ((1, 0.0), (5, 0.0), (30, 0.4), (4, 1.0)):
        ratio = diversification_ratio(np.full(count, 1 / count), np.full(count, 0.02), constant(count, rho))
        assert ratio == pytest.approx(np.sqrt(count / (1 + (count - 1) * rho)))


def test_ratio_of_a_short_position_and_of_nothing():
    assert diversification_ratio(np.array([1.0, -0.5]), np.array([0.01, 0.02]), np.eye(2)) == pytest.approx(2**0.5)
    assert np.isnan(diversification_ratio(np.zeros(2), np.ones(2), np.eye(2)))


# -- effective number -------------------------------------------------------------------------------------


def test_number_of_a_distribution():
    assert effective_number(np.full(8, 1 / 8)) == pytest.approx(8)
    assert effective_number(np.array([1.0, 0.0, 0.0])) == pytest.approx(1)
    assert effective_number(np.array([0.5, 0.25, 0.25])) == pytest.approx(2**1.5)
    assert np.isnan(effective_number(np.zeros(3)))


# -- bets -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 10, 30])
def test_torsion_makes_uncorrelated_bets(count):
    _, _, rho = drawn(count, 1)
    torsion = minimum_torsion(rho)
    np.testing.assert_allclose(torsion @ rho @ torsion.T, np.eye(count), atol=1e-10)


def test_torsion_is_nearer_the_assets_than_other_rotations():
    """The sum of squared correlations of bets and assets is no larger after any small rotation of the bets."""
    _, _, rho = drawn(6, 2)
    torsion = minimum_torsion(rho)
    near = (np.diag(torsion @ rho) ** 2).sum()
    random = np.random.default_rng(3)
    for _ in range(50):
        turn = 0.05 * random.standard_normal((6, 6))
        turned, _ = np.linalg.qr(np.eye(6) + turn - turn.T)
        turned *= np.sign(np.diag(turned))[None, :]
        assert (np.diag(turned @ torsion @ rho) ** 2).sum() < near


@pytest.mark.parametrize("seed", range(4))
def test_torsion_shares_against_the_papers_own_steps(seed):
    weights, sigma, rho = drawn(8, seed)
    np.testing.assert_allclose(
        bet_shares(weights, sigma, rho), reference_shares(weights, sigma, rho), rtol=1e-5, atol=1e-7
    )


def test_torsion_shares_of_uncorrelated_assets_are_their_own():
    weights, sigma = np.array([0.5, 0.3, -0.2]), np.array([0.01, 0.02, 0.03])
    own = (weights * sigma) ** 2
    for bets in ("torsion", "principal"):
        shares = np.sort(bet_shares(weights, sigma, np.eye(3), bets))
        np.testing.assert_allclose(shares, np.sort(own / own.sum()), rtol=1e-12)


def test_equal_risks_are_as_many_torsions_and_one_principal_bet():
    rho, even = constant(30, 0.4), np.full(30, 1 / 30)
    sigma = np.full(30, 0.02)
    assert effective_number(bet_shares(even, sigma, rho)) == pytest.approx(30)
    assert effective_number(bet_shares(even, sigma, rho, "principal")) == pytest.approx(1)


@pytest.mark.parametrize("bets", ["torsion", "principal"])
def test_shares_are_a_distribution(bets):
    shares = bet_shares(*drawn(20, 5), bets)
    assert (shares >= 0).all()
    assert shares.sum() == pytest.approx(1)
    assert (bet_shares(np.zeros(20), *drawn(20, 5)[1:], bets) == 0).all()


def test_assets_that_move_as_one():
    with pytest.raises(VolpluginError, match="singular .*pass bets='principal', or select"):
        bet_shares(np.ones(2), np.ones(2), constant(2, 1.0))
    assert bet_shares(np.ones(2), np.ones(2), constant(2, 1.0), "principal").max() == pytest.approx(1)


def test_unknown_bets():
    with pytest.raises(ParameterError, match="bets is 'factor'; pass one of torsion, principal"):
        bet_shares(np.ones(2), np.ones(2), np.eye(2), "factor")
