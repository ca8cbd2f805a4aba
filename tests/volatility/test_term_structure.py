import numpy as np
import pytest

from volplugin.volatility import FITTED_HORIZONS, interpolate_variance
from volplugin.volatility.term_structure import SMALLEST_SHARE

VARIANCE = np.array([4.0, 3.0, 2.0]) * 1e-4
"""Mean daily variance over 1, 5 and 21 sessions: totals of 4, 15 and 42 (times 1e-4)."""


@pytest.mark.parametrize(
    ("horizon", "total"),
    [
        (1, 4),
        (2, 4 + 11 / 4),
        (3, 4 + 2 * 11 / 4),
        (5, 15),
        (10, 15 + 5 * 27 / 16),
        (21, 42),
        (42, 42 + 21 * 27 / 16),
        (63, 42 + 42 * 27 / 16),
    ],
)
def test_total_variance_is_linear_between_fitted_horizons(horizon, total):
    assert interpolate_variance(VARIANCE, FITTED_HORIZONS, horizon) == pytest.approx(total / horizon * 1e-4, rel=1e-12)


def test_a_flat_term_structure_stays_flat():
    for horizon in (1, 2, 4, 7, 21, 100, 252):
        assert interpolate_variance(np.full(3, 2e-4), FITTED_HORIZONS, horizon) == pytest.approx(2e-4, rel=1e-12)


def test_fitted_horizons_keep_their_variance():
    for knot, variance in zip(FITTED_HORIZONS, VARIANCE, strict=True):
        assert interpolate_variance(VARIANCE, FITTED_HORIZONS, knot) == variance


def test_a_calm_end_never_makes_a_day_without_risk():
    """Totals of 4 and 4.2 leave next to nothing for days 2 to 5: they get the least share of the last knot's."""
    variance = np.array([4.0, 0.84, 2.0]) * 1e-4
    assert interpolate_variance(variance, FITTED_HORIZONS, 3) == pytest.approx((4 + 2 * SMALLEST_SHARE * 2) / 3 * 1e-4)
    steep = np.array([9.0, 1.0, 0.1]) * 1e-4
    assert interpolate_variance(steep, FITTED_HORIZONS, 100) > 0


def test_fitted_horizons_are_the_last_axis():
    table = np.random.default_rng(2).random((7, 3, 3))
    found = interpolate_variance(table, FITTED_HORIZONS, 10)
    assert found.shape == (7, 3)
    assert found[4, 1] == pytest.approx(interpolate_variance(table[4, 1], FITTED_HORIZONS, 10), rel=1e-12)


def test_other_fitted_horizons():
    assert interpolate_variance(np.array([2.0, 1.0]), (2, 10), 6) == pytest.approx((4 + 4 * 6 / 8) / 6)


def test_missing_stays_missing():
    assert np.isnan(interpolate_variance(np.array([[np.nan] * 3]), FITTED_HORIZONS, 10)).all()
