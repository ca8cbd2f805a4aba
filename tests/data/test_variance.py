import math

import numpy as np
import pytest

from volplugin.data import VARIANCE_FLOOR, daily_variance


def proxy(previous: float, open_: float, high: float, low: float, close: float) -> float:
    bar = (np.array([[price]]) for price in (previous, close, open_, high, low))
    return float(daily_variance(*bar)[0, 0])


def test_garman_klass_by_hand():
    """Previous close 100, open 101, high 103, low 99.5, close 102."""
    overnight = math.log(101 / 100) ** 2
    spread = 0.5 * math.log(103 / 99.5) ** 2
    body = (2 * math.log(2) - 1) * math.log(102 / 101) ** 2
    assert proxy(100, 101, 103, 99.5, 102) == pytest.approx(overnight + spread - body, rel=1e-14)
    assert proxy(100, 101, 103, 99.5, 102) == pytest.approx(0.00065910, rel=1e-5)


def test_closes_only_is_the_squared_return():
    values = daily_variance(np.array([[np.nan], [100.0]]), np.array([[100.0], [103.0]]))
    assert np.isnan(values[0, 0])
    assert values[1, 0] == pytest.approx(math.log(1.03) ** 2, rel=1e-14)


@pytest.mark.parametrize(("high", "low"), [(102, 101), (101, 101), (101.5, 101.2)])
def test_the_range_is_widened_to_hold_open_and_close(high, low):
    """As a bar whose high or low misses the open or the close would else give too little, or less than nothing."""
    assert proxy(100, 101, high, low, 103) == pytest.approx(proxy(100, 101, 103, 101, 103), rel=1e-14)


def test_never_negative_nor_zero():
    assert proxy(100, 100, 100, 100, 100) == VARIANCE_FLOOR
    # The widest body that a range can hold is the range itself.
    assert proxy(100, 100, 110, 100, 110) == pytest.approx((0.5 - 2 * math.log(2) + 1) * math.log(1.1) ** 2)


def test_scale_free():
    assert proxy(100, 101, 103, 99.5, 102) == pytest.approx(proxy(0.1, 0.101, 0.103, 0.0995, 0.102), rel=1e-10)


def test_missing_stays_missing():
    assert math.isnan(proxy(np.nan, 101, 103, 99.5, 102))
    assert math.isnan(proxy(100, np.nan, np.nan, np.nan, np.nan))


def test_unbiased_for_a_random_walk():
    """On bars of simulated paths, the mean proxy is the variance that they were drawn with."""
    random = np.random.default_rng(3)
    steps, bars, sigma = 4000, 1500, 0.02
    path = np.cumsum(sigma / np.sqrt(steps) * random.standard_normal((bars, steps)), axis=1)
    overnight = 0.01 * random.standard_normal(bars)
    opened = np.exp(overnight)
    high, low, close = (opened * np.exp(value) for value in (path.max(axis=1), path.min(axis=1), path[:, -1]))
    values = daily_variance(*(array[:, None] for array in (np.ones(bars), close, opened, high, low)))
    assert values.mean() == pytest.approx(sigma**2 + 0.01**2, rel=0.06)
    squared = np.log(close) ** 2
    assert values.std() < 0.75 * squared.std()
