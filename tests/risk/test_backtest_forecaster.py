"""Precomputed sessions of a backtest: the same numbers as forecasts made alone, and only the past in them."""

import numpy as np
import pandas as pd
import pytest
from registry import CALIBRATIONS
from synthetic import SESSIONS

from volplugin import EWMACorrelation, PricePanel, RiskModel, RollingVolatility, TwoSpeedCorrelation

START, END = SESSIONS[1000], SESSIONS[1120]
MODEL = RiskModel(RollingVolatility(40), TwoSpeedCorrelation(EWMACorrelation(20, 0.2), fast_halflife=5, trust=0.5))


@pytest.fixture(scope="module")
def ahead(synthetic):
    forecaster = MODEL.backtest_forecaster()
    forecaster.precompute_vintage(synthetic.asof(END), START, 21)
    return forecaster


@pytest.mark.parametrize("view", ["risk", "structure", "targeting"])
@pytest.mark.parametrize("horizon", [1, 21])
def test_a_precomputed_session_equals_a_forecast_made_alone(horizon, view, ahead, synthetic):
    """Over a halt and a delisting, correlation and portfolio risk to 1e-9."""
    for session in SESSIONS[1010:1118:9]:
        panel = synthetic.asof(session)
        found, arrays = ahead.forecast(panel, horizon, view), ahead.arrays(session, horizon, view)
        alone = MODEL.forecast(panel, horizon, view)
        assert list(found.assets) == list(arrays.assets) == list(alone.assets)
        np.testing.assert_allclose(found.covariance, alone.covariance, rtol=1e-9)
        np.testing.assert_allclose(arrays.correlation, alone.correlation, rtol=1e-9, atol=1e-12)
        equal = pd.Series(1 / len(alone.assets), alone.assets)
        assert found.portfolio_volatility(equal) == pytest.approx(alone.portfolio_volatility(equal), rel=1e-9)
        assert found.diagnostics["excluded"] == alone.diagnostics["excluded"]


def test_later_prices_leave_the_last_bit_of_earlier_sessions(synthetic, ahead):
    close = synthetic.close.copy()
    close.loc[SESSIONS[1061] :] *= 1.5
    close.loc[SESSIONS[1065] :, "ALFA"] = np.nan
    other, clean = MODEL.backtest_forecaster(), MODEL.backtest_forecaster()
    other.precompute_vintage(PricePanel(close=close).asof(END), START, 21)
    clean.precompute_vintage(PricePanel(close=synthetic.close).asof(END), START, 21)
    for session in SESSIONS[1055:1061]:
        one, two = other.arrays(session), clean.arrays(session)
        np.testing.assert_array_equal(one.correlation, two.correlation)
        np.testing.assert_array_equal(one.volatility, two.volatility)
    assert not np.array_equal(other.arrays(SESSIONS[1064]).correlation, clean.arrays(SESSIONS[1064]).correlation)


def test_sessions_that_were_not_precomputed_have_no_arrays(ahead):
    assert ahead.arrays(SESSIONS[900]) is None
    assert ahead.arrays(SESSIONS[1200]) is None
    assert ahead.arrays(SESSIONS[1050], horizon=5) is None


def test_another_horizon_is_added_to_the_precomputed_ones(synthetic):
    forecaster = MODEL.backtest_forecaster()
    for horizon in (21, 5):
        forecaster.precompute_vintage(synthetic.asof(END), START, horizon)
    for horizon in (1, 5, 21):
        assert forecaster.arrays(SESSIONS[1050], horizon) is not None


def test_with_adjustments_forecasts_are_made_in_full(synthetic):
    model = RiskModel(RollingVolatility(40), EWMACorrelation(12), calibration=CALIBRATIONS["asset-bias"]())
    forecaster = model.backtest_forecaster()
    forecaster.precompute_vintage(synthetic.asof(END), START, 21)
    assert forecaster.arrays(SESSIONS[1050]) is None
    panel = synthetic.asof(SESSIONS[1050])
    np.testing.assert_allclose(forecaster.forecast(panel).covariance, model.forecast(panel).covariance, rtol=1e-9)
