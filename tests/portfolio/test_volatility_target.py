import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volplugin import CovarianceForecast, HARVolatility, ModelStore, VolatilityTarget, WalkForward, default_risk_model
from volplugin.errors import AssetMismatchError, MissingForecastError, ParameterError
from volplugin.portfolio import ShockLimit, TrackRecord, forward_forecast, holding_horizon
from volplugin.portfolio.defaults import (
    TARGETING_HORIZON,
    TARGETING_VIEW,
    targeting_correlation,
    targeting_risk_model,
    targeting_rule,
)
from volplugin.risk.defaults import default_correlation

NAMES = ["AAPL", "JPM"]
YEAR = np.sqrt(252)


def forecast(sigma: float = 0.01, rho: float = 0.0) -> CovarianceForecast:
    """Two assets of the same volatility."""
    correlation = pd.DataFrame([[1.0, rho], [rho, 1.0]], index=NAMES, columns=NAMES)
    return CovarianceForecast(pd.Timestamp("2010-01-29"), 21, pd.Series(sigma, index=NAMES), correlation)


def portfolio(*weights: float) -> pd.Series:
    return pd.Series(weights, index=NAMES)


def leverage(weights: pd.Series) -> float:
    return float(weights.abs().sum())


# -- meeting the target ----------------------------------------------------------------------------


def test_the_forecast_of_the_result_is_the_target():
    scaled = VolatilityTarget(0.08, max_leverage=3).scale(portfolio(0.5, 0.5), forecast())
    assert forecast().portfolio_volatility(scaled, periods=252) == pytest.approx(0.08, rel=1e-12)
    # Equal weights of two uncorrelated assets of 1% a day: 1% / sqrt(2) a day.
    assert scaled["AAPL"] == pytest.approx(0.5 * 0.08 / (0.01 / np.sqrt(2) * YEAR), rel=1e-12)


def test_the_composition_stays():
    scaled = VolatilityTarget(0.08, max_leverage=3).scale(portfolio(0.9, -0.3), forecast(rho=0.4))
    assert scaled["AAPL"] / scaled["JPM"] == pytest.approx(-3, rel=1e-12)
    assert list(scaled.index) == NAMES


def test_the_given_leverage_does_not_matter():
    target = VolatilityTarget(0.08, max_leverage=3)
    once, thrice = (target.scale(factor * portfolio(0.7, 0.3), forecast()) for factor in (1, 3))
    np.testing.assert_allclose(once, thrice, rtol=1e-12)


def test_other_years():
    scaled = VolatilityTarget(0.1, max_leverage=9, periods=365).scale(portfolio(1, 0), forecast())
    assert scaled["AAPL"] == pytest.approx(0.1 / (0.01 * np.sqrt(365)))


def test_mapping_for_weights():
    target = VolatilityTarget(0.08, max_leverage=3)
    pd.testing.assert_series_equal(
        target.scale({"AAPL": 0.5, "JPM": 0.5}, forecast()), target.scale(portfolio(0.5, 0.5), forecast())
    )


def test_inputs_are_left_alone():
    weights, held = portfolio(0.5, 0.5), portfolio(0.1, 0.1)
    VolatilityTarget(0.08, band=0.1).scale(weights, forecast(), current=held)
    assert weights.tolist() == [0.5, 0.5]
    assert held.tolist() == [0.1, 0.1]


# -- caps ------------------------------------------------------------------------------------------


def test_the_cap():
    scaled = VolatilityTarget(0.10, max_leverage=1.5).scale(portfolio(0.5, 0.5), forecast(sigma=0.002))
    assert leverage(scaled) == pytest.approx(1.5, rel=1e-12)


def test_the_cap_is_on_absolute_weights():
    scaled = VolatilityTarget(0.10, max_leverage=1.5).scale(portfolio(0.5, -0.5), forecast(sigma=0.002))
    assert leverage(scaled) == pytest.approx(1.5, rel=1e-12)
    assert scaled.sum() == pytest.approx(0, abs=1e-12)


def test_leverage_is_capped_by_default():
    assert leverage(VolatilityTarget(0.5).scale(portfolio(1, 1), forecast())) == pytest.approx(1.5)


def test_the_floor():
    scaled = VolatilityTarget(0.01, min_leverage=0.4).scale(portfolio(0.5, 0.5), forecast(sigma=0.05))
    assert leverage(scaled) == pytest.approx(0.4)


