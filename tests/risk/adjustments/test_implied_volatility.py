from copy import copy

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from synthetic import ASOF, ASSETS, SESSIONS, poisoned

from volplugin import (
    ImpliedVolatilityAnchor,
    PricePanel,
    RiskModel,
    RollingCorrelation,
    RollingVolatility,
    equal_weight,
    simulated_panel,
)
from volplugin.errors import InsufficientHistoryError, ParameterError

NAMES = [name for name in ASSETS if name not in ("DELT", "ECHO", "FOXT")]
IMPLIED = pd.Series(20 * np.exp(0.2 * np.sin(np.arange(len(SESSIONS)) / 7)), SESSIONS)


@pytest.fixture(scope="module")
def known(synthetic) -> PricePanel:
    return PricePanel(close=synthetic.close[NAMES]).asof(ASOF)


@pytest.fixture(scope="module")
def long() -> PricePanel:
    """Seven years of simulated prices."""
    return simulated_panel(4, "2005-01-03", "2011-12-30")


def model(*anchor) -> RiskModel:
    return RiskModel(RollingVolatility(20), RollingCorrelation(60), calibration=list(anchor))


def effect(panel: PricePanel, *anchor, horizon: int = 21) -> dict:
    return model(*anchor).forecast(panel, horizon).diagnostics["calibration"]["ImpliedVolatilityAnchor"]


def test_the_factor_by_hand(known):
    """The gap to forecasts made alone, relative to its median of 252 sessions."""
    sessions = known.sessions[-252:]
    weights = equal_weight(NAMES)
    forecast = pd.Series({day: model().forecast(known.asof(day)).portfolio_volatility(weights) for day in sessions})
    gap = 2 * np.log(IMPLIED[sessions]) - 2 * np.log(forecast)
    expected = np.exp(0.5 * (gap.iloc[-1] - gap.median()))
    adjusted, plain = (model(*given).forecast(known) for given in ([ImpliedVolatilityAnchor(IMPLIED, theta=0.5)], []))
    ratio = adjusted.portfolio_volatility(weights) ** 2 / plain.portfolio_volatility(weights) ** 2
    assert ratio == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(adjusted.volatility / plain.volatility, expected**0.25, rtol=1e-12)
    assert expected != pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("size", [0.2, 5.0])
def test_a_jump_moves_volatilities_and_correlations_its_way(size, known):
    """Whatever its size, the correlation stays a correlation."""
    moved = IMPLIED.copy()
    moved[ASOF] *= size
    adjusted = model(ImpliedVolatilityAnchor(moved, theta=1.0)).forecast(known)
    plain = model().forecast(known)
    assert ((adjusted.volatility > plain.volatility) == (size > 1)).all()
    averages = [one.diagnostics["average_correlation"] for one in (adjusted, plain)]
    assert (averages[0] > averages[1]) == (size > 1)
    assert np.linalg.eigvalsh(adjusted.correlation)[0] > 0


def test_other_views_are_unchanged(known):
    for view in ("structure", "targeting"):
        adjusted = model(ImpliedVolatilityAnchor(IMPLIED, theta=1.0)).forecast(known, view=view)
        pd.testing.assert_frame_equal(adjusted.covariance, model().forecast(known, view=view).covariance)
        assert adjusted.diagnostics["calibration"] == {"ImpliedVolatilityAnchor": {"factor": 1.0}}


def test_assets_outside_the_market_leave_the_factor(known):
    more = known.close.assign(NEW=known.close["ALFA"].iloc[::-1].to_numpy())
    anchored = model(ImpliedVolatilityAnchor(IMPLIED, theta=1.0))
    found = anchored.forecast(PricePanel(close=more, market=known)).covariance.loc[NAMES, NAMES]
    pd.testing.assert_frame_equal(found, anchored.forecast(known).covariance, rtol=1e-9)


