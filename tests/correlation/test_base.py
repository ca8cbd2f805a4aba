import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volplugin.correlation import RollingCorrelation
from volplugin.correlation.base import (
    SCARCE,
    PairMoments,
    average,
    nearest_correlation,
    shrink_scarce,
    towards_constant,
    weighted_moments,
)
from volplugin.errors import ParameterError


def drawn(rows: int = 300, assets: int = 4, rho: float = 0.5, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    common, own = random.standard_normal((rows, 1)), random.standard_normal((rows, assets))
    return np.sqrt(rho) * common + np.sqrt(1 - rho) * own


# -- moments ---------------------------------------------------------------------------------------


def test_moments_by_hand():
    """Three sessions of weights 1, 2 and 4: weighted products over the roots of weighted squares."""
    z, weights = np.array([[1.0, 2.0], [-1.0, 1.0], [2.0, 1.0]]), np.array([1.0, 2.0, 4.0])
    correlation, observations = weighted_moments(z, weights)
    product = 1 * 2 - 2 * 1 + 4 * 2
    assert correlation[0, 1] == pytest.approx(product / np.sqrt((1 + 2 + 16) * (4 + 2 + 4)))
    np.testing.assert_allclose(np.diagonal(correlation), 1)
    # Kish: the square of the sum over the sum of the squares.
    np.testing.assert_allclose(observations, 7**2 / (1 + 4 + 16))


def test_pairs_use_the_sessions_that_they_have_in_common():
    z, weights = drawn(), np.geomspace(0.1, 1, 300)
    z[:200, 1] = z[250:, 2] = np.nan
    correlation, observations = weighted_moments(z, weights)
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
    correlation, observations = weighted_moments(z, np.ones(100))
    assert np.isnan(correlation[0, 1])
    assert observations[0, 1] == 0
    assert observations[0, 0] == 50


def test_prices_that_never_moved_say_nothing():
    z = drawn(100, 2)
    z[:, 1] = 0
    correlation, observations = weighted_moments(z, np.ones(100))
    assert np.isnan(correlation[0, 1])
    assert observations[0, 1] == 0


# -- scarce pairs ----------------------------------------------------------------------------------


def test_pairs_seen_less_are_pulled_to_the_average():
    """The fullest pair keeps its own estimate; one of n observations keeps n / (n + 60) of it, relatively."""
    correlation = np.array([[1, 0.8, 0.0], [0.8, 1, 0.4], [0.0, 0.4, 1]])
    observations = np.array([[240, 240, 60], [240, 240, 240], [60, 240, 240]])
    shrunk = shrink_scarce(PairMoments(correlation, observations))
    mean = (0.8 * 240 + 0.4 * 240 + 0.0 * 60) / 540
    trust = (60 / (60 + SCARCE)) / (240 / (240 + SCARCE))
    assert shrunk[0, 1] == pytest.approx(0.8, rel=1e-12)
    assert shrunk[1, 2] == pytest.approx(0.4, rel=1e-12)
    assert shrunk[0, 2] == pytest.approx((1 - trust) * mean, rel=1e-12)


def test_pairs_never_seen_get_the_average():
    correlation = np.array([[1, 0.8, np.nan], [0.8, 1, 0.4], [np.nan, 0.4, 1]])
    observations = np.array([[100, 100, 0], [100, 100, 100], [0, 100, 100]])
    assert shrink_scarce(PairMoments(correlation, observations))[0, 2] == pytest.approx(0.6)


def test_nothing_seen_is_no_correlation():
    nothing = PairMoments(np.full((3, 3), np.nan), np.zeros((3, 3)))
    np.testing.assert_array_equal(shrink_scarce(nothing), np.eye(3))


def test_equally_seen_pairs_are_left_alone():
    moments = weighted_moments(drawn(), np.ones(300))
    np.testing.assert_allclose(shrink_scarce(moments), moments.correlation, rtol=1e-12)


# -- averages --------------------------------------------------------------------------------------


def test_average_is_of_different_assets():
    matrix = np.array([[1, 0.2, 0.4], [0.2, 1, 0.6], [0.4, 0.6, 1]])
    assert average(matrix) == pytest.approx(0.4)
    weights = np.array([[9, 1, 1], [1, 9, 2], [1, 2, 9]])
    assert average(matrix, weights) == pytest.approx((0.2 + 0.4 + 2 * 0.6) / 4)
    assert average(np.array([[1, np.nan], [np.nan, 1]])) == 0
    assert average(np.eye(1)) == 0


def test_towards_constant():
    matrix = np.array([[1, 0.2, 0.4], [0.2, 1, 0.6], [0.4, 0.6, 1]])
    np.testing.assert_array_equal(towards_constant(matrix, 0.0), matrix)
    half = towards_constant(matrix, 0.5)
    np.testing.assert_allclose(half, [[1, 0.3, 0.4], [0.3, 1, 0.5], [0.4, 0.5, 1]])
    full = towards_constant(matrix, 1.0)
    np.testing.assert_allclose(full[~np.eye(3, dtype=bool)], 0.4)


# -- repair ----------------------------------------------------------------------------------------


def test_a_matrix_in_order_is_left_alone():
    matrix = np.corrcoef(drawn().T)
    repaired, change = nearest_correlation(matrix)
    np.testing.assert_allclose(repaired, matrix, rtol=1e-14)
    assert change == 0


def test_negative_eigenvalues_are_clipped():
    """Three assets of correlations 0.9, 0.9 and -0.9 cannot be: eigenvalues 1.9, 1.9 and -0.8."""
    matrix = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    np.testing.assert_allclose(np.linalg.eigvalsh(matrix), [-0.8, 1.9, 1.9])
    repaired, change = nearest_correlation(matrix)
    # Without the negative part every diagonal entry is 3.8 / 3 and every other 1.9 / 3 in size.
    np.testing.assert_allclose(repaired, [[1, 0.5, -0.5], [0.5, 1, 0.5], [-0.5, 0.5, 1]], atol=1e-9)
    assert change == pytest.approx(0.4, abs=1e-9)
    assert np.linalg.eigvalsh(repaired)[0] >= -1e-12
    np.testing.assert_array_equal(np.diagonal(repaired), 1)


@given(st.integers(0, 10_000), st.integers(2, 12))
def test_whatever_comes_the_result_is_a_correlation(seed, assets):
    random = np.random.default_rng(seed)
    raw = random.uniform(-1, 1, (assets, assets))
    symmetric = (raw + raw.T) / 2
    np.fill_diagonal(symmetric, 1)
    repaired, change = nearest_correlation(symmetric)
    assert np.linalg.eigvalsh(repaired)[0] > -1e-12
    np.testing.assert_array_equal(np.diagonal(repaired), 1)
    np.testing.assert_array_equal(repaired, repaired.T)
    assert np.abs(repaired).max() <= 1 + 1e-12
    assert change == pytest.approx(np.abs(repaired - symmetric).max())
    again, further = nearest_correlation(repaired)
    np.testing.assert_allclose(again, repaired, atol=1e-9)
    assert further < 1e-9


def test_a_repair_is_reported():
    """Three assets seen in pairs only, each pair telling another story."""
    z = np.full((90, 3), np.nan)
    one = np.random.default_rng(0).standard_normal(30)
    z[:30, 0], z[:30, 1] = one, one
    z[30:60, 1], z[30:60, 2] = one, one
    z[60:, 0], z[60:, 2] = one, -one
    rho, facts = RollingCorrelation(90).diagnose(pd.DataFrame(z, columns=list("ABC")))
    assert facts["psd_repair"] > 0.1
    assert np.linalg.eigvalsh(rho)[0] > -1e-12


def test_one_asset():
    rho, facts = RollingCorrelation(60).diagnose(pd.DataFrame(drawn(100, 1), columns=["A"]))
    assert rho.to_numpy().tolist() == [[1.0]]
    assert facts["condition_number"] == 1
    assert facts["average_correlation"] == 0


def test_no_rows_are_no_correlation():
    rho, facts = RollingCorrelation(60).diagnose(pd.DataFrame(np.empty((0, 2)), columns=["A", "B"]))
    np.testing.assert_array_equal(rho, np.eye(2))
    assert facts["observations"] == 0


def test_unknown_view():
    with pytest.raises(ParameterError, match="view is 'total'; pass one of risk, structure"):
        RollingCorrelation(60).estimate(pd.DataFrame(drawn()), view="total")