def test_a_riskless_portfolio_is_held_at_the_cap():
    scaled = VolatilityTarget(0.10, max_leverage=1.5).scale(portfolio(0.5, -0.5), forecast(rho=1.0))
    assert leverage(scaled) == pytest.approx(1.5)


def test_an_empty_portfolio_stays_empty():
    for weights in (portfolio(0, 0), {}, pd.Series(dtype=float)):
        scaled = VolatilityTarget(0.10, min_leverage=0.5).scale(weights, forecast())
        assert leverage(scaled) == 0


# -- the no-trade band -----------------------------------------------------------------------------

WANTED = 0.10 / (0.01 * YEAR)
"""Leverage that the target asks of AAPL alone."""


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (WANTED * 1.05, WANTED * 1.05),
        (WANTED * 0.95, WANTED * 0.95),
        (WANTED * 1.30, WANTED * 1.10),
        (WANTED * 0.50, WANTED * 0.90),
        (0.0, WANTED * 0.90),
    ],
    ids=["inside above", "inside below", "outside above", "outside below", "nothing held"],
)
def test_inside_the_band_the_leverage_stays(held, expected):
    target = VolatilityTarget(0.10, max_leverage=5, band=0.10)
    scaled = target.scale({"AAPL": 1.0}, forecast(), current={"AAPL": held})
    assert scaled["AAPL"] == pytest.approx(expected, rel=1e-12)


def test_the_band_never_lifts_the_cap():
    target = VolatilityTarget(0.10, max_leverage=0.5, band=0.5)
    assert leverage(target.scale({"AAPL": 1.0}, forecast(), current={"AAPL": 0.7})) == pytest.approx(0.5)


def test_inside_the_band_the_composition_still_moves():
    target = VolatilityTarget(0.10, max_leverage=5, band=0.9)
    scaled = target.scale(portfolio(0.5, 0.5), forecast(), current=portfolio(0.6, 0.0))
    np.testing.assert_allclose(scaled, [0.3, 0.3])


def test_without_a_band_what_is_held_does_not_matter():
    target = VolatilityTarget(0.10, max_leverage=5, band=0.0)
    scaled = target.scale({"AAPL": 1.0}, forecast(), current={"AAPL": 3.0})
    assert scaled["AAPL"] == pytest.approx(WANTED)


# -- feedback --------------------------------------------------------------------------------------


def track(predicted: float, realized: float, length: int = 60) -> pd.DataFrame:
    sign = np.where(np.arange(length) % 2, 1, -1)
    return pd.DataFrame({"predicted": predicted, "realized": realized * sign})


def test_full_feedback_divides_by_the_ratio():
    """Realised twice the predicted: half the leverage."""
    target = VolatilityTarget(0.10, max_leverage=5, feedback_prior=0.0)
    scaled = target.scale({"AAPL": 1.0}, forecast(), track_record=track(0.01, 0.02))
    assert scaled["AAPL"] == pytest.approx(WANTED / 2, rel=1e-12)


def test_half_feedback_divides_by_its_root():
    target = VolatilityTarget(0.10, max_leverage=5, feedback=0.5, feedback_prior=0.0)
    scaled = target.scale({"AAPL": 1.0}, forecast(), track_record=track(0.01, 0.04))
    assert scaled["AAPL"] == pytest.approx(WANTED / 2, rel=1e-12)


def test_recent_sessions_count_more():
    """A half-life of one session: weights 1, 1/2 and 1/4, newest first."""
    record = pd.DataFrame({"predicted": [0.01] * 3, "realized": [0.04, -0.02, 0.01]})
    ratio = (0.01**2 + 0.02**2 / 2 + 0.04**2 / 4) / (0.01**2 * 1.75)
    target = VolatilityTarget(0.10, max_leverage=5, feedback_halflife=1, feedback_prior=0.0)
    scaled = target.scale({"AAPL": 1.0}, forecast(), track_record=record)
    assert scaled["AAPL"] == pytest.approx(WANTED / np.sqrt(ratio), rel=1e-12)


def test_feedback_can_be_switched_off():
    target = VolatilityTarget(0.10, max_leverage=5, feedback=0.0)
    scaled = target.scale({"AAPL": 1.0}, forecast(), track_record=track(0.01, 0.05))
    assert scaled["AAPL"] == pytest.approx(WANTED)


