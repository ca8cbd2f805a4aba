"""Every strategy of the gallery runs by name and by file, holds what it says, and stays within its limits."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import volplugin._gallery
import zipline_market
from volplugin import default_risk_model, read_bundle
from volplugin.adapters.zipline import load_strategy, run_backtest
from volplugin.adapters.zipline.run import gallery
from volplugin.portfolio.track_record import predicted_over_realized

START, END = "2017-01-03", "2017-03-31"
FOLDER = Path(volplugin._gallery.__path__[0])
NAMES = [
    "inverse_vol",
    "minimum_variance",
    "momentum",
    "risk_parity",
    "seed_book",
    "steady_vol",
    "vol_target",
    "vol_target_ewma",
]
REBALANCED = pd.Timestamp("2017-02-01", tz="UTC")
"""A session on which the monthly rebalance orders; it is filled at the close of the next."""


@pytest.fixture(scope="module")
def runs(small, store):
    """Perf of every strategy by name, monthly and at the defaults."""
    chosen = {name: {} if name == "vol_target_ewma" else {"store": store} for name in NAMES}
    return {name: run_backtest(name, small, START, END, 1e6, chosen[name]) for name in NAMES}


def weights_after(perf: pd.DataFrame) -> pd.Series:
    """Weights at the close at which the rebalance of February was filled."""
    row = perf[perf["period_close"] > REBALANCED + pd.Timedelta(days=1)].iloc[0]
    values = {p["sid"].symbol: p["amount"] * p["last_sale_price"] for p in row["positions"]}
    return pd.Series(values) / row["portfolio_value"]


def test_these_are_all():
    assert gallery() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_loads_from_its_file_as_zipline_executes_it(name):
    assert callable(load_strategy(FOLDER / f"{name}.py")["initialize"])


@pytest.mark.parametrize("name", [name for name in NAMES if name != "steady_vol"])
def test_each_is_short_and_says_how_to_run_it(name):
    text = (FOLDER / f"{name}.py").read_text()
    assert len(text.splitlines()) < 60
    assert f"volplugin backtest {name} " in text


@pytest.mark.parametrize("name", NAMES)
def test_each_is_expected_at_its_target_after_a_rebalance(runs, name):
    """The forecast for the next session, divided by the correction that the track record then gave."""
    perf = runs[name]
    row = int((perf["period_close"] <= REBALANCED + pd.Timedelta(days=2)).sum())
    past = perf.iloc[:row].rename(columns={"predicted_vol": "predicted", "returns": "realized"})
    past = past[past["predicted"] > 0].assign(predicted=lambda frame: frame["predicted"] / np.sqrt(252))
    correction = predicted_over_realized(past, 21.0, 5.0)
    assert perf["predicted_vol"].iloc[row] / correction == pytest.approx(0.10, rel=0.25)
    assert runs[name].attrs["risk_report"] == {} or runs[name].attrs["risk_report"]["target"] == 0.10


@pytest.mark.parametrize("name", NAMES)
def test_each_stays_long_and_within_its_leverage(runs, name):
    weights = weights_after(runs[name])
    assert (weights >= 0).all()
    assert 0.1 < weights.sum() < 1.6


def test_each_names_the_model_that_it_asked(runs):
    named = {name: run.attrs["risk_model"] for name, run in runs.items()}
    assert named["vol_target_ewma"].startswith("EWMAVolatility + EWMACorrelation(halflife=")
    assert named["steady_vol"] == named["vol_target"]
    assert named["vol_target"] == "LSTMVolatility + TwoSpeedCorrelation(fast_halflife=7, trust=0.5)"


def test_inverse_volatility_gives_more_to_the_calm(runs):
    weights = weights_after(runs["inverse_vol"])
    assert weights["AAA"] == weights.max()
    assert weights["FFF"] == weights.min()


def test_risk_parity_contributes_alike(runs, small, store):
    """By the forecast of the rebalance: the perf frame's contributions are of the next session alone."""
    weights = weights_after(runs["risk_parity"])
    asof = read_bundle(small).asof(REBALANCED.tz_localize(None))
    parts = default_risk_model(store).forecast(asof, view="structure").risk_contributions(weights)
    assert len(parts) == 6
    assert parts.max() / parts.min() < 1.2


def test_minimum_variance_carries_least_for_its_leverage(runs):
    """Predicted volatility per unit of leverage is smallest for the portfolio of least variance."""
    after = pd.Timestamp("2017-02-06", tz="UTC")
    risk = {name: runs[name].loc[after:].eval("predicted_vol / gross_leverage.shift(1)").iloc[1] for name in NAMES}
    assert risk["minimum_variance"] < risk["inverse_vol"] < risk["vol_target"]


def test_momentum_holds_the_winners_of_the_year_before_the_last_month(runs):
    closes = pd.DataFrame(
        {name: zipline_market.adjusted_close(bars) for name, bars in zipline_market.market().items()}
    ).loc[: REBALANCED.tz_localize(None)]
    rise = closes.iloc[-22] / closes.iloc[-253] - 1
    assert set(weights_after(runs["momentum"]).index) == set(rise.nlargest(2).index)


def test_equal_and_seed_weights_are_the_same_without_a_file(runs):
    pd.testing.assert_series_equal(runs["seed_book"]["returns"], runs["vol_target"]["returns"])


def test_before_and_after_differ_by_the_covariance_alone(runs):
    before, after = (weights_after(runs[name]) for name in ("vol_target_ewma", "vol_target"))
    np.testing.assert_allclose(before / before.sum(), after / after.sum(), rtol=0.01)
    assert abs(before.sum() / after.sum() - 1) > 0.01


def test_a_monthly_strategy_does_not_wait_for_the_month(small, store, runs):
    """The guard is checked at every close, through a storm and out of it."""
    chosen = {"store": store, "max_leverage": 3}
    perf = run_backtest("vol_target", small, START, "2017-06-30", 1e6, chosen)
    traded = perf["orders"].map(len).gt(0).to_numpy()
    months = perf.index.tz_localize(None).to_period("M").nunique()
    assert 2 * months < traded.sum() < 100
    # A jump of risk is over two sessions later: the order of its close fills at the next one, and counts from then on.
    strayed = ~perf["predicted_vol"].iloc[5:].between(0.05, 0.16)
    assert strayed.rolling(3).sum().max() <= 2
    assert strayed.sum() <= 2
