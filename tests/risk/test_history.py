"""Histories of forecasts are the forecasts, one by one, and survive a file."""

import numpy as np
import pandas as pd
import pytest
import synthetic as market

from volplugin import EWMACorrelation, HARVolatility, RiskModel, RollingCorrelation, RollingVolatility, WalkForward
from volplugin.errors import (
    AssetMismatchError,
    InsufficientHistoryError,
    MissingForecastError,
    MissingLibraryError,
    ParameterError,
)
from volplugin.risk.history import covariance_history, forecast_history, risk_history, volatility_history, write_parquet

START, END = market.SESSIONS[1090], market.SESSIONS[1120]
"""FOXT is delisted in between."""

ALWAYS = ["ALFA", "BRAV", "CHAR"]


@pytest.fixture(scope="module")
def model():
    return RiskModel(RollingVolatility(40), RollingCorrelation(60))


@pytest.fixture(scope="module")
def risk(model, synthetic):
    return risk_history(model, synthetic, None, START, END, every=5)


def test_each_row_is_the_forecast_of_its_date(model, synthetic, risk):
    assert risk.index.tolist() == market.SESSIONS[1090:1121:5].tolist()
    assert risk.index.name == "session"
    for session in risk.index[[0, -1]]:
        forecast = model.forecast(synthetic.asof(session))
        portfolio = pd.Series(1 / len(forecast.assets), forecast.assets)
        total = forecast.portfolio_volatility(portfolio, periods=252)
        assert risk.loc[session, ("book", "predicted_vol")] == pytest.approx(total, rel=1e-12)
        parts = forecast.risk_contributions(portfolio, periods=252)
        np.testing.assert_allclose(risk.loc[session, "contribution"][parts.index], parts, rtol=1e-12)


def test_contributions_add_up_and_weights_stand_beside_them(risk):
    np.testing.assert_allclose(risk["contribution"].sum(axis=1), risk["book", "predicted_vol"], rtol=1e-12)
    np.testing.assert_allclose(risk["weight"].sum(axis=1), 1.0)
    assert risk["weight"]["FOXT"].iloc[0] == pytest.approx(1 / 8)
    assert risk.iloc[-1]["weight"]["FOXT"] == 0
    assert risk.iloc[-1]["contribution"]["FOXT"] == 0


def test_the_view_is_the_forecasts(model, synthetic):
    history = risk_history(model, synthetic, None, END, END, 1, view="targeting")
    forecast = model.forecast(synthetic.asof(END), 1, "targeting")
    expected = forecast.portfolio_volatility(history["weight"].loc[END, forecast.assets], periods=252)
    assert history["book", "predicted_vol"].item() == pytest.approx(expected, rel=1e-12)


def test_a_portfolio_for_all_dates(model, synthetic):
    weights = {"ALFA": 0.5, "CHAR": -0.2}
    history = risk_history(model, synthetic, weights, END, END)
    expected = model.forecast(synthetic.asof(END)).portfolio_volatility(weights, periods=252)
    assert history["book", "predicted_vol"].item() == pytest.approx(expected, rel=1e-12)
    assert history["weight"].loc[END].to_dict() == dict.fromkeys(synthetic.assets, 0.0) | weights


def test_a_portfolio_that_changes_stands_until_the_next(model, synthetic):
    portfolios = pd.DataFrame({"ALFA": [1.0, np.nan], "BRAV": [0.0, 1.0]}, index=market.SESSIONS[[1085, 1100]])
    weight = risk_history(model, synthetic, portfolios, START, END, every=2)["weight"]
    assert weight["ALFA"].tolist() == [1.0] * 5 + [0.0] * 11
    assert weight["BRAV"].tolist() == [0.0] * 5 + [1.0] * 11


def test_other_years(model, synthetic, risk):
    daily = risk_history(model, synthetic, None, START, END, every=5, periods=1)
    np.testing.assert_allclose(daily["book", "predicted_vol"] * np.sqrt(252), risk["book", "predicted_vol"])


def test_sigma_of_each_date(model, synthetic):
    history = covariance_history(model, synthetic, START, END, horizon=5, every=10)
    assert history.index.names == ["session", "asset"]
    assert list(history.columns) == list(synthetic.assets)
    first = model.forecast(synthetic.asof(START), horizon=5).covariance
    pd.testing.assert_frame_equal(history.loc[START], first, check_names=False, rtol=1e-12)
    last = history.loc[market.SESSIONS[1120]]
    assert "FOXT" not in last.index
    assert last["FOXT"].isna().all()


def test_volatility_of_each_date_is_daily(model, synthetic):
    history = volatility_history(model, synthetic, START, END, every=10)
    expected = model.volatility.predict(synthetic.asof(START), 21)
    pd.testing.assert_series_equal(history.loc[START], expected, check_names=False, rtol=1e-12)
    assert np.isnan(history.loc[market.SESSIONS[1120], "FOXT"])