@pytest.mark.parametrize(
    "record",
    [
        None,
        track(0.01, 0.02, 0),
        track(np.nan, 0.02),
        track(0.01, np.nan),
        track(0.0, 0.02),
        track(0.01, 0.0),
        track(np.inf, 0.02),
        track(0.01, np.inf),
        track(np.inf, np.inf),
    ],
)
def test_a_useless_record_changes_nothing(record):
    target = VolatilityTarget(0.10, max_leverage=5, feedback=1.0)
    scaled = target.scale({"AAPL": 1.0}, forecast(), track_record=record)
    assert scaled["AAPL"] == pytest.approx(WANTED)


def test_the_prior_adds_sessions_that_went_as_predicted():
    """One session realised a tenth of the prediction; three more as predicted are added to it."""
    target = VolatilityTarget(0.10, max_leverage=9, feedback=1.0, feedback_prior=3)
    scaled = target.scale({"AAPL": 1.0}, forecast(), track_record=track(0.01, 0.001, 1))
    assert scaled["AAPL"] == pytest.approx(WANTED * np.sqrt(4 / 3.01), rel=1e-12)


def test_the_prior_fades_beside_a_long_record():
    target = VolatilityTarget(0.10, max_leverage=9, feedback=1.0, feedback_halflife=1e6, feedback_prior=5)
    scaled = target.scale({"AAPL": 1.0}, forecast(), track_record=track(0.01, 0.02, 5000))
    assert scaled["AAPL"] == pytest.approx(WANTED / 2, rel=2e-3)


# -- the track record ------------------------------------------------------------------------------


def test_a_record_pairs_what_was_expected_with_what_came_after():
    record = TrackRecord()
    record.observe(0.5)  # nothing was expected of this session
    for predicted, came in [(0.01, 0.02), (0.011, -0.01), (np.nan, 0.01), (0.0, 0.01), (0.012, 0.003)]:
        record.expect(predicted)
        record.observe(came)
    record.expect(0.013)
    expected = pd.DataFrame({"predicted": [0.01, 0.011, 0.012], "realized": [0.02, -0.01, 0.003]})
    pd.testing.assert_frame_equal(record.frame, expected)
    assert len(record) == 3


def test_an_expectation_is_used_once():
    record = TrackRecord()
    record.expect(0.01)
    record.observe(0.02)
    record.observe(0.03)
    assert record.frame["realized"].tolist() == [0.02]


def test_a_record_forgets_its_oldest_sessions():
    record = TrackRecord(length=2)
    for came in (0.01, 0.02, 0.03):
        record.expect(0.01)
        record.observe(came)
    assert record.frame["realized"].tolist() == [0.02, 0.03]
    with pytest.raises(ParameterError, match="length is 0"):
        TrackRecord(length=0)


def test_an_empty_record_changes_nothing():
    target = VolatilityTarget(0.10, max_leverage=5, feedback=1.0)
    scaled = target.scale({"AAPL": 1.0}, forecast(), track_record=TrackRecord().frame)
    assert scaled["AAPL"] == pytest.approx(WANTED)


# -- the net cap and shocks ------------------------------------------------------------------------


def test_the_net_cap():
    target = VolatilityTarget(0.50, max_leverage=3, max_net=0.4)
    scaled = target.scale(portfolio(0.75, -0.25), forecast())
    assert scaled.sum() == pytest.approx(0.4, rel=1e-12)
    assert leverage(scaled) == pytest.approx(0.8, rel=1e-12)
    assert leverage(target.scale(portfolio(0.5, -0.5), forecast())) == pytest.approx(3)


def test_the_net_cap_is_on_short_portfolios_too():
    scaled = VolatilityTarget(0.50, max_leverage=3, max_net=0.4).scale(portfolio(-0.5, -0.5), forecast())
    assert scaled.sum() == pytest.approx(-0.4, rel=1e-12)


def test_a_limit_goes_before_the_floor():
    target = VolatilityTarget(0.01, max_leverage=3, min_leverage=1.0, max_net=0.4)
    assert leverage(target.scale(portfolio(0.5, 0.5), forecast())) == pytest.approx(0.4, rel=1e-12)


