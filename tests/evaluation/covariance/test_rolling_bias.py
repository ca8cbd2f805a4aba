import numpy as np
import pandas as pd
import pytest

from volplugin.evaluation import mrad
from volplugin.evaluation.covariance import rolling_deviation

MONTH = 21


def laid_out(score, horizon, phase):
    """Standardised returns of one phase, one session after the other."""
    return pd.Series(score[phase::horizon, :, 0].ravel())


def test_every_window_of_every_phase_is_measured_once():
    horizon, origins = 5, 103
    score = np.random.default_rng(0).standard_normal((origins, horizon, 1))
    deviation, count = rolling_deviation(score, np.arange(origins) + 17)
    total, number = 0.0, 0
    for phase in range(horizon):
        series = laid_out(score, horizon, phase)
        windows = len(series) - MONTH + 1
        total, number = total + mrad(series, MONTH) * windows, number + windows
    assert count.sum() == number
    assert deviation.sum() == pytest.approx(total)


def test_a_window_belongs_to_the_origin_over_its_first_day():
    score = np.random.default_rng(1).standard_normal((42, 21, 1))
    deviation, count = rolling_deviation(score, np.arange(42))
    series = laid_out(score, 21, 0)
    own = [abs(series[day : day + MONTH].std() - 1) for day in range(21)]
    assert deviation[0, 0] == pytest.approx(sum(own))
    assert count[0, 0] == 21
    # The last origin of a phase has its first window alone.
    assert count[21:, 0].tolist() == [1] * 21


def test_windows_do_not_reach_across_gaps():
    score = np.random.default_rng(2).standard_normal((2, 21, 3))
    deviation, count = rolling_deviation(score, np.array([0, 42]))
    assert count.tolist() == [[1] * 3] * 2
    np.testing.assert_allclose(deviation[1], np.abs(score[1].std(axis=0, ddof=1) - 1))


def test_a_sparse_grid_of_origins_is_one_phase():
    score = np.random.default_rng(3).standard_normal((4, 21, 2))
    deviation, count = rolling_deviation(score, np.array([3, 24, 45, 66]))
    assert count[:, 0].tolist() == [21, 21, 21, 1]