def test_unit_does_not_matter(known):
    factors = [effect(known, ImpliedVolatilityAnchor(unit * IMPLIED, theta=1.0))["factor"] for unit in (1, 0.01)]
    assert factors[0] == pytest.approx(factors[1], rel=1e-9)


def test_lag_uses_the_value_before(known):
    delayed = effect(known, ImpliedVolatilityAnchor(IMPLIED, lag=1, theta=1.0))
    assert delayed == effect(known, ImpliedVolatilityAnchor(IMPLIED.shift(1).iloc[1:], theta=1.0))
    assert delayed != effect(known, ImpliedVolatilityAnchor(IMPLIED, theta=1.0))


def test_a_value_of_an_earlier_date_is_used_for_three_sessions(known):
    """A holiday of the options' exchange; then the value is too old."""
    anchor = ImpliedVolatilityAnchor(IMPLIED[: SESSIONS[1057]], theta=1.0)
    assert "fallback" not in effect(known, anchor)
    older = ImpliedVolatilityAnchor(IMPLIED[: SESSIONS[1056]], theta=1.0)
    forecast = model(older).forecast(known)
    pd.testing.assert_frame_equal(forecast.covariance, model().forecast(known).covariance)
    told = f"no implied volatility at most 3 sessions old at {ASOF.date()}; not adjusted"
    assert forecast.diagnostics["fallbacks"]["ImpliedVolatilityAnchor"] == told


def test_too_short_a_past_is_named(known):
    short, enough = (ImpliedVolatilityAnchor(IMPLIED[:ASOF].tail(count), theta=1.0) for count in (119, 120))
    assert "fewer than 120 sessions" in effect(known, short)["fallback"]
    assert "fallback" not in effect(known, enough)
    assert "nothing learned" in effect(known, ImpliedVolatilityAnchor(IMPLIED))["fallback"]


def informative(panel: PricePanel) -> pd.Series:
    """A series that knows the variance of the coming month, as implied volatility does in part."""
    coming = (panel.returns.mean(axis=1) ** 2).rolling(21).mean().shift(-21).ffill()
    return 100 * np.sqrt(252 * coming.clip(lower=1e-8))


def test_fit_learns_how_far_to_follow(long):
    plain = RiskModel(RollingVolatility(20), RollingCorrelation(60))
    anchor = ImpliedVolatilityAnchor(informative(long)).fit(plain, long)
    noise = pd.Series(np.random.default_rng(3).uniform(15, 30, len(long.sessions)), long.sessions)
    assert anchor.forecast_.iloc[100:].notna().all()
    unrelated = ImpliedVolatilityAnchor(noise).fit(plain, long)
    assert (anchor.learned_["theta"] > 1.5 * unrelated.learned_["theta"].abs()).all()
    # What was learned through a year's end is used from the next session on.
    through = anchor.learned_.index.unique("through")
    assert list(through.year) == [2009, 2010]
    gap = 2 * np.log(informative(long)) - np.log(anchor.forecast_)
    gap -= gap.rolling(252, min_periods=120).median()
    coming = (np.expm1(long.returns).mean(axis=1) ** 2).loc[: through[0]].rolling(21).mean().shift(-21).clip(lower=1e-7)
    table = pd.DataFrame({"ratio": coming / anchor.forecast_, "gap": gap}).dropna()
    z = (table["gap"] - table["gap"].mean()) / table["gap"].std()

    def penalised(point):
        return (table["ratio"] * np.exp(-point[0] - point[1] * z) + point[0] + point[1] * z).sum() + 50 * point[1] ** 2

    rows = anchor.learned_.loc[through[0]]
    best = minimize(penalised, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-6}).x[1]
    assert rows.loc[21, "theta"] == pytest.approx(best, rel=1e-3)
    assert rows.loc[21, ["mean", "scale"]].tolist() == pytest.approx([table["gap"].mean(), table["gap"].std()])
    rows = anchor.learned_.loc[through[0]]
    asof = long.sessions[long.sessions.searchsorted(through[0]) + 5]
    found = effect(long.asof(asof), anchor)
    z = np.clip(found["gap"] - rows.loc[21, "mean"], rows.loc[21, "low"], rows.loc[21, "high"]) / rows.loc[21, "scale"]
    assert np.log(found["factor"]) == pytest.approx(rows.loc[21, "theta"] * z)
    for value, bound in ((1e-6, "low"), (1e6, "high")):  # never beyond the gaps of the training
        wild = copy(anchor)
        wild.series = anchor.series.where(anchor.series.index != asof, value)
        reach = np.log(effect(long.asof(asof), wild)["factor"])
        assert reach == pytest.approx(rows.loc[21, "theta"] * rows.loc[21, bound] / rows.loc[21, "scale"])
    between = [np.log(effect(long.asof(asof), anchor, horizon=days)["factor"]) for days in (5, 13, 21)]
    assert between[1] == pytest.approx((between[0] + between[2]) / 2)
    assert "nothing learned" in effect(long.asof(through[0]), anchor)["fallback"]