def test_a_shock_of_twice_the_volatility_and_perfect_correlation():
    """Uncorrelated assets of 1% a day: in the shock each weight carries 2%, and they add up."""
    limit = ShockLimit(0.30, volatility=2.0, correlation=1.0)
    scaled = VolatilityTarget(0.50, max_leverage=9, shock=limit).scale(portfolio(0.5, 0.5), forecast())
    assert leverage(scaled) == pytest.approx(0.30 / (2 * 0.01 * YEAR), rel=1e-12)
    assert limit.volatility_of(scaled, forecast()) == pytest.approx(0.30, rel=1e-12)


def test_a_shock_is_the_forecast_of_the_moved_matrix():
    limit, weights = ShockLimit(1.0, volatility=3.0, correlation=0.4), portfolio(0.7, 0.2)
    moved = forecast(sigma=0.03, rho=0.6 * 0.25 + 0.4)
    expected = moved.portfolio_volatility(weights, periods=252)
    assert limit.volatility_of(weights, forecast(rho=0.25)) == pytest.approx(expected, rel=1e-12)


def test_a_hedge_does_not_count_in_a_shock():
    """Everything moving together would leave a long-short book without risk; its volatility today is what counts."""
    limit = ShockLimit(0.30, volatility=1.0)
    calm = forecast().portfolio_volatility(portfolio(0.5, -0.5), periods=252)
    assert limit.volatility_of(portfolio(0.5, -0.5), forecast()) == pytest.approx(calm, rel=1e-12)


def test_a_wide_shock_limit_changes_nothing():
    with_limit = VolatilityTarget(0.10, max_leverage=3, shock=ShockLimit(5.0)).scale(portfolio(0.5, 0.5), forecast())
    pd.testing.assert_series_equal(
        with_limit, VolatilityTarget(0.10, max_leverage=3).scale(portfolio(0.5, 0.5), forecast())
    )


@pytest.mark.parametrize(
    ("values", "output"),
    [
        ({"limit": 0.0}, "limit is 0.0"),
        ({"limit": np.nan}, "limit is nan"),
        ({"limit": 0.2, "volatility": 0.0}, "volatility is 0.0"),
        ({"limit": 0.2, "volatility": np.inf}, "volatility is inf"),
        ({"limit": 0.2, "correlation": 1.1}, "correlation is 1.1"),
    ],
)
def test_impossible_shocks(values, output):
    with pytest.raises(ParameterError, match=output):
        ShockLimit(**values)


# -- noise of the forecast -------------------------------------------------------------------------


def test_the_correction_for_a_noisy_forecast_meets_the_target():
    """Jensen: of a variance that is right on average, one over the root is too large on average."""
    random, noise = np.random.default_rng(0), 0.25
    believed = 0.01 * np.exp(noise * random.standard_normal(20_000) - noise**2)
    assert np.mean(believed**2) == pytest.approx(0.01**2, rel=0.02)
    for assumed, overshoot in ((0.0, np.exp(2 * noise**2)), (noise, 1.0)):
        target = VolatilityTarget(0.10, max_leverage=50, vol_of_vol=assumed)
        one = target.scale({"AAPL": 1.0}, forecast())["AAPL"] * 0.01
        carried = np.sqrt(np.mean((one / believed) ** 2)) * 0.01 * YEAR
        assert carried == pytest.approx(0.10 * overshoot, rel=0.01)


# -- turnover --------------------------------------------------------------------------------------


def test_turnover_stops_on_the_way():
    target = VolatilityTarget(0.10, max_leverage=5, band=0.0, max_turnover=0.2)
    scaled = target.scale({"AAPL": 1.0}, forecast(), current={"AAPL": WANTED - 0.5})
    assert scaled["AAPL"] == pytest.approx(WANTED - 0.3, rel=1e-12)
    near = target.scale({"AAPL": 1.0}, forecast(), current={"AAPL": WANTED - 0.1})
    assert near["AAPL"] == pytest.approx(WANTED, rel=1e-12)


def test_turnover_sells_what_is_no_longer_wanted_in_steps():
    target = VolatilityTarget(0.10, max_leverage=5, band=0.0, max_turnover=0.2)
    scaled = target.scale({"AAPL": 1.0}, forecast(), current={"AAPL": WANTED, "XYZ": 0.5})
    assert scaled["XYZ"] == pytest.approx(0.3, rel=1e-12)
    assert scaled["AAPL"] == pytest.approx(WANTED, rel=1e-12)


