import numpy as np
import pandas as pd
import pytest

from volplugin import EWMACorrelation, RollingCorrelation
from volplugin.correlation.repair import shrink_to_constant
from volplugin.errors import ParameterError


@pytest.fixture(scope="module")
def z() -> pd.DataFrame:
    random = np.random.default_rng(3)
    values = 0.7 * random.standard_normal((400, 1)) + 0.7 * random.standard_normal((400, 4))
    return pd.DataFrame(values, columns=["AAPL", "JPM", "CVX", "V"])


def by_pandas(z: pd.DataFrame, halflife: float) -> pd.DataFrame:
    """Exponential means of products, over the roots of those of squares."""
    means = {(a, b): (z[a] * z[b]).ewm(halflife=halflife).mean().iloc[-1] for a in z for b in z}
    return pd.DataFrame({a: {b: means[a, b] / np.sqrt(means[a, a] * means[b, b]) for b in z} for a in z})


@pytest.mark.parametrize("halflife", [21, 63, 126])
def test_it_is_that_of_pandas_within_its_window(halflife, z):
    """A history shorter than six half-lives is all remembered, as pandas remembers."""
    short = z.tail(6 * halflife)
    expected = by_pandas(short, halflife)
    pd.testing.assert_frame_equal(EWMACorrelation(halflife).estimate(short), expected, rtol=1e-10)


def test_it_forgets_after_six_half_lives(z):
    assert EWMACorrelation(21).lookback == 126
    assert EWMACorrelation(11.2).lookback == 68
    expected = by_pandas(z.tail(126), 21)
    pd.testing.assert_frame_equal(EWMACorrelation(21).estimate(z), expected, rtol=1e-10)


def test_it_is_near_that_of_all_history(z):
    """A sixty-fourth of the weight lies beyond."""
    difference = (EWMACorrelation(21).estimate(z) - by_pandas(z, 21)).abs().to_numpy().max()
    assert 0 < difference < 0.03


def test_a_long_half_life_is_nearly_a_rolling_window(z):
    slow = EWMACorrelation(1e6).estimate(z)
    pd.testing.assert_frame_equal(slow, RollingCorrelation(400).estimate(z), atol=1e-3)


def test_effective_observations_are_those_of_kish(z):
    weights = 0.5 ** (np.arange(126) / 21)
    expected = weights.sum() ** 2 / (weights**2).sum()
    assert EWMACorrelation(21).diagnose(z)[1]["observations"] == pytest.approx(expected, rel=1e-10)


def test_shrinkage_mixes_in_the_constant_correlation(z):
    plain = EWMACorrelation(63).estimate(z)
    for share in (0.2, 1.0):
        expected = shrink_to_constant(plain.to_numpy(), share)
        np.testing.assert_allclose(EWMACorrelation(63, shrinkage=share).estimate(z), expected, rtol=1e-9)


def test_shrinkage_leaves_the_average(z):
    plain, shrunk = (EWMACorrelation(63, share).diagnose(z)[1]["average_correlation"] for share in (0.0, 0.5))
    assert shrunk == pytest.approx(plain, rel=1e-10)


@pytest.mark.parametrize("halflife", [0, -1, float("nan")])
def test_impossible_half_life(halflife, z):
    with pytest.raises(ParameterError, match="halflife is"):
        EWMACorrelation(halflife).estimate(z)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_impossible_shrinkage(share, z):
    with pytest.raises(ParameterError, match="shrinkage is"):
        EWMACorrelation(63, share).estimate(z)
