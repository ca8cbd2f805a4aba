import numpy as np
import pytest

from volplugin.correlation.moments import session_weights, to_unit_variance, weighted_moments


def drawn(rows: int = 300, assets: int = 4, rho: float = 0.5, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    common, own = random.standard_normal((rows, 1)), random.standard_normal((rows, assets))
    return np.sqrt(rho) * common + np.sqrt(1 - rho) * own


def test_moments_by_hand():
    """Three sessions of weights 1, 2 and 4: weighted products over the roots of weighted squares."""
    z, weights = np.array([[1.0, 2.0], [-1.0, 1.0], [2.0, 1.0]]), np.array([1.0, 2.0, 4.0])
    correlation, observations, *_ = weighted_moments(z, weights)
    product = 1 * 2 - 2 * 1 + 4 * 2
    assert correlation[0, 1] == pytest.approx(product / np.sqrt((1 + 2 + 16) * (4 + 2 + 4)))
    np.testing.assert_allclose(np.diagonal(correlation), 1)
    # Kish: the square of the sum over the sum of the squares.
    np.testing.assert_allclose(observations, 7**2 / (1 + 4 + 16))


def test_pairs_use_the_sessions_that_they_have_in_common():
    z, weights = drawn(), np.geomspace(0.1, 1, 300)
    z[:200, 1] = z[250:, 2] = np.nan
    correlation, observations, *_ = weighted_moments(z, weights)
    for one, other in ((0, 1), (0, 2), (1, 2), (0, 3)):
        both = np.isfinite(z[:, [one, other]]).all(axis=1)
        a, b, w = z[both, one], z[both, other], weights[both]
        expected = (w * a * b).sum() / np.sqrt((w * a**2).sum() * (w * b**2).sum())
        assert correlation[one, other] == pytest.approx(expected, rel=1e-12)
        assert observations[one, other] == pytest.approx(w.sum() ** 2 / (w**2).sum(), rel=1e-12)


def test_equal_weights_count_every_session():
    np.testing.assert_allclose(weighted_moments(drawn(120), np.ones(120)).observations, 120)


def test_pairs_never_seen_together():
    z = drawn(100, 2)
    z[:50, 0] = z[50:, 1] = np.nan
    correlation, observations, *_ = weighted_moments(z, np.ones(100))
    assert np.isnan(correlation[0, 1])
    assert observations[0, 1] == 0
    assert observations[0, 0] == 50


def test_prices_that_never_moved_say_nothing():
    z = drawn(100, 2)
    z[:, 1] = 0
    correlation, observations, *_ = weighted_moments(z, np.ones(100))
    assert np.isnan(correlation[0, 1])
    assert observations[0, 1] == 0


def test_a_session_without_a_return_changes_nothing():
    """Of the market as a whole: ages count sessions, so that the weights of the others stay theirs."""
    z, weights = drawn(100), session_weights(100, 20)
    z[40] = np.nan
    expected = weighted_moments(np.delete(z, 40, axis=0), np.delete(weights, 40))
    found = weighted_moments(z, weights)
    np.testing.assert_array_equal(found.correlation, expected.correlation)
    np.testing.assert_array_equal(found.observations, expected.observations)


def test_session_weights():
    np.testing.assert_array_equal(session_weights(3), 1)
    np.testing.assert_allclose(session_weights(5, 2), [0.25, 0.5**1.5, 0.5, 0.5**0.5, 1])


def test_unit_variance_over_the_sessions_that_an_asset_has():
    z, weights = drawn(50), session_weights(50, 10)
    z[:20, 1] = np.nan
    z[:, 2] = 0
    scaled = to_unit_variance(z, weights)
    for asset in (0, 1, 3):
        there = np.isfinite(z[:, asset])
        assert np.average(scaled[there, asset] ** 2, weights=weights[there]) == pytest.approx(1, rel=1e-12)
    np.testing.assert_array_equal(np.isnan(scaled), np.isnan(z))
    np.testing.assert_array_equal(scaled[:, 2], 0)