def test_turnover_of_a_portfolio_to_be_closed():
    target = VolatilityTarget(0.10, max_leverage=5, band=0.0, max_turnover=0.2)
    scaled = target.scale(portfolio(0, 0), forecast(), current=portfolio(0.5, 0.0))
    assert scaled.tolist() == pytest.approx([0.3, 0.0])
    assert VolatilityTarget(0.10).scale(portfolio(0, 0), forecast(), current=portfolio(0.5, 0.0)).tolist() == [0, 0]


def test_a_limit_goes_before_the_turnover():
    target = VolatilityTarget(0.10, max_leverage=0.5, max_turnover=0.01)
    scaled = target.scale({"AAPL": 1.0}, forecast(), current={"AAPL": 0.9})
    assert scaled["AAPL"] == pytest.approx(0.5, rel=1e-12)


# -- drift -----------------------------------------------------------------------------------------


def test_a_portfolio_that_has_drifted_little_is_left_alone():
    target = VolatilityTarget(0.10, max_leverage=5, band=0.5, drift=0.1)
    held = portfolio(0.32, 0.30)
    np.testing.assert_array_equal(target.scale(portfolio(0.5, 0.5), forecast(), current=held), held)


@pytest.mark.parametrize(
    "held",
    [
        portfolio(0.4, 0.2),
        portfolio(2.02, 2.0),
        portfolio(0.64, -0.02),
        pd.Series({"AAPL": 0.3, "JPM": 0.28, "XYZ": 0.08}),
    ],
    ids=["drifted", "outside the band", "short by accident", "something else"],
)
def test_what_drift_does_not_excuse(held):
    target = VolatilityTarget(0.10, max_leverage=5, band=0.5, drift=0.1)
    scaled = target.scale(portfolio(0.5, 0.5), forecast(), current=held)
    assert scaled["AAPL"] == pytest.approx(scaled["JPM"], rel=1e-12)


def test_drift_never_keeps_a_portfolio_beyond_a_limit():
    target = VolatilityTarget(0.10, max_leverage=5, band=0.5, drift=0.5, max_net=0.3)
    scaled = target.scale(portfolio(0.75, -0.25), forecast(), current=portfolio(0.50, -0.10))
    assert scaled.sum() == pytest.approx(0.3, rel=1e-12)


# -- the guard -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "strays"),
    [(WANTED * 1.29, False), (WANTED * 1.31, True), (WANTED * 0.71, False), (WANTED * 0.69, True), (0.0, False)],
)
def test_the_guard_watches_the_leverage(held, strays):
    target = VolatilityTarget(0.10, max_leverage=5, band=0.1, guard=0.3)
    assert target.needs_rebalance({"AAPL": 1.0}, forecast(), {"AAPL": held}) is strays


def test_the_guard_can_be_switched_off():
    plain = VolatilityTarget(0.10, guard=np.inf)
    assert plain.needs_rebalance({"AAPL": 1.0}, forecast(), {"AAPL": 99.0}) is False
    assert VolatilityTarget(0.10).needs_rebalance({"AAPL": 1.0}, forecast(), {"AAPL": 99.0}) is True
    assert VolatilityTarget(0.10, guard=0.1).needs_rebalance(portfolio(0, 0), forecast(), {"AAPL": 99.0}) is False


def test_the_guard_hears_the_track_record():
    target = VolatilityTarget(0.10, max_leverage=5, guard=0.3, feedback=1.0)
    assert target.needs_rebalance({"AAPL": 1.0}, forecast(), {"AAPL": WANTED}, track(0.01, 0.02))


def test_the_guard_does_not_ask_for_more_than_the_cap():
    target = VolatilityTarget(0.10, max_leverage=0.5, guard=0.3)
    assert not target.needs_rebalance({"AAPL": 1.0}, forecast(sigma=0.001), {"AAPL": 0.5})


# -- the fill lag ----------------------------------------------------------------------------------


def test_a_position_earns_from_the_session_after_its_fill():
    assert [holding_horizon(days) for days in (1, 5, 21)] == [2, 6, 22]
    assert holding_horizon(5, lag=0) == 5
    for values, output in (((0,), "sessions is 0"), ((1, -1), "lag is -1")):
        with pytest.raises(ParameterError, match=output):
            holding_horizon(*values)


def ahead(horizon: int, *sigma: float, names: list[str] = NAMES) -> CovarianceForecast:
    correlation = pd.DataFrame([[1.0, 0.3], [0.3, 1.0]], index=names, columns=names)
    return CovarianceForecast(pd.Timestamp("2010-01-29"), horizon, pd.Series(sigma, index=names), correlation)


