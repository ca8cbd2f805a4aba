"""Precomputed sessions of a backtest: the same numbers as forecasts made alone, and only the past in them."""

import numpy as np
import pandas as pd
import pytest
from registry import CALIBRATIONS
from synthetic import SESSIONS, TRAINED

from volplugin import EWMACorrelation, HARVolatility, PricePanel, RiskModel, RollingVolatility, TwoSpeedCorrelation
from volplugin.risk.volatility_history import VolatilityHistory
from volplugin.storage.forecast_cache import ForecastCache

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


def test_stored_forecasts_belong_to_the_fitted_numbers_prices_and_horizons(synthetic, tmp_path, monkeypatch):
    """Two models trained through one date on the same assets differ in their numbers alone."""
    cache, known = ForecastCache(tmp_path), synthetic.asof(SESSIONS[1030])
    models = [
        HARVolatility().fit(panel) for panel in (synthetic.asof(TRAINED), scaled_volatility(synthetic.asof(TRAINED)))
    ]
    found = []
    for model in models:
        history = VolatilityHistory(cache).of(model, known, 20, (5,))
        plain = VolatilityHistory().of(model, known, 20, (5,))
        assert set(history) == set(plain) == {1, 5}
        pd.testing.assert_frame_equal(history[5], plain[5], check_exact=True)
        assert list(history[1].index) == list(SESSIONS[1011:1031])
        found.append(history[5])
    assert not np.allclose(*found, equal_nan=True)
    assert len(list(tmp_path.iterdir())) == 2
    with monkeypatch.context() as patch:
        patch.setattr(HARVolatility, "predict_in_sample", None)
        for model, expected in zip(models, found, strict=True):
            again = VolatilityHistory(ForecastCache(tmp_path)).of(model, known, 20, (5,))
            pd.testing.assert_frame_equal(again[5], expected, check_exact=True, check_freq=False)
    VolatilityHistory(cache).of(models[0], known, 19, (5,))
    VolatilityHistory(cache).of(models[0], known, 20, (21,))
    VolatilityHistory(cache).of(models[0], synthetic.asof(SESSIONS[1031]), 20, (5,))
    assert len(list(tmp_path.iterdir())) == 5


def test_stored_event_free_forecasts_belong_to_their_rows(synthetic, tmp_path):
    model, known = HARVolatility("season").fit(synthetic.asof(TRAINED)), synthetic.asof(SESSIONS[1030])
    for rows in (3, 20):
        found = VolatilityHistory(ForecastCache(tmp_path)).of(model, known, 20, (5,), event_free_rows=rows)
        assert found[-5]["ALFA"].notna().sum() == rows


def scaled_volatility(panel: PricePanel) -> PricePanel:
    """Return a panel whose returns are twice as large."""
    return PricePanel(close=np.exp(2 * np.log(panel.close)))


def test_past_sessions_are_added_and_older_ones_dropped(synthetic):
    history, model = VolatilityHistory(), RollingVolatility(40)
    for stop, rows in ((1000, 10), (1003, 10), (1003, 5), (1020, 12), (1010, 4)):
        paths = history.of(model, synthetic.asof(SESSIONS[stop]), rows, ())
        expected = model.predict_path(synthetic, SESSIONS[stop - rows + 1], SESSIONS[stop], horizon=1)
        pd.testing.assert_frame_equal(paths[1], expected, check_freq=False, check_names=False, rtol=1e-12)


def test_with_adjustments_forecasts_are_made_in_full(synthetic):
    model = RiskModel(RollingVolatility(40), EWMACorrelation(12), calibration=CALIBRATIONS["asset-bias"]())
    forecaster = model.backtest_forecaster()
    forecaster.precompute_vintage(synthetic.asof(END), START, 21)
    assert forecaster.arrays(SESSIONS[1050]) is None
    panel = synthetic.asof(SESSIONS[1050])
    np.testing.assert_allclose(forecaster.forecast(panel).covariance, model.forecast(panel).covariance, rtol=1e-9)
