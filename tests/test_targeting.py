import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volplugin import CovarianceForecast, VolatilityTarget
from volplugin.errors import MissingForecastError, ParameterError

NAMES = ["AAPL", "JPM"]
YEAR = np.sqrt(252)


def forecast(sigma: float = 0.01, rho: float = 0.0) -> CovarianceForecast:
    """Two assets of the same volatility."""
    correlation = pd.DataFrame([[1.0, rho], [rho, 1.0]], index=NAMES, columns=NAMES)
    return CovarianceForecast(pd.Timestamp("2010-01-29"), 21, pd.Series(sigma, index=NAMES), correlation)


def book(*weights: float) -> pd.Series:
    return pd.Series(weights, index=NAMES)


def leverage(weights: pd.Series) -> float:
    return float(weights.abs().sum())


# -- meeting the target ----------------------------------------------------------------------------


def test_the_forecast_of_the_result_is_the_target():
    scaled = VolatilityTarget(0.08, max_leverage=3).scale(book(0.5, 0.5), forecast())
    assert forecast().portfolio_volatility(scaled, periods=252) == pytest.approx(0.08, rel=1e-12)
    # Equal weights of two uncorrelated assets of 1% a day: 1% / sqrt(2) a day.
    assert scaled["AAPL"] == pytest.approx(0.5 * 0.08 / (0.01 / np.sqrt(2) * YEAR), rel=1e-12)


def test_the_composition_stays():
    scaled = VolatilityTarget(0.08, max_leverage=3).scale(book(0.9, -0.3), forecast(rho=0.4))
    assert scaled["AAPL"] / scaled["JPM"] == pytest.approx(-3, rel=1e-12)
    assert list(scaled.index) == NAMES


def test_the_given_leverage_does_not_matter():
    target = VolatilityTarget(0.08, max_leverage=3)
    once, thrice = (target.scale(factor * book(0.7, 0.3), forecast()) for factor in (1, 3))
    np.testing.assert_allclose(once, thrice, rtol=1e-12)


def test_other_years():
    scaled = VolatilityTarget(0.1, max_leverage=9, periods=365).scale(book(1, 0), forecast())
    assert scaled["AAPL"] == pytest.approx(0.1 / (0.01 * np.sqrt(365)))


def test_mapping_for_weights():
    target = VolatilityTarget(0.08, max_leverage=3)
    pd.testing.assert_series_equal(
        target.scale({"AAPL": 0.5, "JPM": 0.5}, forecast()), target.scale(book(0.5, 0.5), forecast())
    )


def test_inputs_are_left_alone():
    weights, held = book(0.5, 0.5), book(0.1, 0.1)
    VolatilityTarget(0.08, band=0.1).scale(weights, forecast(), current=held)
    assert weights.tolist() == [0.5, 0.5]
    assert held.tolist() == [0.1, 0.1]


# -- caps ------------------------------------------------------------------------------------------


def test_the_cap():
    scaled = VolatilityTarget(0.10, max_leverage=1.5).scale(book(0.5, 0.5), forecast(sigma=0.002))
    assert leverage(scaled) == pytest.approx(1.5, rel=1e-12)


def test_the_cap_is_on_absolute_weights():
    scaled = VolatilityTarget(0.10, max_leverage=1.5).scale(book(0.5, -0.5), forecast(sigma=0.002))
    assert leverage(scaled) == pytest.approx(1.5, rel=1e-12)
    assert scaled.sum() == pytest.approx(0, abs=1e-12)


def test_unlevered_by_default():
    assert leverage(VolatilityTarget(0.5).scale(book(1, 1), forecast())) == pytest.approx(1)


def test_the_floor():
    scaled = VolatilityTarget(0.01, min_leverage=0.4).scale(book(0.5, 0.5), forecast(sigma=0.05))
    assert leverage(scaled) == pytest.approx(0.4)


def test_a_riskless_book_is_held_at_the_cap():
    scaled = VolatilityTarget(0.10, max_leverage=1.5).scale(book(0.5, -0.5), forecast(rho=1.0))
    assert leverage(scaled) == pytest.approx(1.5)


def test_an_empty_book_stays_empty():
    for weights in (book(0, 0), {}, pd.Series(dtype=float)):
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
    scaled = target.scale(book(0.5, 0.5), forecast(), current=book(0.6, 0.0))
    np.testing.assert_allclose(scaled, [0.3, 0.3])


def test_without_a_band_what_is_held_does_not_matter():
    target = VolatilityTarget(0.10, max_leverage=5)
    scaled = target.scale({"AAPL": 1.0}, forecast(), current={"AAPL": 3.0})
    assert scaled["AAPL"] == pytest.approx(WANTED)


# -- feedback --------------------------------------------------------------------------------------


def track(predicted: float, realized: float, length: int = 60) -> pd.DataFrame:
    sign = np.where(np.arange(length) % 2, 1, -1)
    return pd.DataFrame({"predicted": predicted, "realized": realized * sign})


def test_full_feedback_divides_by_the_ratio():
    """Realised twice the predicted: half the leverage."""
    target = VolatilityTarget(0.10, max_leverage=5, feedback=1.0)
    scaled = target.scale({"AAPL": 1.0}, forecast(), track_record=track(0.01, 0.02))
    assert scaled["AAPL"] == pytest.approx(WANTED / 2, rel=1e-12)


def test_half_feedback_divides_by_its_root():
    target = VolatilityTarget(0.10, max_leverage=5, feedback=0.5)
    scaled = target.scale({"AAPL": 1.0}, forecast(), track_record=track(0.01, 0.04))
    assert scaled["AAPL"] == pytest.approx(WANTED / 2, rel=1e-12)


def test_recent_sessions_count_more():
    """A half-life of one session: weights 1, 1/2 and 1/4, newest first."""
    record = pd.DataFrame({"predicted": [0.01] * 3, "realized": [0.04, -0.02, 0.01]})
    ratio = (0.01**2 + 0.02**2 / 2 + 0.04**2 / 4) / (0.01**2 * 1.75)
    target = VolatilityTarget(0.10, max_leverage=5, feedback=1.0, feedback_halflife=1)
    scaled = target.scale({"AAPL": 1.0}, forecast(), track_record=record)
    assert scaled["AAPL"] == pytest.approx(WANTED / np.sqrt(ratio), rel=1e-12)


def test_feedback_is_off_unless_asked_for():
    scaled = VolatilityTarget(0.10, max_leverage=5).scale({"AAPL": 1.0}, forecast(), track_record=track(0.01, 0.05))
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
        book(*weights),
        forecast(sigma, rho),
        current=None if held is None else book(*held),
        track_record=None if record is None else track(*record),
    )
    assert np.isfinite(scaled).all()
    assert leverage(scaled) <= 1.5 * (1 + 1e-9)
    assert (scaled * np.sign(weights) >= 0).all()


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
        ("min_leverage", 1.1),
        ("min_leverage", np.nan),
        ("band", -0.1),
        ("band", 1.0),
        ("band", np.nan),
        ("feedback", -0.1),
        ("feedback", 1.1),
        ("feedback_halflife", 0.0),
        ("feedback_halflife", np.nan),
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


def test_a_record_of_other_columns():
    with pytest.raises(ParameterError, match="no column realized; pass predicted and realized"):
        VolatilityTarget(0.10, feedback=0.5).scale(
            book(1, 0), forecast(), track_record=pd.DataFrame({"predicted": [0.01]})
        )


def test_it_is_frozen():
    with pytest.raises(AttributeError):
        VolatilityTarget(0.10).target = 0.2