def test_future_prices_and_values_change_nothing(long):
    """Neither what was learned before them, nor a forecast."""
    asof = long.sessions[long.sessions.searchsorted(pd.Timestamp("2010-06-30"))]
    series = informative(long)
    wild = series.where(series.index <= asof, 90.0)
    plain = RiskModel(RollingVolatility(20), RollingCorrelation(60))
    clean = ImpliedVolatilityAnchor(series).fit(plain, long)
    dirty = ImpliedVolatilityAnchor(wild).fit(plain, poisoned(long, asof))
    pd.testing.assert_frame_equal(dirty.learned_.loc[:asof], clean.learned_.loc[:asof], check_exact=True)
    assert not np.allclose(dirty.learned_.loc[asof:], clean.learned_.loc[asof:])
    before, after = (
        model(anchor).forecast(panel.asof(asof)).covariance
        for anchor, panel in ((clean, long), (dirty, poisoned(long, asof)))
    )
    pd.testing.assert_frame_equal(after, before, check_exact=True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"series": IMPLIED.iloc[::-1]}, "do not increase"),
        ({"series": IMPLIED.where(IMPLIED.index != ASOF, -1.0)}, "^implied volatility at 2016-03-24 is not positive"),
        ({"series": IMPLIED.where(IMPLIED.index != ASOF, np.inf)}, "2016-03-24 is not positive and finite; leave the"),
        ({"series": IMPLIED.to_frame()}, "^series is a DataFrame; pass a Series by date, without a timezone$"),
        ({"series": IMPLIED.tz_localize("UTC")}, "^series is a Series; pass a Series by date, without a timezone$"),
        ({"series": IMPLIED.reset_index(drop=True)}, "^series is a Series; pass a Series by date"),
        ({"series": IMPLIED * np.nan}, "^the dates of the implied volatility do not increase; sort them, each once$"),
        ({"series": pd.concat([IMPLIED, IMPLIED[-1:]])}, "do not increase"),
        ({"series": IMPLIED, "lag": -1}, "^lag is -1; pass 0 or a positive whole number$"),
        ({"series": IMPLIED, "lag": 0.5}, "^lag is 0.5; pass 0 or a positive whole number$"),
    ],
)
def test_bad_parameters(given, message, known):
    with pytest.raises(ParameterError, match=message):
        model(ImpliedVolatilityAnchor(theta=1.0, **given)).forecast(known)


def test_fit_needs_years(known):
    with pytest.raises(
        InsufficientHistoryError,
        match=r"^PricePanel\(.*\): no year ends after 1000 forecasts .*; pass more years of prices ",
    ):
        ImpliedVolatilityAnchor(IMPLIED).fit(RiskModel(RollingVolatility(20), RollingCorrelation(60)), known)