def test_variance_beyond_the_fill_adds_up():
    """A day of 2% and then five of 1%: six sessions together."""
    near, far = ahead(1, 0.02, 0.01), ahead(6, np.sqrt((0.02**2 + 5 * 0.01**2) / 6), 0.01)
    beyond = forward_forecast(near, far)
    assert beyond.horizon == 5
    assert beyond.asof == near.asof
    np.testing.assert_allclose(beyond.volatility, [0.01, 0.01], rtol=1e-12)
    np.testing.assert_array_equal(beyond.correlation, far.correlation)


def test_variance_beyond_the_fill_is_never_negative():
    beyond = forward_forecast(ahead(1, 0.05, 0.01), ahead(2, 0.01, 0.01))
    np.testing.assert_allclose(beyond.volatility, [0.001, 0.01], rtol=1e-12)


def test_forecasts_that_do_not_belong_together():
    moved = CovarianceForecast(pd.Timestamp("2010-02-01"), 6, ahead(6, 1, 1).volatility, ahead(6, 1, 1).correlation)
    with pytest.raises(ParameterError, match="forecasts of 2010-01-29 and 2010-02-01"):
        forward_forecast(ahead(1, 0.01, 0.01), moved)
    with pytest.raises(ParameterError, match="horizons 6 and 6"):
        forward_forecast(ahead(6, 0.01, 0.01), ahead(6, 0.01, 0.01))
    with pytest.raises(AssetMismatchError, match="of different assets"):
        forward_forecast(ahead(1, 0.01, 0.01), ahead(6, 0.01, 0.01, names=["AAPL", "CVX"]))
    with pytest.raises(AssetMismatchError, match="in another order"):
        forward_forecast(ahead(1, 0.01, 0.01), ahead(6, 0.01, 0.01, names=NAMES[::-1]))


# -- the recommended recipe ------------------------------------------------------------------------


def test_the_default_rule_is_the_recommended_one():
    rule = VolatilityTarget(0.10)
    assert rule.max_leverage == 1.5
    assert 0 < rule.drift < rule.band < rule.guard < 1
    assert rule.feedback == 1
    assert rule.feedback_prior > 0


def test_without_holdings_and_record_the_rule_is_plain():
    """`scale` of weights and a forecast alone: the leverage at which the forecast meets the target."""
    off = {"band": 0.0, "drift": 0.0, "feedback": 0.0, "guard": np.inf}
    scaled = [VolatilityTarget(0.10, **changes).scale({"AAPL": 1.0}, forecast()) for changes in ({}, off)]
    pd.testing.assert_series_equal(*scaled)


def test_former_names_work_with_a_warning(synthetic, tmp_path):
    folder, asof = tmp_path / "models", synthetic.sessions[1000]
    WalkForward(HARVolatility(), store=ModelStore(folder)).train(synthetic, asof, asof, progress=False)
    with pytest.warns(DeprecationWarning, match="use VolatilityTarget"):
        assert targeting_rule(0.10, 3.0, band=0.0) == VolatilityTarget(0.10, 3.0, band=0.0)
    with pytest.warns(DeprecationWarning, match="use default_correlation"):
        assert repr(targeting_correlation()) == repr(default_correlation())
    with pytest.warns(DeprecationWarning, match="use default_risk_model"):
        model = targeting_risk_model(folder)
    assert model.description == default_risk_model(folder).description


def test_the_view_for_targeting_differs_in_its_correlation_alone(synthetic, tmp_path):
    folder, asof = tmp_path / "models", synthetic.sessions[1000]
    WalkForward(HARVolatility(), store=ModelStore(folder)).train(synthetic, asof, asof, progress=False)
    panel, model = synthetic.asof(asof), default_risk_model(folder)
    usual, ours = (model.forecast(panel, TARGETING_HORIZON, view) for view in ("risk", TARGETING_VIEW))
    pd.testing.assert_series_equal(ours.volatility, usual.volatility)
    assert not np.allclose(ours.correlation, usual.correlation)
    assert np.linalg.eigvalsh(ours.correlation)[0] > 0


# -- never inf or NaN ------------------------------------------------------------------------------

anything = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)


