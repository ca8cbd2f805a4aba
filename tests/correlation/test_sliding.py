"""Estimates at successive rows of one array equal the estimates of each window, and use no later row."""

import numpy as np
import pytest
from registry import CORRELATIONS

from volplugin import EWMACorrelation, FactorCorrelation, RollingCorrelation, TwoSpeedCorrelation

ESTIMATORS = CORRELATIONS | {
    "two-speed-default": lambda: TwoSpeedCorrelation(EWMACorrelation(30, 0.2), fast_halflife=7, trust=0.5),
    "factor-decayed": lambda: FactorCorrelation(60, halflife=20),
}
VIEWS = ("risk", "structure", "targeting")
SESSIONS, ASSETS = 420, 10


@pytest.fixture(scope="module")
def market() -> tuple[np.ndarray, np.ndarray]:
    """Correlated returns with a listing, a halt, a delisting, a flat asset and sessions without any asset."""
    random = np.random.default_rng(3)
    z = 0.6 * random.standard_normal((SESSIONS, 1)) + 0.8 * random.standard_normal((SESSIONS, ASSETS))
    live = np.ones(z.shape, dtype=bool)
    z[:20] = np.nan
    z[:150, 3], live[:160, 3] = np.nan, False  # listed, with a forecast ten sessions later
    z[200:240, 5] = np.nan  # halted
    z[300:, 9], live[310:, 9] = np.nan, False  # delisted
    z[180:, 8] = 0.0  # stops moving
    z[250] = np.nan  # a session without any asset
    z[260, :9] = np.nan  # and one of a single asset
    return z, live


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_each_row_equals_the_estimate_of_its_window(name, view, market):
    z, live = market
    estimator = ESTIMATORS[name]()
    sliding = estimator.sliding(z, live)
    for row in (*range(170, 330, 3), *range(400, SESSIONS), 171):
        window = np.ascontiguousarray(z[max(0, row + 1 - estimator.lookback) : row + 1][:, live[row]])
        found, expected = sliding.at(row, view), estimator.estimate_window(window, view)
        np.testing.assert_allclose(found.correlation, expected.correlation, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(found.correlation, found.correlation.T)
        np.testing.assert_allclose(found.moments.observations, expected.moments.observations, rtol=1e-9)
        assert found.estimated_params == pytest.approx(expected.estimated_params, rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_no_row_depends_on_a_later_one(name, market):
    """Another future, with other gaps, leaves the last bit of what came before it as it was."""
    z, live = market
    poisoned, other = z.copy(), live.copy()
    poisoned[301:] = 10.0
    poisoned[320:, :4], other[320:, :4] = np.nan, False
    one, two = (ESTIMATORS[name]().sliding(*arrays) for arrays in ((z, live), (poisoned, other)))
    for row in range(281, 301):  # one after the other, so that rows after 300 are computed with row 300
        np.testing.assert_array_equal(one.at(row, "risk").correlation, two.at(row, "risk").correlation)
    assert not np.array_equal(one.at(310, "risk").correlation, two.at(310, "risk").correlation)


@pytest.mark.parametrize("name", ["ewma", "rolling", "two-speed", "two-speed-default"])
def test_the_order_of_requests_does_not_matter(name, market):
    straight, jumping = (ESTIMATORS[name]().sliding(*market) for _ in range(2))
    rows = range(240, 300)
    expected = {row: straight.at(row, "risk").correlation for row in rows}
    for row in (299, 240, 270, 271, 260):
        np.testing.assert_array_equal(jumping.at(row, "risk").correlation, expected[row])


def test_an_estimator_with_its_own_moments_is_estimated_window_by_window(market):
    class Doubled(RollingCorrelation):
        def _estimate(self, z):
            moments = super()._estimate(z)
            return moments._replace(correlation=moments.correlation * 0.5)

    z, live = market
    found = Doubled(60).sliding(z, live).at(170, "risk")
    window = np.ascontiguousarray(z[111:171][:, live[170]])
    np.testing.assert_array_equal(found.correlation, Doubled(60).estimate_window(window).correlation)


def test_a_matrix_is_not_changed_by_the_next_row(market):
    sliding = EWMACorrelation(12).sliding(*market)
    first = sliding.at(200, "risk")
    correlation, observations = first.correlation.copy(), first.moments.observations.copy()
    sliding.at(201, "risk")
    np.testing.assert_array_equal(first.correlation, correlation)
    np.testing.assert_array_equal(first.moments.observations, observations)
