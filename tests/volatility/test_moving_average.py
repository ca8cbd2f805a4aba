import numpy as np
import pandas as pd
import pytest
from synthetic import ASOF, SESSIONS, TRAINED

from volplugin import EWMAVolatility, PricePanel, RollingVolatility
from volplugin.errors import ParameterError
from volplugin.volatility import FITTED_HORIZONS, close_to_close_ratio, forward_variance


def whole(synthetic: PricePanel) -> PricePanel:
    """Return five assets without a gap."""
    names = ["ALFA", "BRAV", "CHAR", "GOLF", "HOTE"]
    return PricePanel(**{field: getattr(synthetic, field)[names] for field in ("open", "high", "low", "close")})


# -- rolling ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [5, 20, 60, 252])
def test_rolling_is_that_of_pandas(window, synthetic):
    panel = whole(synthetic)
    expected = np.sqrt((np.log(panel.close).diff() ** 2).rolling(window).mean())
    path = RollingVolatility(window).predict_path(panel, SESSIONS[300], ASOF, horizon=1)
    pd.testing.assert_frame_equal(path, expected.loc[path.index], rtol=1e-9, check_freq=False)


def test_rolling_is_the_same_for_every_horizon(synthetic):
    known = synthetic.asof(ASOF)
    pd.testing.assert_series_equal(RollingVolatility().predict(known, 1), RollingVolatility().predict(known, 252))


def test_rolling_needs_twenty_returns(synthetic):
    path = RollingVolatility(60).predict_path(synthetic, SESSIONS[0], SESSIONS[60])["ALFA"]
    assert path.notna().tolist() == [False] * 20 + [True] * 41
    short = RollingVolatility(5).predict_path(synthetic, SESSIONS[0], SESSIONS[10])["ALFA"]
    assert short.notna().tolist() == [False] * 5 + [True] * 6


def test_rolling_leaves_a_gap_out(synthetic):
    """ECHO's window over its halt holds four returns fewer, the first after it spanning the gap."""
    known = synthetic.asof(SESSIONS[1030])
    returns = np.log(known.close["ECHO"].dropna()).diff()
    expected = np.sqrt((returns.loc[SESSIONS[991] :] ** 2).mean())
    assert RollingVolatility(40).predict(known)["ECHO"] == pytest.approx(expected, rel=1e-9)


def test_prices_that_never_moved_have_a_volatility_above_zero():
    days = pd.bdate_range("2020-01-01", periods=100)
    panel = PricePanel(close=pd.DataFrame({"FLAT": 10.0}, index=days))
    for model in (RollingVolatility(), EWMAVolatility()):
        assert 0 < model.predict(panel)["FLAT"] < 1e-4


@pytest.mark.parametrize("window", [1, 0, -5])
def test_impossible_window(window, synthetic):
    with pytest.raises(ParameterError, match=f"window is {window}"):
        RollingVolatility(window).predict(synthetic)


# -- exponential -----------------------------------------------------------------------------------


@pytest.mark.parametrize("decay", [0.94, 0.97])
def test_ewma_is_that_of_pandas(decay, synthetic):
    """On a history shorter than what is remembered."""
    panel = whole(synthetic).tail(EWMAVolatility(decay).lookback - 21)
    squared = np.log(panel.close).diff() ** 2
    expected = np.sqrt(squared.ewm(alpha=1 - decay).mean().iloc[-1])
    pd.testing.assert_series_equal(EWMAVolatility(decay).predict(panel), expected, rtol=1e-9, check_names=False)


def test_ewma_differs_from_pandas_by_the_dropped_sessions(synthetic):
    """A hundred-millionth of a session's weight, on a history as long as there is."""
    panel = whole(synthetic)
    expected = np.sqrt((np.log(panel.close).diff() ** 2).ewm(alpha=0.06).mean().iloc[-1])
    pd.testing.assert_series_equal(EWMAVolatility().predict(panel), expected, rtol=1e-6, check_names=False)


def test_ewma_is_the_recursion_of_riskmetrics(synthetic):
    """sigma_t^2 = 0.94 sigma_{t-1}^2 + 0.06 r_t^2, once the beginning is forgotten."""
    panel = whole(synthetic)
    path = EWMAVolatility(0.94).predict_path(panel, SESSIONS[600], SESSIONS[900], horizon=1) ** 2
    returns = panel.returns.loc[path.index]
    expected = 0.94 * path.shift(1) + 0.06 * returns**2
    pd.testing.assert_frame_equal(path.iloc[1:], expected.iloc[1:], rtol=1e-6)


def test_raw_ewma_is_the_same_for_every_horizon(synthetic):
    known = synthetic.asof(ASOF)
    pd.testing.assert_series_equal(EWMAVolatility().predict(known, 1), EWMAVolatility().predict(known, 63))


def test_calibrated_ewma_is_the_raw_one_times_a_factor(synthetic):
    """Which makes realised over forecast variance average one on the training data."""
    training, known = synthetic.asof(TRAINED), synthetic.asof(ASOF)
    model = EWMAVolatility(calibrated=True).fit(training)
    raw = EWMAVolatility().predict_in_sample(training, SESSIONS[0], TRAINED, (1,))[1] ** 2
    target = forward_variance(training, FITTED_HORIZONS, close_to_close_ratio(training))
    for knot, horizon in enumerate(FITTED_HORIZONS):
        factor = np.nanmean(target[..., knot] / raw.where(training.close.notna()).to_numpy())
        assert model.factor_[knot] == pytest.approx(factor, rel=1e-9)
        expected = EWMAVolatility().predict(known) * np.sqrt(factor)
        pd.testing.assert_series_equal(model.predict(known, horizon), expected, rtol=1e-9)


def test_only_the_calibrated_model_requires_a_fit():
    assert not EWMAVolatility().requires_fit
    assert EWMAVolatility(calibrated=True).requires_fit


@pytest.mark.parametrize("decay", [0, 1, 1.5, -0.1])
def test_impossible_decay(decay, synthetic):
    with pytest.raises(ParameterError, match=f"decay is {decay}"):
        EWMAVolatility(decay).predict(synthetic)
