import numpy as np
import pandas as pd
import pytest
from scipy import stats

from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation import bias_statistic, mrad, q_statistic, rolling_bias
from volplugin.evaluation.calibration import sampling_band


def test_bias_statistic_is_the_sample_standard_deviation_with_the_exact_band():
    z = pd.Series(np.random.default_rng(0).standard_normal(500) * 1.2)
    z[4] = np.nan
    found = bias_statistic(z)
    assert found.value == pytest.approx(stats.tstd(z.dropna()))
    # The same interval as a confidence interval of a variance, inverted.
    assert found.lower == pytest.approx(np.sqrt(stats.chi2(498).ppf(0.025) / 498))
    assert found.sessions == 499
    assert not found.within


def test_band_covers_as_often_as_it_says():
    draws = np.random.default_rng(1).standard_normal((20_000, 63))
    lower, upper = sampling_band(63)
    spread = draws.std(axis=1, ddof=1)
    assert ((spread > lower) & (spread < upper)).mean() == pytest.approx(0.95, abs=0.006)


def test_mrad_has_its_known_floors():
    random = np.random.default_rng(2)
    gaussian = pd.Series(random.standard_normal(200_000))
    heavy = pd.Series(random.standard_t(6, 200_000) * np.sqrt(4 / 6))
    assert mrad(gaussian) == pytest.approx(0.126, abs=0.002)
    assert mrad(heavy) == pytest.approx(0.169, abs=0.004)


def test_q_statistic_of_right_gaussian_forecasts():
    # E z^2 = 1 and E ln z^2 = digamma(1/2) + ln 2 = -1.2704.
    sigma = pd.Series(np.full(300_000, 1.0))  # so large that the outcome's floor plays no part
    returns = sigma * np.random.default_rng(3).standard_normal(300_000)
    assert q_statistic(returns, sigma) == pytest.approx(2.2704, abs=0.01)


def test_rolling_bias_waits_for_a_full_window():
    z = pd.Series([1.0, -1.0, 1.0, -1.0])
    found = rolling_bias(z, 4)
    assert found[:3].isna().all()
    assert found[3] == pytest.approx(np.sqrt(4 / 3))


def test_bad_sizes_are_named_errors():
    with pytest.raises(InsufficientHistoryError):
        bias_statistic(pd.Series([1.0, np.nan]))
    with pytest.raises(ParameterError):
        sampling_band(1)
