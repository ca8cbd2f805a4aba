"""Arguments of another kind are named errors of one line, at every public entry point; unusual numbers are read."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from volplugin import (
    AssetBias,
    CovarianceForecast,
    DCCCorrelation,
    EigenvalueAdjustment,
    EWMACorrelation,
    EWMAVolatility,
    GeometricBlend,
    ModelStore,
    PricePanel,
    RiskModel,
    RollingCorrelation,
    TwoSpeedCorrelation,
    VolatilityTarget,
    VolpluginError,
    WalkForward,
    annualize,
    equal_weight,
    minimum_variance,
    risk_parity,
    simulated_panel,
)
from volplugin.adapters.zipline import PrecomputedForecasts
from volplugin.evaluation import bias_statistic, qlike
from volplugin.portfolio import ShockLimit, TrackRecord, holding_horizon
from volplugin.workflows import read_groups, read_weights

DAYS = pd.bdate_range("2020-01-01", periods=60)
CLOSE = pd.DataFrame(np.exp(0.01 * np.random.default_rng(0).standard_normal((60, 3)).cumsum(0)), DAYS, list("ABC"))
PANEL = PricePanel(CLOSE)
Z = CLOSE.diff().iloc[1:] / 0.01
FORECAST = CovarianceForecast(
    pd.Timestamp("2020-01-31"), 21, pd.Series([0.01, 0.02], ["A", "B"]), pd.DataFrame(np.eye(2), ["A", "B"], ["A", "B"])
)
MODEL = RiskModel(EWMAVolatility(), EWMACorrelation())
TABLE = pd.DataFrame(0.01, DAYS, ["A"])


PATHS = [PricePanel.from_csv, PricePanel.from_parquet, ModelStore, read_weights, read_groups]
PATHS += [PrecomputedForecasts.from_file]
PANELS = [
    PricePanel.concat,
    PANEL.with_market,
    EWMAVolatility().fit,
    EWMAVolatility().predict,
    MODEL.forecast,
    MODEL.fit,
]
FORECASTS = [minimum_variance, risk_parity, lambda value: VolatilityTarget(0.1).scale({"A": 1.0}, value)]


@pytest.mark.parametrize("wrong", [None, 3, b"x", ["x"], CLOSE], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("entry", [*PATHS, *PANELS, *FORECASTS])
def test_an_argument_of_another_kind(entry, wrong):
    with pytest.raises(VolpluginError) as caught:
        entry(wrong)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda value: EWMACorrelation(halflife=value).estimate(Z),
        lambda value: RollingCorrelation(window=value).estimate(Z),
        lambda value: TwoSpeedCorrelation(trust=value).estimate(Z),
        lambda value: TwoSpeedCorrelation(structure=value).estimate(Z),
        lambda value: DCCCorrelation(a=value).estimate(Z),
        lambda value: GeometricBlend(value).fit(PANEL),
        lambda value: RiskModel(value, EWMACorrelation()).forecast(PANEL),
        lambda value: RiskModel(EWMAVolatility(), value).forecast(PANEL),
        lambda value: WalkForward(value).train(PANEL, "2020-02-03", "2020-02-28"),
        lambda value: WalkForward(EWMAVolatility(), store=value).train(PANEL, "2020-02-03", "2020-02-28"),
        lambda value: RiskModel(EWMAVolatility(), EWMACorrelation(), calibration=AssetBias(value)).forecast(PANEL),
        lambda value: EigenvalueAdjustment(views=value).apply(None, None),
        lambda value: FORECAST.value_at_risk({"A": 1.0}, value),
        lambda value: FORECAST.value_at_risk({"A": 1.0}, horizon=value),
        lambda value: FORECAST.trim_effects({"A": 1.0}, value),
        lambda value: FORECAST.value_at_risk({"A": 1.0}, history=value),
        lambda value: VolatilityTarget(0.1, band=[value]),
        lambda value: VolatilityTarget(0.1, shock=value),
        lambda value: VolatilityTarget(0.1).scale({"A": 1.0}, FORECAST, track_record=value),
        lambda value: ShockLimit(value),
        lambda value: TrackRecord(value),
        lambda value: holding_horizon(value),
        lambda value: PrecomputedForecasts(max_age=value, table=TABLE),
        lambda value: PANEL.tail(value),
        lambda value: PANEL.select([[value]]),
        lambda value: simulated_panel(value),
        lambda value: annualize(value),
    ],
)
def test_a_parameter_of_another_kind(call):
    with pytest.raises(VolpluginError):
        call("x")


@pytest.mark.parametrize(
    "kind", ["Float64", "double[pyarrow]", object, Decimal, Fraction, "category", pd.SparseDtype(float)], ids=str
)
def test_numbers_of_every_kind(kind):
    """A missing value of any kind is NaN, and numbers stay the same."""
    holed = CLOSE.where(CLOSE != CLOSE.iloc[3, 1])
    given = holed.map(kind) if kind is Decimal else holed.astype(object if kind is Fraction else kind)
    given = given.where(holed.notna(), pd.NA) if kind is object else given
    given = given.map(lambda value: value if value != value else Fraction(value)) if kind is Fraction else given
    pd.testing.assert_frame_equal(PricePanel(given).close, PricePanel(holed).close)
    assert bias_statistic(given["B"]).value == bias_statistic(holed["B"]).value
    pd.testing.assert_frame_equal(EWMACorrelation().estimate(given), EWMACorrelation().estimate(holed))


@pytest.mark.parametrize(
    "odd", [True, np.True_, "1.0", b"1", 1j, pd.Timestamp("2020-01-01"), pd.Timedelta(1), np.datetime64(1, "s")]
)
def test_what_is_no_number(odd):
    given = CLOSE.astype(object)
    given.iloc[5, 1] = odd
    for call in (PricePanel, lambda frame: bias_statistic(frame["B"]), lambda frame: PrecomputedForecasts(v=frame)):
        with pytest.raises(VolpluginError, match="not numbers: "):
            call(given)


def test_dates_of_every_kind():
    """Losses are compared by date, whatever the index is made of; without a common date they are an error."""
    given = CLOSE["A"] ** 2
    for index in (DAYS.as_unit("s"), pd.Index(DAYS.date), pd.Index(pd.array(list(DAYS), "timestamp[us][pyarrow]"))):
        np.testing.assert_array_equal(qlike(given, given.set_axis(index)), qlike(given, given))
    with pytest.raises(VolpluginError, match="no session in common"):
        qlike(given, given.reset_index(drop=True))
    masked = np.ma.masked_array(given, given > 1)
    assert np.isnan(qlike(given.to_numpy(), masked))[np.asarray(given > 1)].all()


@pytest.mark.parametrize("size", [1e200, 1e308])
def test_weights_beyond_all_numbers(size):
    weights = {"A": size, "B": size}
    for measure in (FORECAST.portfolio_volatility, FORECAST.value_at_risk, FORECAST.volatility_interval):
        with pytest.raises(VolpluginError, match="too large; pass fractions"):
            measure(weights)
    assert FORECAST.diversification_ratio(weights) == pytest.approx(FORECAST.diversification_ratio({"A": 1, "B": 1}))
    assert equal_weight(FORECAST).sum() == 1


def test_risk_parity_gives_no_weight_to_a_suspect_asset():
    suspect = {"suspect": {"A": "close of 5 unchanged for 40 sessions up to 2020-01-31"}}
    forecast = CovarianceForecast(FORECAST.asof, 21, FORECAST.volatility, FORECAST.correlation, suspect)
    with pytest.raises(VolpluginError, match="A at 2020-01-31: close of 5 unchanged"):
        risk_parity(forecast)
    assert risk_parity(forecast, allow_suspect=True)["A"] == pytest.approx(2 / 3)
