import numpy as np
import pandas as pd
import pytest
from synthetic import ASOF, ASSETS, SESSIONS

from volplugin import (
    PricePanel,
    RiskModel,
    RollingCorrelation,
    RollingVolatility,
    VolatilityRegimeAdjustment,
    equal_weight,
)
from volplugin.errors import ParameterError

PLAIN = RiskModel(RollingVolatility(20), RollingCorrelation(60))
WEIGHTS = 0.5 ** (np.arange(36)[::-1] / 6)
"""Of the 36 sessions that a half-life of six remembers."""


@pytest.fixture(scope="module")
def known(synthetic) -> PricePanel:
    """Seven assets; the one that is halted is left out."""
    names = [name for name in ASSETS if name != "ECHO"]
    return PricePanel(close=synthetic.close[names]).asof(ASOF)


def calibrated(calibration) -> RiskModel:
    return RiskModel(RollingVolatility(20), RollingCorrelation(60), calibration=calibration)


def factor(calibration, panel: PricePanel, horizon: int = 21) -> float:
    forecast = calibrated(calibration).forecast(panel, horizon)
    ratio = forecast.volatility / PLAIN.forecast(panel, horizon).volatility
    assert ratio.max() - ratio.min() < 1e-12
    assert forecast.diagnostics["calibration"]["VolatilityRegimeAdjustment"]["factor"] == pytest.approx(ratio.iloc[0])
    return float(ratio.iloc[0])


def stood(forecasts: pd.Series, sessions: pd.DatetimeIndex, age: int) -> pd.Series:
    """Mean of one over the variances that were forecast in the `age` sessions before each."""
    return (1 / forecasts**2).rolling(age).mean().shift(1)[sessions]


@pytest.mark.parametrize(("horizon", "age"), [(1, 1), (5, 5), (21, 21), (63, 21)])
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_the_portfolio_by_hand(horizon, age, strength, known):
    """Each return of the equal-weight book over the forecasts, made alone, that stood over it."""
    sessions = known.sessions[-36:]
    made = known.sessions[-36 - age :]
    forecasts = pd.Series(
        {day: PLAIN.forecast(known.asof(day), horizon).portfolio_volatility(equal_weight(known.assets)) for day in made}
    )
    returns = known.close.pct_change(fill_method=None).mean(axis=1)[sessions]
    squares = returns**2 * stood(forecasts, sessions, age)
    expected = np.average(squares, weights=WEIGHTS) ** (strength / 2)
    assert factor(VolatilityRegimeAdjustment(6, strength), known, horizon) == pytest.approx(expected, rel=1e-9)


def test_over_assets_at_one_session_it_is_the_adjustment_of_use4(known):
    """The root of the exponential mean of B_t^2, the mean of squared returns over the day before's forecasts."""
    sigma = RollingVolatility(20).predict_path(known, known.sessions[900], ASOF, horizon=1).shift(1)
    b_squared = ((np.log(known.close).diff() / sigma) ** 2).mean(axis=1).tail(36)
    expected = np.sqrt(np.average(b_squared, weights=WEIGHTS))
    assert factor(VolatilityRegimeAdjustment(6, 1.0, over="assets"), known, 1) == pytest.approx(expected, rel=1e-9)


def test_storms_raise_it_and_calms_lower_it(synthetic):
    """Returns of three times their size for eight sessions, and of a third of it."""
    names = ["ALFA", "BRAV", "CHAR", "GOLF", "HOTE"]
    returns = np.log(synthetic.close[names]).diff().iloc[1:1061]
    for over in ("book", "assets"):
        factors = []
        for size in (1 / 3, 1.0, 3.0):
            moved = returns.copy()
            moved.iloc[-8:] *= size
            panel = PricePanel(close=50 * np.exp(moved.cumsum()))
            factors.append(factor(VolatilityRegimeAdjustment(6, 1.0, over=over), panel))
        calm, usual, storm = factors
        assert calm < 0.85 * usual
        assert storm > 1.5 * usual


def test_without_strength_nothing_changes(known):
    assert factor(VolatilityRegimeAdjustment(6, 0.0), known) == pytest.approx(1, abs=1e-12)


def test_sessions_never_seen_count_as_predicted(known):
    """After 25 sessions of history, four of which have a forecast before them, the factor stays near one."""
    short = known.tail(25)
    whole, few = (
        abs(np.log(factor(VolatilityRegimeAdjustment(60, 1.0, over="assets"), panel))) for panel in (known, short)
    )
    assert 0 < few < 0.15
    metadata = (
        calibrated(VolatilityRegimeAdjustment(60))
        .forecast(short)
        .diagnostics["calibration"]["VolatilityRegimeAdjustment"]
    )
    assert metadata == {"factor": 1.0, "sessions": 0}
    assert whole != few


def test_a_halt_leaves_the_rest_of_the_portfolio(synthetic):
    """Sessions on which one asset did not trade count with the others."""
    within = calibrated(VolatilityRegimeAdjustment(6)).forecast(synthetic.asof(SESSIONS[1022]))
    assert within.diagnostics["calibration"]["VolatilityRegimeAdjustment"]["sessions"] == 36


def test_lookback():
    """Of volatilities 41 and 60 rows of correlation, and of the multiplier 36 sessions under 21-session forecasts."""
    assert calibrated(None).lookback == 41 + 60
    assert calibrated(VolatilityRegimeAdjustment(6)).lookback == 41 + 60 + 36 + 21
    assert calibrated(VolatilityRegimeAdjustment(6, over="assets")).lookback == 41 + 60
    assert calibrated(VolatilityRegimeAdjustment(42, over="assets")).lookback == 41 + 252 + 21


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"halflife": 0}, "halflife is 0"),
        ({"halflife": np.inf}, "halflife is inf"),
        ({"strength": 1.5}, "^strength is 1.5; pass a share between 0 and 1$"),
        ({"strength": -0.1}, "strength is -0.1"),
        ({"over": "market"}, "over is 'market'; pass one of book, assets"),
    ],
)
def test_impossible_parameters(parameters, complaint, known):
    with pytest.raises(ParameterError, match=complaint):
        calibrated(VolatilityRegimeAdjustment(**parameters)).forecast(known)
