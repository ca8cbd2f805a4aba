import numpy as np
import pytest
from synthetic import ASSETS, SESSIONS

from volplugin import PricePanel
from volplugin.volatility import close_to_close_ratio, forward_variance, purged, rescale


def test_the_ratio_takes_the_proxy_to_squared_returns(synthetic):
    squared = (synthetic.returns**2).to_numpy()
    both = np.isfinite(squared)
    expected = squared[both].mean() / synthetic.variance.to_numpy()[both].mean()
    assert close_to_close_ratio(synthetic) == pytest.approx(expected, rel=1e-12)
    assert close_to_close_ratio(PricePanel(close=synthetic.close)) == pytest.approx(1, rel=0.01)


def test_the_target_by_hand(synthetic):
    """Mean over sessions t+1 .. t+5 of half the squared return and half the scaled proxy."""
    ratio, row, column = 1.1, 700, ASSETS.index("GOLF")
    ahead = slice(row + 1, row + 6)
    squared = synthetic.returns["GOLF"].iloc[ahead] ** 2
    expected = np.mean(0.5 * (squared + ratio * synthetic.variance["GOLF"].iloc[ahead]))
    target = forward_variance(synthetic, (1, 5, 21), ratio)
    assert target.shape == (len(SESSIONS), len(ASSETS), 3)
    assert target[row, column, 1] == pytest.approx(expected, rel=1e-12)


def test_no_target_reaches_beyond_the_panel_or_into_a_gap(synthetic):
    target = forward_variance(synthetic, (1, 5, 21), 1.0)
    for knot, horizon in enumerate((1, 5, 21)):
        assert np.isnan(target[-horizon:, :, knot]).all()
        assert np.isfinite(target[-horizon - 1, 0, knot])
        echo = target[980:1060, ASSETS.index("ECHO"), knot]
        # Halted in rows 1020 to 1023: targets from the horizon before until the row before the last.
        assert np.isnan(echo[40 - horizon : 43]).all()
        assert np.isfinite(echo[: 40 - horizon]).all()
        assert np.isfinite(echo[43:]).all()


def test_purged_targets_were_known_by_the_cut(synthetic):
    """Cutting a longer table and purging it is the same as making it from the prices up to the cut."""
    whole = forward_variance(synthetic, (1, 5, 21), 1.0)
    known = forward_variance(synthetic.asof(SESSIONS[899]), (1, 5, 21), 1.0)
    np.testing.assert_allclose(purged(whole[:900], (1, 5, 21)), known, rtol=1e-12)
    assert np.isfinite(whole[899, 0]).all()
    assert np.isnan(purged(whole[:3], (1, 5, 21))[:, :, 2]).all()


def test_rescale_makes_the_mean_quotient_one():
    random = np.random.default_rng(1)
    forecast, target = random.random((50, 4, 3)) + 0.5, random.random((50, 4, 3))
    target[::5, 2] = np.nan
    factor = rescale(target, forecast)
    assert factor.shape == (3,)
    np.testing.assert_allclose(np.nanmean(target / (forecast * factor), axis=(0, 1)), 1, rtol=1e-12)


def test_rescale_is_the_optimum_of_qlike():
    """No other constant has a lower QLIKE on the same data."""
    random = np.random.default_rng(4)
    forecast, target = random.random((200, 1)) + 0.5, random.random((200, 1))

    def qlike(constant: float) -> float:
        quotient = target / (forecast * constant)
        return float((quotient - np.log(quotient) - 1).mean())

    best = float(rescale(target, forecast)[0])
    assert qlike(best) < min(qlike(best * 1.01), qlike(best * 0.99))
