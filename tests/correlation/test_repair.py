import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volplugin.correlation.moments import PairMoments, weighted_moments
from volplugin.correlation.repair import (
    SCARCE,
    average,
    complete,
    nearest_correlation,
    shrink_by_observations,
    shrink_to_constant,
    spectrum,
    to_unit_diagonal,
    typical_observations,
)


def drawn(rows: int = 300, assets: int = 4, rho: float = 0.5, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    common, own = random.standard_normal((rows, 1)), random.standard_normal((rows, assets))
    return np.sqrt(rho) * common + np.sqrt(1 - rho) * own


# -- scarce pairs ----------------------------------------------------------------------------------


def test_pairs_seen_less_are_pulled_to_the_average():
    """The fullest pair keeps its own estimate; one of n observations keeps n / (n + 60) of it, relatively."""
    correlation = np.array([[1, 0.8, 0.0], [0.8, 1, 0.4], [0.0, 0.4, 1]])
    observations = np.array([[240, 240, 60], [240, 240, 240], [60, 240, 240]])
    shrunk = shrink_by_observations(PairMoments(correlation, observations))
    mean = (0.8 * 240 + 0.4 * 240 + 0.0 * 60) / 540
    trust = (60 / (60 + SCARCE)) / (240 / (240 + SCARCE))
    assert shrunk[0, 1] == pytest.approx(0.8, rel=1e-12)
    assert shrunk[1, 2] == pytest.approx(0.4, rel=1e-12)
    assert shrunk[0, 2] == pytest.approx((1 - trust) * mean, rel=1e-12)


def test_pairs_never_seen_get_the_average():
    correlation = np.array([[1, 0.8, np.nan], [0.8, 1, 0.4], [np.nan, 0.4, 1]])
    observations = np.array([[100, 100, 0], [100, 100, 100], [0, 100, 100]])
    assert shrink_by_observations(PairMoments(correlation, observations))[0, 2] == pytest.approx(0.6)


def test_nothing_seen_is_no_correlation():
    nothing = PairMoments(np.full((3, 3), np.nan), np.zeros((3, 3)))
    np.testing.assert_array_equal(shrink_by_observations(nothing), np.eye(3))


def test_equally_seen_pairs_are_left_alone():
    moments = weighted_moments(drawn(), np.ones(300))
    np.testing.assert_allclose(shrink_by_observations(moments), moments.correlation, rtol=1e-12)


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
    np.testing.assert_array_equal(shrink_to_constant(matrix, 0.0), matrix)
    half = shrink_to_constant(matrix, 0.5)
    np.testing.assert_allclose(half, [[1, 0.3, 0.4], [0.3, 1, 0.5], [0.4, 0.5, 1]])
    full = shrink_to_constant(matrix, 1.0)
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


@pytest.mark.parametrize("seen", [20.0, 450.0])
def test_assets_with_gaps_adapt_to_the_others(seen):
    """Given two assets of correlation 0.5, one of correlations 0.9 and -0.9 has a variance of 1 - 4.86 / 1.5 < 0."""
    matrix = np.array([[1, 0.5, 0.9, 0.2], [0.5, 1, -0.9, 0.2], [0.9, -0.9, 1, 0.2], [0.2, 0.2, 0.2, 1]])
    observations = np.full((4, 4), 500.0)
    observations[2], observations[:, 2] = seen, seen
    repaired, change = nearest_correlation(matrix, observations)
    long = np.ix_([0, 1, 3], [0, 1, 3])
    np.testing.assert_array_equal(repaired[long], matrix[long])
    scale = repaired[2, 0] / 0.9
    np.testing.assert_allclose(repaired[2, [0, 1, 3]], scale * matrix[2, [0, 1, 3]])
    assert 0 < np.linalg.eigvalsh(repaired)[0] < 1e-9
    assert change == pytest.approx(0.9 * (1 - scale))
    stack = nearest_correlation(np.stack([matrix, np.eye(4)]), np.stack([observations] * 2))
    np.testing.assert_array_equal(stack.correlation, [repaired, np.eye(4)])
    np.testing.assert_array_equal(stack.change, [change, 0])


def test_other_assets_that_contradict_each_other_are_repaired_as_a_whole():
    matrix = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    whole, _ = nearest_correlation(matrix)
    np.testing.assert_array_equal(nearest_correlation(matrix, np.full((3, 3), 90.0)).correlation, whole)


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


# -- what eigenvalue estimators start from -----------------------------------------------------------


def test_completion_takes_pairs_never_seen_to_be_average():
    correlation = np.array([[1, 0.8, np.nan], [0.8, 1, 0.4], [np.nan, 0.4, 1]])
    observations = np.array([[100, 100, 0], [100, 100, 50], [0, 50, 100]])
    completed = complete(PairMoments(correlation, observations))
    mean = (0.8 * 100 + 0.4 * 50) / 150
    np.testing.assert_allclose(completed, [[1, 0.8, mean], [0.8, 1, 0.4], [mean, 0.4, 1]])
    values, vectors = spectrum(PairMoments(correlation, observations))
    np.testing.assert_allclose((vectors * values) @ vectors.T, completed, atol=1e-12)


def test_the_spectrum_has_no_negative_part():
    matrix = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    values, _ = spectrum(PairMoments(matrix, np.full((3, 3), 90.0)))
    np.testing.assert_allclose(values, [0, 1.9, 1.9], atol=1e-12)


def test_typical_observations_are_of_pairs_seen():
    observations = np.array([[100, 80, 0], [80, 90, 0], [0, 0, 0]])
    assert typical_observations(PairMoments(np.eye(3), observations)) == 85
    assert typical_observations(PairMoments(np.eye(3), np.zeros((3, 3)))) == 0


def test_to_unit_diagonal():
    covariance = np.array([[4.0, 3.0], [3.0, 9.0]])
    np.testing.assert_allclose(to_unit_diagonal(covariance), [[1, 0.5], [0.5, 1]])