def test_the_view_is_handed_on(synthetic):
    from volplugin.correlation import TwoSpeedCorrelation

    model = RiskModel(RollingVolatility(40), TwoSpeedCorrelation(EWMACorrelation(20), fast_halflife=5))
    risk, structure = (covariance_history(model, synthetic, END, END, view=view) for view in ("risk", "structure"))
    assert not np.allclose(risk, structure, equal_nan=True)


def test_the_future_does_not_reach_a_history(synthetic):
    """Through vintages too: every row after a session corrupted, every forecast up to it bit-identical."""
    poisoned, asof = market.poisoned(synthetic, END), str(END.date())
    histories = []
    for panel in (synthetic, poisoned):
        walk_forward = WalkForward(HARVolatility()).train(panel.asof(END), START, END, progress=False)
        model = RiskModel(walk_forward, EWMACorrelation(20))
        histories.append(risk_history(model, panel, dict.fromkeys(ALWAYS, 1 / 3), START, asof, every=3))
    pd.testing.assert_frame_equal(*histories, check_exact=True)


# -- what is refused -------------------------------------------------------------------------------


def test_dates_without_sessions(model, synthetic):
    with pytest.raises(
        InsufficientHistoryError, match=r"^no session between 2030-01-01 and None in PricePanel\(.*\); move the dates$"
    ):
        risk_history(model, synthetic, None, "2030-01-01")
    with pytest.raises(
        ParameterError, match="^every is 0; pass the sessions from one forecast to the next, 1 or more$"
    ):
        forecast_history(model, synthetic, START, END, every=0)


def test_portfolios_that_cannot_be_judged(model, synthetic):
    with pytest.raises(AssetMismatchError, match=r"^the portfolio holds XYZ, which PricePanel\(.*\) does not have$"):
        risk_history(model, synthetic, {"XYZ": 1.0}, START, END)
    with pytest.raises(MissingForecastError, match="FOXT has weight 1 but no forecast"):
        risk_history(model, synthetic, {"FOXT": 1.0}, END, END)
    late = pd.DataFrame({"ALFA": [1.0]}, index=[END])
    with pytest.raises(InsufficientHistoryError, match=f"no portfolio by {START.date()}: the first is of {END.date()}"):
        risk_history(model, synthetic, late, START, END)


# -- export ----------------------------------------------------------------------------------------


def test_parquet_gives_the_same_frames_back(model, synthetic, risk, tmp_path):
    pytest.importorskip("pyarrow", reason="Parquet takes pyarrow: pip install 'volplugin[parquet]'")
    for history in (risk, covariance_history(model, synthetic, START, END, every=10)):
        file = write_parquet(history, tmp_path / "made" / "history.parquet")
        pd.testing.assert_frame_equal(pd.read_parquet(file), history, check_freq=False)


def test_without_pyarrow_it_says_what_to_install(risk, tmp_path, monkeypatch):
    def no_library(*_: object, **__: object) -> None:
        raise ImportError("no pyarrow")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", no_library)
    with pytest.raises(MissingLibraryError, match=r"history.parquet: .* pip install 'volplugin\[parquet\]'"):
        write_parquet(risk, tmp_path / "history.parquet")
    assert not list(tmp_path.iterdir())


def test_a_daily_history_is_the_history_of_value_at_risk(synthetic):
    """Returns and one-session volatilities of one portfolio, written out."""
    model = RiskModel(RollingVolatility(40), EWMACorrelation(20))
    weights = pd.Series([0.5, 0.3, 0.4], ALWAYS)
    start, end = market.SESSIONS[600], market.SESSIONS[1150]
    daily = risk_history(model, synthetic, weights, start, end, horizon=1)["book"]
    assert daily[["returns", "volatility"]].iloc[0].isna().all()
    for place in (1, 200, 540):
        before, session = daily.index[place - 1], daily.index[place]
        earned = np.expm1(synthetic.returns.loc[session, ALWAYS]) @ weights
        assert daily["returns"].iloc[place] == pytest.approx(earned, rel=1e-12)
        expected = model.forecast(synthetic.asof(before), 1).portfolio_volatility(weights)
        assert daily["volatility"].iloc[place] == pytest.approx(expected, rel=1e-9)
    forecast = model.forecast(synthetic.asof(end), 1)
    historical = forecast.value_at_risk(weights, 0.99, history=daily)
    z = (daily["returns"] / daily["volatility"]).dropna()
    assert historical == pytest.approx(-forecast.portfolio_volatility(weights) * np.quantile(z, 0.01), rel=1e-9)
    assert "returns" not in risk_history(model, synthetic, weights, start, start, every=5)["book"]
