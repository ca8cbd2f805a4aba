"""Covariance and policy for cvxportfolio, called as cvxportfolio calls them; `test_engines.py` runs the real one."""

import copy

import numpy as np
import pandas as pd
import pytest

from volplugin import RiskModel, RollingCorrelation, RollingVolatility, VolatilityTarget
from volplugin.adapters.cvxportfolio import ForecastSigma, TargetVolatility
from volplugin.errors import AssetMismatchError, LookAheadError, MissingForecastError, ParameterError

T = pd.Timestamp("2010-06-30")


@pytest.fixture(scope="module")
def model():
    return RiskModel(RollingVolatility(40), RollingCorrelation(60))


@pytest.fixture(scope="module")
def returns(real):
    """Returns by the price at which they begin, as cvxportfolio has them, and cash."""
    return np.expm1(real.returns.shift(-1)).assign(cash=0.0)


def past(returns, t=T):
    return returns.loc[returns.index < t]


def test_prices_of_the_open_are_traded_before_the_close_is_known(model, real, returns):
    found = ForecastSigma(model, real).values_in_time(T, past(returns))
    yesterday = real.sessions[real.sessions.get_loc(T) - 1]
    pd.testing.assert_frame_equal(found, model.forecast(real.asof(yesterday), 21, "structure").covariance)


def test_a_time_of_day_and_a_time_zone_name_the_same_session(model, real, returns):
    opening = returns.set_axis(returns.index.tz_localize("UTC") + pd.Timedelta(hours=14, minutes=30))
    t = opening.index[returns.index.get_loc(T)]
    for prices in ("open", "close"):
        expected = ForecastSigma(model, real, prices=prices).values_in_time(T, past(returns))
        found = ForecastSigma(model, real, prices=prices).values_in_time(t, past(opening, t))
        pd.testing.assert_frame_equal(found, expected)


def test_units_are_those_of_a_trading_period(model, real, returns):
    daily, weekly = (ForecastSigma(model, real, periods=n).values_in_time(T, past(returns)) for n in (1, 5))
    np.testing.assert_allclose(weekly, 5 * daily)
    days = returns.drop(columns="cash").loc["2010-05":"2010-06"].std()
    assert (0.5 < np.sqrt(np.diagonal(daily)) / days).all()
    assert (np.sqrt(np.diagonal(daily)) / days < 2).all()


def test_assets_are_those_of_the_universe_in_its_order(model, real, returns):
    names = ["PG", "AXP", "IBM"]
    found = ForecastSigma(model, real).values_in_time(T, past(returns)[[*names, "cash"]])
    assert list(found.index) == list(found.columns) == names


def test_an_asset_without_a_forecast_and_a_short_panel_are_errors(model, real, returns):
    early = real.sessions[real.sessions.searchsorted(pd.Timestamp("2008-03-20"))]
    with pytest.raises(MissingForecastError, match="V has no forecast"):
        ForecastSigma(model, real).values_in_time(early, past(returns, early))
    with pytest.raises(LookAheadError, match="the panel ends on 2010-06-29"):
        ForecastSigma(model, real.asof("2010-06-29"), prices="close").values_in_time(T, past(returns))
    with pytest.raises(LookAheadError, match="the panel ends on 2010-06-25"):
        ForecastSigma(model, real.asof("2010-06-25")).values_in_time(T, past(returns))
    with pytest.raises(ParameterError, match="periods is 0"):
        ForecastSigma(model, real, periods=0)
    with pytest.raises(ParameterError, match="prices is 'last'"):
        ForecastSigma(model, real, prices="last")


def test_a_copy_shares_model_and_prices(model, real, returns):
    sigma = ForecastSigma(model, real)
    other = copy.deepcopy(sigma)
    pd.testing.assert_frame_equal(
        other.values_in_time(T, past(returns)), sigma.values_in_time(T, past(returns)), check_exact=True
    )
    assert "RollingVolatility" in repr(sigma)
    assert "open" in repr(sigma)


def trade(policy, returns, t=T, weights=None, value=1e6):
    weights = pd.Series(0.0, returns.columns) if weights is None else weights
    weights.iloc[-1] = 1 - weights.iloc[:-1].sum()
    return policy.values_in_time_recursive(
        t=t, current_weights=weights, current_portfolio_value=value, past_returns=past(returns, t), past_volumes=None
    )


def test_the_policy_meets_the_target_and_the_rest_is_cash(model, real, returns):
    after = trade(TargetVolatility(model, real, VolatilityTarget(0.10, band=0.0)), returns)
    yesterday = real.sessions[real.sessions.get_loc(T) - 1]
    forecast = model.forecast(real.asof(yesterday), 1, "targeting")
    assert forecast.portfolio_volatility(after.iloc[:-1], periods=252) == pytest.approx(0.10)
    assert after.sum() == pytest.approx(1)
    assert after.iloc[:-1].nunique() == 1


def test_another_run_of_the_same_policy_starts_anew(model, real, returns):
    policy = TargetVolatility(model, real, VolatilityTarget(0.10, band=0.0, drift=0.0), prices="close")
    days = returns.index[returns.index.slice_indexer("2010-06-01", "2010-06-30")]

    def run():
        policy.initialize_estimator_recursive(universe=returns.columns, trading_calendar=days)
        value, found, weights = 1e6, [], None
        for day in days:
            weights = trade(policy, returns, day, weights, value)
            found.append(weights)
            growth = weights * (1 + returns.loc[day])
            value, weights = value * growth.sum(), growth / growth.sum()
        policy.finalize_estimator_recursive()
        return pd.concat(found, axis=1)

    first = run()
    pd.testing.assert_frame_equal(run(), first, check_exact=True)
    # The track record corrects the leverage: the forecast alone does not explain it.
    plain = trade(
        TargetVolatility(model, real, VolatilityTarget(0.10, feedback=0.0), prices="close"), returns, days[-1]
    )
    assert abs(first.iloc[0, -1] / plain.iloc[0] - 1) > 1e-3


def test_a_wanted_asset_that_does_not_trade_is_an_error_or_left_out(model, real, returns):
    wanted = {"AXP": 0.5, "NONE": 0.5}
    with pytest.raises(AssetMismatchError, match="NONE does not trade at 2010-06-30"):
        trade(TargetVolatility(model, real, 0.10, wanted), returns)
    after = trade(TargetVolatility(model, real, 0.10, wanted, missing="drop"), returns)
    assert list(after[after != 0].index) == ["AXP", "cash"]
    for change in ({"frequency": "hourly"}, {"missing": "fill"}):
        with pytest.raises(ParameterError, match="pass one of"):
            TargetVolatility(model, real, 0.10, **change)


def test_between_rebalances_nothing_is_traded(model, real, returns):
    policy = TargetVolatility(model, real, 0.10, frequency="monthly")
    weights = trade(policy, returns)
    tomorrow = real.sessions[real.sessions.get_loc(pd.Timestamp("2010-06-30")) + 1]
    month = trade(policy, returns, tomorrow, weights.copy())
    again = trade(policy, returns, real.sessions[real.sessions.get_loc(tomorrow) + 1], month.copy())
    pd.testing.assert_series_equal(again, month)