@given(
    st.tuples(anything, anything),
    st.floats(1e-150, 1e3),
    st.floats(-1, 1),
    st.none() | st.tuples(anything, anything),
    st.none() | st.tuples(st.floats(0, 1e150), st.floats(-1e150, 1e150)),
)
def test_always_finite_and_within_the_cap(weights, sigma, rho, held, record):
    target = VolatilityTarget(0.10, max_leverage=1.5, band=0.2, feedback=1.0)
    scaled = target.scale(
        portfolio(*weights),
        forecast(sigma, rho),
        current=None if held is None else portfolio(*held),
        track_record=None if record is None else track(*record),
    )
    assert np.isfinite(scaled).all()
    assert leverage(scaled) <= 1.5 * (1 + 1e-9)
    assert (scaled * np.sign(weights) >= 0).all()


@given(
    st.tuples(anything, anything),
    st.floats(1e-100, 1e3),
    st.floats(-1, 1),
    st.tuples(anything, anything, anything),
    st.floats(1e-6, 10),
    st.sampled_from([0.0, 0.05]),
)
def test_every_limit_holds_whatever_is_held(weights, sigma, rho, held, turnover, drift):
    limit = ShockLimit(0.25, volatility=2.0, correlation=0.8)
    target = VolatilityTarget(
        0.10, max_leverage=1.5, band=0.2, drift=drift, max_net=0.8, shock=limit, max_turnover=turnover
    )
    current = pd.Series(held, index=[*NAMES, "XYZ"])
    scaled = target.scale(portfolio(*weights), forecast(sigma, rho), current=current)
    assert np.isfinite(scaled).all()
    assert leverage(scaled) <= 1.5 * (1 + 1e-6)
    assert abs(scaled.sum()) <= 0.8 * (1 + 1e-6)
    assert limit.volatility_of(scaled.reindex(NAMES), forecast(sigma, rho)) <= 0.25 * (1 + 1e-6)


@given(
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
    st.tuples(st.floats(0, 2), st.floats(0, 2)),
    st.floats(1e-3, 0.1),
    st.floats(1e-3, 3),
    st.sampled_from([0.0, 0.1]),
)
def test_a_long_portfolio_never_turns_short_and_never_trades_more_than_allowed(weights, held, sigma, turnover, drift):
    target = VolatilityTarget(0.10, max_leverage=5, band=0.1, drift=drift, max_turnover=turnover)
    scaled = target.scale(portfolio(*weights), forecast(sigma, 0.3), current=portfolio(*held))
    assert (scaled >= 0).all()
    assert leverage(scaled - portfolio(*held)) <= turnover * (1 + 1e-9)


@given(st.tuples(st.floats(0, 1), st.floats(0, 1)), st.floats(1e-3, 0.1), st.integers(1, 500))
def test_whole_shares_bought_a_day_late_stay_near_the_wanted_portfolio(weights, price, capital):
    """What is held comes in whole shares, and `current` says so: asking again brings no short and little to trade."""
    target = VolatilityTarget(0.10, max_leverage=5, band=0.1, drift=0.05)
    wanted = target.scale(portfolio(*weights), forecast())
    shares = np.trunc(wanted * capital / price)
    again = target.scale(portfolio(*weights), forecast(), current=shares * price / capital)
    assert (again >= 0).all()
    assert leverage(again - wanted) <= 0.1 * leverage(wanted) + 2 * price / capital + 1e-9


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("target", 0.0),
        ("target", -0.1),
        ("target", np.nan),
        ("target", np.inf),
        ("max_leverage", 0.0),
        ("max_leverage", np.inf),
        ("max_leverage", np.nan),
        ("min_leverage", -0.1),
        ("min_leverage", 1.6),
        ("min_leverage", np.nan),
        ("band", -0.1),
        ("band", 1.0),
        ("band", np.nan),
        ("feedback", -0.1),
        ("feedback", 1.1),
        ("feedback_halflife", 0.0),
        ("feedback_halflife", np.nan),
        ("feedback_prior", -1),
        ("feedback_prior", np.inf),
        ("max_net", 0.0),
        ("max_net", np.nan),
        ("max_turnover", 0.0),
        ("drift", -0.1),
        ("drift", 1.0),
        ("guard", -0.1),
        ("guard", np.nan),
        ("vol_of_vol", -0.1),
        ("vol_of_vol", 1.0),
        ("periods", 0),
        ("periods", np.nan),
    ],
)
def test_impossible_parameters(name, value):
    with pytest.raises(ParameterError, match=f"^{name} is "):
        VolatilityTarget(**({"target": 0.1} | {name: value}))


