import numpy as np
import pandas as pd
import pytest

from volplugin.correlation import FactorCorrelation, LedoitWolfCorrelation, NonlinearShrinkageCorrelation
from volplugin.errors import ParameterError

KINDS = (FactorCorrelation, LedoitWolfCorrelation, NonlinearShrinkageCorrelation)


@pytest.fixture(scope="module")
def z() -> pd.DataFrame:
    random = np.random.default_rng(3)
    return pd.DataFrame(random.standard_normal((400, 1)) + random.standard_normal((400, 5)), columns=list("ABCDE"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_window_is_the_lookback(kind, z):
    assert kind().lookback == 504
    assert kind(100, halflife=20).lookback == 100
    assert kind(100).diagnose(z)[1]["observations"] == pytest.approx(100)


@pytest.mark.parametrize("kind", KINDS)
def test_effective_observations_are_those_of_kish(kind, z):
    weights = 0.5 ** (np.arange(100) / 20)
    expected = weights.sum() ** 2 / (weights**2).sum()
    assert kind(100, halflife=20).diagnose(z)[1]["observations"] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_half_life_is_nearly_none(kind, z):
    pd.testing.assert_frame_equal(kind(100, 1e7).estimate(z), kind(100).estimate(z), atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"window": 1}, "window is 1"),
        ({"halflife": 0}, "halflife is 0"),
        ({"halflife": float("nan")}, "halflife is nan"),
    ],
)
def test_impossible_parameters(kind, parameters, named, z):
    with pytest.raises(ParameterError, match=named):
        kind(**parameters).estimate(z)
