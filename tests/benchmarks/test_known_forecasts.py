from importlib import import_module

import numpy as np
import pytest
from arch.univariate import GARCH as ArchGARCH
from arch.univariate import ConstantMean, StudentsT
from scipy import stats


@pytest.fixture(scope="module")
def known():
    return import_module("known_forecasts")


@pytest.mark.parametrize("simulate", ["simulate_garch_t", "simulate_stochastic_volatility"])
@pytest.mark.parametrize("horizon", [1, 5, 21])
def test_forecasts_are_right_on_average_in_calm_and_in_storm(known, simulate, horizon):
    found = getattr(known, simulate)(range(200), 800, horizon)
    ratio = found.outcome / found.variance
    errors = ratio.mean(axis=1).std() / np.sqrt(200)
    assert abs(ratio.mean() - 1) < 4 * errors
    high = found.variance > np.median(found.variance)
    for part in (high, ~high):
        assert ratio[part].mean() == pytest.approx(1.0, abs=0.05)


def test_outcomes_are_the_mean_squares_of_the_sessions_after_the_origin(known):
    found = known.simulate_garch_t([3], 10, 5)
    expected = [(found.returns[0, t : t + 5] ** 2).mean() for t in range(10)]
    np.testing.assert_allclose(found.outcome[0], expected)


def test_a_seed_gives_the_same_series_alone_and_among_others(known):
    alone, among = known.simulate_garch_t([7], 30, 5), known.simulate_garch_t([6, 7, 8], 30, 5)
    np.testing.assert_array_equal(alone.returns[0], among.returns[1])
    errors = known.persistent_errors([7], 30, 2), known.persistent_errors([6, 7], 30, 2)
    np.testing.assert_array_equal(errors[0][:, 0], errors[1][:, 1])


def test_returns_are_those_of_a_garch_model_of_arch(known):
    found = known.simulate_garch_t([1], 20_000, 1)
    model = ConstantMean(100 * found.returns[0], volatility=ArchGARCH(), distribution=StudentsT(), rescale=False)
    fit = model.fit(disp="off").params
    assert fit["alpha[1]"] == pytest.approx(0.08, abs=0.015)
    assert fit["beta[1]"] == pytest.approx(0.90, abs=0.02)
    assert fit["nu"] == pytest.approx(6.0, abs=0.8)


def test_errors_have_their_deviation_and_persistence(known):
    found = known.persistent_errors(range(400), 500, 2, persistence=0.9, deviation=0.3)
    assert found.std() == pytest.approx(0.3, rel=0.03)
    assert found[:, :, 0].std() == pytest.approx(0.3, rel=0.1)
    lagged = np.corrcoef(found[:, :, :-1].ravel(), found[:, :, 1:].ravel())[0, 1]
    assert lagged == pytest.approx(0.9, abs=0.01)
    assert stats.kstest(found[0, :, 250] / 0.3, "norm").pvalue > 0.001