def test_weight_without_a_forecast():
    with pytest.raises(MissingForecastError, match="TSLA has weight 0.5 but no forecast at 2010-01-29"):
        VolatilityTarget(0.10).scale({"AAPL": 0.5, "TSLA": 0.5}, forecast())


@pytest.mark.parametrize(
    ("held", "output"),
    [
        ({"AAPL": np.nan}, "the weight held of AAPL is nan"),
        ({"AAPL": np.inf}, "the weight held of AAPL is inf"),
        (pd.Series([0.1, 0.2], index=["JPM", "JPM"]), "JPM is held twice"),
    ],
)
def test_what_cannot_be_held(held, output):
    target = VolatilityTarget(0.10, guard=0.3)
    for ask in (target.scale, target.needs_rebalance):
        with pytest.raises(AssetMismatchError, match=output):
            ask(portfolio(1, 0), forecast(), held)


def test_a_record_of_other_columns():
    with pytest.raises(ParameterError, match="no column realized; pass predicted and realized"):
        VolatilityTarget(0.10, feedback=0.5).scale(
            portfolio(1, 0), forecast(), track_record=pd.DataFrame({"predicted": [0.01]})
        )


def test_it_is_frozen():
    with pytest.raises(AttributeError):
        VolatilityTarget(0.10).target = 0.2


# -- expected shortfall as the target --------------------------------------------------------------


def test_the_expected_shortfall_of_the_result_is_the_target():
    for horizon in (1, 5):
        rule = VolatilityTarget(0.01 * horizon, 9, measure="es", level=0.975, horizon=horizon)
        scaled = rule.scale(portfolio(0.6, -0.3), forecast(rho=0.3))
        assert forecast(rho=0.3).expected_shortfall(scaled, 0.975, horizon=horizon) == pytest.approx(0.01 * horizon)


def test_a_long_track_record_replaces_student_t_in_the_expected_shortfall():
    random = np.random.default_rng(0)
    record = pd.DataFrame({"predicted": 0.012, "realized": 0.012 * random.standard_t(3, 700)})
    rule = VolatilityTarget(0.02, 9, measure="es", feedback=0)
    scaled = rule.scale(portfolio(1, 0), forecast(), track_record=record)
    history = pd.DataFrame(
        {"returns": record["realized"].to_numpy(), "volatility": 0.012}, pd.bdate_range("2006-01-02", periods=700)
    )
    assert forecast().expected_shortfall(scaled, history=history) == pytest.approx(0.02, rel=1e-9)
    short = rule.scale(portfolio(1, 0), forecast(), track_record=record[:499])
    assert forecast().expected_shortfall(short) == pytest.approx(0.02, rel=1e-9)
    # The leverage of the portfolio that made the record does not matter.
    doubled = rule.scale(portfolio(1, 0), forecast(), track_record=2 * record)
    assert leverage(doubled) == pytest.approx(leverage(scaled), rel=1e-9)


@pytest.mark.parametrize("wrong", [{"measure": "var"}, {"level": 0.4}, {"level": 1.0}, {"horizon": 0}])
def test_tail_parameters_outside_their_domain(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        VolatilityTarget(0.02, **{"measure": "es"} | wrong)


@pytest.mark.parametrize(("explicit", "periods"), [(None, 365), (252, 252)])
def test_the_target_is_annual_by_the_sessions_of_the_forecasts_calendar(explicit, periods):
    correlation = pd.DataFrame([[1.0, 0.0], [0.0, 1.0]], ["A", "B"], ["A", "B"])
    volatility = pd.Series({"A": 0.02, "B": 0.03})
    crypto = CovarianceForecast(
        pd.Timestamp("2020-01-31"), 1, volatility, correlation, diagnostics={"periods_per_year": 365}
    )
    rule = VolatilityTarget(0.10, periods=explicit, shock=ShockLimit(0.30))
    scaled = rule.scale({"A": 0.5, "B": 0.5}, crypto)
    assert crypto.portfolio_volatility(scaled) * periods**0.5 == pytest.approx(0.10)
    assert ShockLimit(0.30).volatility_of(scaled, crypto) == pytest.approx(2 * 0.05 * 0.5 * scaled.sum() * 365**0.5)
