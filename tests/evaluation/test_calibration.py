import numpy as np
import pandas as pd
import pytest
from scipy import stats

from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation import bias_statistic, fit_dof, mrad, q_statistic, rolling_bias, sampling_band
from volplugin.evaluation.bands import mrad_and_q_bands, shuffled_returns


def test_bias_statistic_is_the_sample_standard_deviation():
    z = pd.Series(np.random.default_rng(0).standard_normal(500) * 1.2)
    z[4] = np.nan
    found = bias_statistic(z)
    assert found.value == pytest.approx(stats.tstd(z.dropna()))
    assert found.sessions == 499
    assert not found.within


def test_gaussian_band_is_the_exact_one():
    # The interval of a variance, inverted.
    lower, upper = sampling_band(499)
    assert lower == pytest.approx(np.sqrt(stats.chi2(498).ppf(0.025) / 498))
    assert upper == pytest.approx(np.sqrt(stats.chi2(498).ppf(0.975) / 498))


@pytest.mark.parametrize("dof", [np.inf, 5.0])
def test_band_covers_as_often_as_it_says(dof):
    random = np.random.default_rng(1)
    draws = random.standard_normal((20_000, 63)) if np.isinf(dof) else random.standard_t(dof, (20_000, 63))
    draws = draws if np.isinf(dof) else draws * np.sqrt((dof - 2) / dof)
    lower, upper = sampling_band(63, dof=dof)
    spread = draws.std(axis=1, ddof=1)
    assert ((spread > lower) & (spread < upper)).mean() == pytest.approx(0.95, abs=0.012)


@pytest.mark.parametrize("dof", [3.5, 6.0, 12.0])
def test_fitted_tails_equal_the_maximum_likelihood_fit_of_scipy(dof):
    z = np.random.default_rng(4).standard_t(dof, 20_000)
    fitted, _, _ = stats.t.fit(z, floc=0)
    assert fit_dof(z) == pytest.approx(fitted, rel=0.15)
    assert fit_dof(3 * z) == pytest.approx(fit_dof(z), rel=1e-3)


def test_gaussian_tails_are_wide_or_infinite():
    assert fit_dof(np.random.default_rng(5).standard_normal(20_000)) > 30


def test_shuffled_returns_have_the_values_of_the_sample_and_the_level_of_right_ones():
    z = 1.3 * np.random.default_rng(6).standard_t(6, 400)
    rows = shuffled_returns(z, 6.0)
    levels = rows.std(axis=1, ddof=1)
    shape = np.sort(z) / z.std(ddof=1)
    np.testing.assert_allclose(np.sort(rows, axis=1) / levels[:, None], np.tile(shape, (500, 1)), atol=1e-12)
    lower, upper = sampling_band(400, dof=6.0)
    assert ((levels > lower) & (levels < upper)).mean() == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(("factor", "least", "most"), [(1.0, 0.0, 0.10), (0.8, 0.8, 1.0)])
def test_bands_of_mrad_and_q_hold_right_forecasts_and_reject_low_ones(factor, least, most):
    sigma = np.full(1000, 0.01)
    outside = np.zeros(2)
    for seed in range(100):
        returns = pd.Series(sigma * np.random.default_rng(seed).standard_t(6, 1000) * np.sqrt(4 / 6))
        z = (returns / (factor * sigma)).to_numpy()
        mrad_band, q_band = mrad_and_q_bands(shuffled_returns(z, 6.0, 200), factor * sigma)
        outside += [
            not mrad_band.lower <= mrad(pd.Series(z)) <= mrad_band.upper,
            not q_band.lower <= q_statistic(returns, pd.Series(factor * sigma)) <= q_band.upper,
        ]
    assert least <= outside[1] / 100 <= most
    assert outside[0] / 100 <= 0.10 or factor < 1


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
    with pytest.raises(ParameterError, match="infinite"):
        bias_statistic(pd.Series([1.0, np.inf, 2.0]))
    with pytest.raises(InsufficientHistoryError):
        fit_dof(np.zeros(100))
