import numpy as np
import pandas as pd
import pytest

from volplugin.correlation import EWMACorrelation, NonlinearShrinkageCorrelation, TwoSpeedCorrelation
from volplugin.correlation.repair import average
from volplugin.correlation.two_speed import fast_average
from volplugin.errors import ParameterError


def returns(common: np.ndarray, n_assets: int = 6, seed: int = 0) -> pd.DataFrame:
    """Draw returns of unit variance whose average correlation is `common` squared, session by session."""
    random = np.random.default_rng(seed)
    factor, own = random.standard_normal((len(common), 1)), random.standard_normal((len(common), n_assets))
    z = common[:, None] * factor + np.sqrt(1 - common[:, None] ** 2) * own
    return pd.DataFrame(z, columns=list("ABCDEF")[:n_assets])


def test_the_fast_average_by_hand():
    z = np.array([[1.0, 2.0, -1.0], [0.5, np.nan, 0.5], [2.0, 1.0, 1.0]])
    together = [(4 - 6) / 6, (1 - 0.5) / 2, (16 - 6) / 6]
    squares = [6 / 3, 0.5 / 2, 6 / 3]
    weights = 0.5 ** (np.array([2, 1, 0]) / 2)
    assert fast_average(z, 2) == pytest.approx((weights @ together) / (weights @ squares), rel=1e-12)


def test_the_average_moves_to_the_fast_one_when_everything_moves_together():
    common = np.where(np.arange(900) < 860, 0.3, 0.9)
    z = returns(common)
    slow, fast = EWMACorrelation(252, shrinkage=0.2).estimate(z), TwoSpeedCorrelation().estimate(z)
    known = z.tail(TwoSpeedCorrelation().lookback).to_numpy()
    scaled = known / np.sqrt((known**2).mean(axis=0))
    assert average(fast.to_numpy()) == pytest.approx(fast_average(scaled[-60:], 10), abs=1e-12)
    assert average(fast.to_numpy()) > average(slow.to_numpy()) + 0.2


def test_the_average_moves_down_in_a_calm_and_the_matrix_stays_psd():
    z = returns(np.where(np.arange(900) < 860, 0.9, 0.1))
    slow, fast = EWMACorrelation(252, shrinkage=0.2).estimate(z), TwoSpeedCorrelation().estimate(z)
    assert average(fast.to_numpy()) < average(slow.to_numpy()) - 0.2
    assert np.linalg.eigvalsh(fast)[0] >= -1e-12
    np.testing.assert_array_equal(np.diag(fast), 1.0)


def test_half_trust_goes_half_of_the_way_between_the_usual_and_the_fast_average():
    z = returns(np.where(np.arange(900) < 860, 0.3, 0.9))
    model = TwoSpeedCorrelation(EWMACorrelation(126), trust=0.5)
    rho, metadata = model.diagnose(z)
    known = z.tail(model.lookback).to_numpy()
    scaled = known / np.sqrt((known**2).mean(axis=0))
    usual, fast = fast_average(scaled), fast_average(scaled[-60:], 10)
    assert metadata["chosen"] == pytest.approx({"fast_average": fast, "usual_average": usual}, rel=1e-12)
    assert average(rho.to_numpy()) == pytest.approx((usual + fast) / 2, abs=1e-12)
    assert usual < fast - 0.2


def test_the_usual_average_counts_every_session_alike():
    z = np.array([[1.0, 2.0, -1.0], [0.5, np.nan, 0.5], [2.0, 1.0, 1.0]])
    assert fast_average(z) == pytest.approx(((4 - 6) / 6 + (1 - 0.5) / 2 + (16 - 6) / 6) / (2 + 0.25 + 2), rel=1e-12)


def test_the_structure_view_is_the_slow_matrix():
    z = returns(np.full(900, 0.5))
    slow = EWMACorrelation(252, shrinkage=0.2).estimate(z)
    pd.testing.assert_frame_equal(TwoSpeedCorrelation().estimate(z, view="structure"), slow)


def test_the_structure_may_be_any_estimator():
    z = returns(np.where(np.arange(900) < 860, 0.3, 0.9))
    structure = NonlinearShrinkageCorrelation(400)
    model = TwoSpeedCorrelation(structure, fast_halflife=5)
    assert model.lookback == 400
    assert TwoSpeedCorrelation(structure, fast_halflife=100).lookback == 600
    pd.testing.assert_frame_equal(model.estimate(z, view="structure"), structure.estimate(z))
    rho, metadata = model.diagnose(z)
    assert metadata["average_correlation"] == pytest.approx(metadata["chosen"]["fast_average"])
    ratio = (1 - rho.to_numpy()) / (1 - structure.estimate(z).to_numpy() + np.eye(6))
    np.testing.assert_allclose(ratio[~np.eye(6, dtype=bool)], ratio[0, 1], rtol=1e-9)


def test_the_structure_can_be_reached_by_name():
    model = TwoSpeedCorrelation(EWMACorrelation(126))
    assert model.set_params(structure__halflife=63).lookback == 6 * 63


def test_a_structure_within_a_structure_gives_its_own():
    z = returns(np.full(900, 0.5))
    inner = TwoSpeedCorrelation(EWMACorrelation(126), fast_halflife=5)
    outer = TwoSpeedCorrelation(inner, fast_halflife=20)
    pd.testing.assert_frame_equal(outer.estimate(z, view="structure"), EWMACorrelation(126).estimate(z))


def test_missing_sessions_do_not_shift_the_weights():
    z = returns(np.full(300, 0.5))
    holed = z.copy()
    holed.iloc[-3] = np.nan
    weights = 0.5 ** (np.array([3, 1, 0]) / 2)
    last = z.to_numpy()[[-4, -2, -1]]
    together = [(row.sum() ** 2 - (row**2).sum()) / 30 for row in last]
    expected = (weights @ together) / (weights @ (last**2).mean(axis=1))
    assert fast_average(holed.to_numpy()[-4:], 2) == pytest.approx(expected, rel=1e-12)


def test_bad_parameters_and_views_are_named():
    with pytest.raises(ParameterError, match="fast_halflife is 0"):
        TwoSpeedCorrelation(fast_halflife=0).estimate(returns(np.full(50, 0.5)))
    with pytest.raises(ParameterError, match="trust is 1.5; pass a share"):
        TwoSpeedCorrelation(trust=1.5).estimate(returns(np.full(50, 0.5)))
    with pytest.raises(ParameterError, match="view is 'other'"):
        TwoSpeedCorrelation().estimate(returns(np.full(50, 0.5)), view="other")


def test_the_view_for_targeting_trusts_the_fast_average_of_its_own_half_life():
    z = returns(np.full(600, 0.4), seed=3)
    model = TwoSpeedCorrelation(fast_halflife=7, trust=0.5, targeting_halflife=5)
    trusted = TwoSpeedCorrelation(fast_halflife=5, trust=1.0)
    pd.testing.assert_frame_equal(model.estimate(z, "targeting"), trusted.estimate(z, "risk"))
    assert not np.allclose(model.estimate(z, "targeting"), model.estimate(z, "risk"))


def test_other_estimators_have_one_view_for_risk_and_targeting():
    z, model = returns(np.full(600, 0.4), seed=3), EWMACorrelation(63)
    pd.testing.assert_frame_equal(model.estimate(z, "targeting"), model.estimate(z, "risk"))


def test_an_impossible_half_life_for_targeting_is_named():
    with pytest.raises(ParameterError, match="targeting_halflife is 0"):
        TwoSpeedCorrelation(targeting_halflife=0).estimate(returns(np.full(50, 0.5)))
