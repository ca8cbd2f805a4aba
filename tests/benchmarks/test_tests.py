"""The benchmark of the tests computes many simulations at once: they are those of the public functions."""

from importlib import import_module

import numpy as np
import pandas as pd
import pytest

from volplugin.evaluation import (
    diebold_mariano,
    fissler_ziegel,
    level_test,
    mincer_zarnowitz,
    model_confidence_set,
    mrad,
)
from volplugin.evaluation.bands import mrad_of_rows
from volplugin.evaluation.simulation import simulate_garch_t


@pytest.fixture(scope="module")
def script():
    return import_module("bench_tests")


@pytest.mark.parametrize("horizon", [1, 21])
def test_p_values_of_many_series_are_those_of_each(script, horizon):
    sample = simulate_garch_t(range(5), 600, horizon)
    ratio = sample.outcome / sample.variance
    levels = script.mean_test(ratio, horizon, logarithm=True)
    scores = script.score_test(sample.outcome, sample.variance, horizon)
    gaps = script.mean_test(ratio - sample.variance[::-1] / sample.variance, horizon)
    for row in range(5):
        one, f, y = (pd.Series(part[row]) for part in (ratio, sample.variance, sample.outcome))
        assert levels[row] == pytest.approx(level_test(one, horizon).pvalue, rel=1e-8)
        assert scores[row] == pytest.approx(mincer_zarnowitz(y, f, horizon).pvalue, rel=1e-6)
        other = pd.Series(sample.variance[::-1][row]) / f
        assert gaps[row] == pytest.approx(diebold_mariano(one, other, horizon).pvalue, rel=1e-8)


def test_confidence_sets_of_many_series_are_those_of_each(script):
    loss = simulate_garch_t(range(3), 400, 5).outcome[:, None] * np.array([1.0, 1.05, 1.1])[None, :, None] * 1e4
    loss = (loss * np.random.default_rng(0).random(loss.shape)).transpose(1, 0, 2)
    found = script.smallest_set_pvalue(loss, 5)
    for row in range(3):
        alone = model_confidence_set(pd.DataFrame(loss[:, row].T), 5, reps=400)
        assert found[row] == pytest.approx(alone.min())


def test_losses_and_windows_of_many_series_are_those_of_each(script):
    sample = simulate_garch_t(range(3), 300, 1)
    sigma = np.sqrt(sample.variance)
    losses = script.fissler_ziegel_of(sample.returns, -1.6 * sigma, -2.1 * sigma, 0.05)
    distances = mrad_of_rows(sample.returns / sigma)
    for row in range(3):
        r, s = pd.Series(sample.returns[row]), pd.Series(sigma[row])
        np.testing.assert_allclose(losses[row], fissler_ziegel(r, -1.6 * s, -2.1 * s, 0.05))
        assert distances[row] == pytest.approx(mrad(r / s))


@pytest.mark.parametrize("world", ["GARCH-t(6)", "stochastic volatility"])
def test_right_forecasts_are_rejected_about_as_often_as_they_should_be(script, world):
    """Short form of the benchmark: 60 simulations, so that only a gross error of a size is seen."""
    found = {}
    for key, now, _ in script.rejections(world, list(range(60)), 1000, "levels,bands"):
        found[key] = now.mean()
    for (test, horizon, case), share in found.items():
        if case == "right":
            assert share <= 0.17, (test, horizon)
    assert found["bias", 1, "10% too high"] > 0.4
    assert found["Mincer-Zarnowitz", 1, "10% too high"] > 0.4
