import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volplugin.volatility import ew_mean, ffill_limited, forward_mean, rolling_mean


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    """Two hundred rows of three columns: whole, with holes, and beginning late."""
    table = np.random.default_rng(5).standard_normal((200, 3)) ** 2
    table[::7, 1] = np.nan
    table[:90, 2] = np.nan
    return table


@pytest.mark.parametrize(("window", "minimum"), [(1, 1), (5, 1), (22, 10), (60, 60), (500, 20)])
def test_rolling_mean_is_that_of_pandas(values, window, minimum):
    expected = pd.DataFrame(values).rolling(window, min_periods=min(minimum, window)).mean()
    np.testing.assert_allclose(rolling_mean(values, window, min(minimum, window)), expected, rtol=1e-9)


@pytest.mark.parametrize("decay", [0.94, 0.97, 1 - 2 / 501])
@pytest.mark.parametrize("minimum", [1, 20])
def test_ew_mean_is_that_of_pandas_within_its_window(values, decay, minimum):
    """A history shorter than the window is all remembered, as pandas remembers."""
    expected = pd.DataFrame(values).ewm(alpha=1 - decay, ignore_na=False, min_periods=minimum).mean()
    # Pandas carries the last mean over a hole; here a hole only lets it age, which is the same number.
    np.testing.assert_allclose(ew_mean(values, decay, 200, minimum), expected, rtol=1e-9)


def test_ew_mean_forgets_after_its_window(values):
    """Against the definition: weights decay ** age for ages below the window, normalised."""
    found, decay, window = ew_mean(values, 0.9, 15), 0.9, 15
    for row in (14, 15, 60, 199):
        for column in range(3):
            known = values[row - window + 1 : row + 1, column]
            weights = decay ** np.arange(window)[::-1] * np.isfinite(known)
            expected = np.nansum(weights * np.nan_to_num(known)) / weights.sum() if weights.any() else np.nan
            np.testing.assert_allclose(found[row, column], expected, rtol=1e-9)


def test_the_past_beyond_the_window_does_not_matter(values):
    wild = values.copy()
    wild[:100] = 1e3
    np.testing.assert_allclose(ew_mean(wild, 0.97, 50)[150:], ew_mean(values, 0.97, 50)[150:], rtol=1e-9)
    np.testing.assert_allclose(rolling_mean(wild, 50)[150:], rolling_mean(values, 50)[150:], rtol=1e-9)
    np.testing.assert_allclose(ew_mean(values[100:], 0.97, 50)[60:], ew_mean(values, 0.97, 50)[160:], rtol=1e-9)


@given(st.integers(0, 199), st.sampled_from([1, 5, 60, 300]), st.sampled_from([1.0, 0.94]), st.sampled_from([1, 20]))
def test_the_last_rows_alone_are_the_same(first, window, decay, minimum):
    """Few rows are summed one by one, many by a filter."""
    values = np.random.default_rng(6).standard_normal((200, 2)) ** 2
    values[50:80, 1] = np.nan
    whole = ew_mean(values, decay, window, minimum)
    np.testing.assert_allclose(ew_mean(values, decay, window, minimum, first), whole[first:], rtol=1e-9)


def test_too_few_values():
    values = np.array([[1.0], [np.nan], [3.0], [5.0]])
    np.testing.assert_array_equal(rolling_mean(values, 3, 2), [[np.nan], [np.nan], [2.0], [4.0]])
    assert np.isnan(rolling_mean(np.full((5, 1), np.nan), 3)).all()


def test_forward_mean():
    values = np.array([[1.0], [2.0], [4.0], [np.nan], [6.0], [8.0]])
    np.testing.assert_array_equal(forward_mean(values, 1).ravel(), [2, 4, np.nan, 6, 8, np.nan])
    np.testing.assert_array_equal(forward_mean(values, 2).ravel(), [3, np.nan, np.nan, 7, np.nan, np.nan])
    assert np.isnan(forward_mean(values, 6)).all()
    assert np.isnan(forward_mean(values, 60)).all()


def test_forward_mean_is_pandas_shifted(values):
    expected = pd.DataFrame(values).rolling(5).mean().shift(-5)
    np.testing.assert_allclose(forward_mean(values, 5), expected, rtol=1e-9)


def test_ffill_limited_by_hand(values):
    table = np.array([[np.nan], [1.0], [np.nan], [np.nan], [np.nan], [2.0]])
    np.testing.assert_array_equal(ffill_limited(table, 2).ravel(), [np.nan, 1, 1, 1, np.nan, 2])
    np.testing.assert_array_equal(ffill_limited(values, 3), pd.DataFrame(values).ffill(limit=3))


def test_arguments_are_not_modified(values):
    before = values.copy()
    for call in (
        lambda: rolling_mean(values, 5),
        lambda: ew_mean(values, 0.9, 5),
        lambda: forward_mean(values, 5),
        lambda: ffill_limited(values, 5),
    ):
        call()
        np.testing.assert_array_equal(values, before)
