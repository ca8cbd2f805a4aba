import numpy as np
import pandas as pd
import pytest

from volplugin import RollingCorrelation
from volplugin.errors import ParameterError


@pytest.fixture(scope="module")
def z() -> pd.DataFrame:
    random = np.random.default_rng(3)
    values = 0.7 * random.standard_normal((400, 1)) + 0.7 * random.standard_normal((400, 4))
    return pd.DataFrame(values, columns=["AAPL", "JPM", "CVX", "V"])


@pytest.mark.parametrize("window", [60, 252])
def test_it_is_that_of_pandas_about_zero(window, z):
    """Products about zero: what pandas gives for a sample mirrored at zero, whose mean is zero."""
    last = z.tail(window)
    expected = pd.concat([last, -last]).corr()
    pd.testing.assert_frame_equal(RollingCorrelation(window).estimate(z), expected, rtol=1e-10)


def test_with_gaps_each_pair_is_that_of_pandas(z):
    """As many observations for every pair, so that nothing is shrunk: pairwise-complete products."""
    holes = z.copy()
    holes.iloc[-100:-50] = np.nan
    last = holes.tail(252)
    expected = pd.concat([last, -last]).corr()
    pd.testing.assert_frame_equal(RollingCorrelation(252).estimate(holes), expected, rtol=1e-10)


def test_the_window_is_the_lookback(z):
    assert RollingCorrelation().lookback == 252
    assert RollingCorrelation(60).lookback == 60
    assert RollingCorrelation(60).diagnose(z)[1]["observations"] == pytest.approx(60)


@pytest.mark.parametrize("window", [1, 0, -3])
def test_impossible_window(window, z):
    with pytest.raises(ParameterError, match=f"window is {window}"):
        RollingCorrelation(window).estimate(z)
