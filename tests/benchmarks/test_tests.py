"""The benchmark of the tests computes many simulations at once: they are those of the public functions."""

import json
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
from volplugin.evaluation.bands import mrad_of_rows, shuffled_returns


@pytest.fixture(scope="module")
def script():
    return import_module("bench_tests")


@pytest.mark.parametrize("horizon", [1, 21])
def test_p_values_of_many_series_are_those_of_each(script, horizon):
    sample = script.simulate_garch_t(range(5), 600, horizon)
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
    loss = script.simulate_garch_t(range(3), 400, 5).outcome[:, None] * np.array([1.0, 1.05, 1.1])[None, :, None] * 1e4
    loss = (loss * np.random.default_rng(0).random(loss.shape)).transpose(1, 0, 2)
    found = script.smallest_set_pvalue(loss, 5)
    for row in range(3):
        alone = model_confidence_set(pd.DataFrame(loss[:, row].T), 5, reps=400)
        assert found[row] == pytest.approx(alone.min())


def test_scorecard_tests_are_those_of_the_public_functions(script):
    sample = script.simulate_garch_t([3], 400, 1)
    sigma = np.sqrt(sample.variance[0])
    z = sample.returns[0] / sigma
    month, pvalues = script.scorecard_tests(z, 6.0, sigma)
    right = shuffled_returns(z, 6.0)
    for factor, found in zip((1, script.TOO_HIGH), pvalues, strict=True):
        outcome, variance = (pd.Series(part**2) for part in (sample.returns[0], factor * sigma))
        assert found == mincer_zarnowitz(outcome, variance, 1, right**2).pvalue
    assert month[0].tolist() == pytest.approx(np.quantile(mrad_of_rows(right), [0.025, 0.975]))


def test_sizes_that_are_off_are_stored_in_place_of_the_former_ones(script, tmp_path):
    counts = {
        ("Kupiec, 2.5%", 1, "right"): np.array([[9.0, 100, 0, 0], [4, 100, 0, 0]]),
        ("Mincer-Zarnowitz", 5, "right"): np.array([[5.0, 100, 0, 0], [2, 100, 0, 0]]),
        ("level", 5, "right"): np.array([[5.0, 100, 0, 0], [6, 100, 0, 0]]),
        ("level", 5, "10% too high"): np.array([[95.0, 100, 0, 0], [96, 100, 0, 0]]),
    }
    place = tmp_path / "sizes.json"
    script.write_sizes(place, {"Kupiec": {"0.01": 0.5}, "another test": {"1": 0.02}}, [])
    script.write_sizes(place, script.off_size(counts), [test for test, *_ in counts])
    expected = {"Kupiec": {"0.025": 0.09}, "Mincer-Zarnowitz": {"5": 0.02}, "another test": {"1": 0.02}}
    assert json.loads(place.read_text()) == expected
    assert len(script.table(counts, True)) == 5
    assert len(script.table(counts, False)) == 3


def test_losses_and_windows_of_many_series_are_those_of_each(script):
    sample = script.simulate_garch_t(range(3), 300, 1)
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
