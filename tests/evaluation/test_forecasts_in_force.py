import numpy as np
import pandas as pd
import pytest
from scipy import stats

from volplugin.errors import ParameterError
from volplugin.evaluation import align_to_returns, combine_pvalues


def test_each_origin_stands_over_its_sessions_in_one_phase():
    sessions = pd.bdate_range("2020-01-01", periods=8)
    volatility = pd.DataFrame({"A": [1.0, 2.0, 3.0, 4.0, 5.0]}, sessions[:5])
    returns = pd.DataFrame({"A": np.arange(8.0)}, sessions)
    found = align_to_returns(volatility, returns, 2)
    np.testing.assert_array_equal(found.returns[:, 0], [1, 2, 3, 4, 5, 6])
    nan = np.nan
    np.testing.assert_array_equal(found.volatility[0, :, 0], [1, 1, 3, 3, 5, 5])
    np.testing.assert_array_equal(found.volatility[1, :, 0], [nan, 2, 2, 4, 4, nan])


@pytest.mark.parametrize("horizon", [1, 5, 21])
def test_phases_together_hold_every_origin_and_session_ahead_once(horizon):
    random = np.random.default_rng(0)
    sessions = pd.bdate_range("2020-01-01", periods=200)
    volatility = pd.DataFrame(random.random((150, 2)) + 1, sessions[10:160], ["A", "B"])
    volatility.iloc[40:50, 1] = np.nan
    returns = pd.DataFrame(random.standard_normal((200, 2)), sessions, ["A", "B"])
    ahead = [returns.shift(-k).loc[volatility.index] / volatility for k in range(1, horizon + 1)]
    expected = np.sort(np.concatenate([frame.to_numpy().ravel() for frame in ahead]))
    found = np.sort(align_to_returns(volatility, returns, horizon).standardized.ravel())
    known = np.isfinite(expected).sum()
    np.testing.assert_allclose(found[np.isfinite(found)], expected[:known])


def test_a_portfolio_begins_to_earn_after_its_first_origin():
    sessions = pd.bdate_range("2020-01-01", periods=4)
    volatility = pd.DataFrame({"book": [1.0, 2.0, 4.0]}, sessions[:3])
    returns = pd.DataFrame({"book": [1.0, 1.0, 1.0]}, sessions[1:])
    np.testing.assert_array_equal(align_to_returns(volatility, returns, 1).standardized[0, :, 0], [1, 0.5, 0.25])


def test_origins_with_a_gap_are_refused():
    sessions = pd.bdate_range("2020-01-01", periods=6)
    volatility = pd.DataFrame({"A": [1.0, 1.0, 1.0]}, sessions[[0, 1, 3]])
    with pytest.raises(ParameterError, match="not consecutive"):
        align_to_returns(volatility, pd.DataFrame({"A": np.ones(6)}, sessions), 2)


def test_p_values_of_phases_are_joined_by_twice_the_median():
    assert combine_pvalues([0.03]) == 0.03
    assert combine_pvalues([0.01, 0.02, 0.3]) == pytest.approx(0.04)
    assert combine_pvalues([0.7, np.nan, 0.8]) == 1.0
    assert np.isnan(combine_pvalues([np.nan]))


def test_joined_p_values_are_cautious_whatever_the_dependence():
    random = np.random.default_rng(1)
    for share in (0.0, 0.9, 1.0):
        z = np.sqrt(share) * random.standard_normal((4000, 1)) + np.sqrt(1 - share) * random.standard_normal((4000, 21))
        joined = np.array([combine_pvalues(row) for row in stats.norm.sf(z)])
        assert (joined < 0.05).mean() < 0.055
