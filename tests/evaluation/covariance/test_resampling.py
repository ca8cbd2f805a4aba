import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap

from volplugin.errors import ParameterError
from volplugin.evaluation.covariance import block_weights


def test_a_mean_of_a_sample_is_a_product_with_its_weights():
    x = np.random.default_rng(0).standard_normal(300).cumsum()
    means = block_weights(300, 20, reps=400, seed=3) @ x
    oracle = StationaryBootstrap(20, x, seed=3).apply(np.mean, 400).ravel()
    np.testing.assert_allclose(means, oracle, rtol=1e-9)


def test_the_interval_is_that_of_arch():
    x = np.random.default_rng(0).standard_normal(300)
    means = block_weights(300, 10, reps=1000, seed=3) @ x
    oracle = StationaryBootstrap(10, x, seed=3).conf_int(np.mean, 1000, method="percentile").ravel()
    np.testing.assert_allclose(np.quantile(means, [0.025, 0.975]), oracle, rtol=1e-9)


def test_longer_blocks_are_less_sure_of_a_persistent_series():
    noise = np.random.default_rng(1).standard_normal(2000)
    x = np.convolve(noise, np.ones(20) / 20, mode="valid")
    short, long = (np.std(block_weights(len(x), block, 500) @ x) for block in (1, 60))
    assert long > 2.5 * short


@pytest.mark.parametrize("block", [0, 301])
def test_blocks_have_a_length_within_the_series(block):
    with pytest.raises(ParameterError, match="in blocks of"):
        block_weights(300, block)
