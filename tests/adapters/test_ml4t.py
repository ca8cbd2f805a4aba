"""Weights for ml4t-backtest, requested as its strategies do; `test_engines.py` runs the real one."""

from types import SimpleNamespace

import pandas as pd
import pytest

from volplugin import RiskModel, RollingCorrelation, RollingVolatility, VolatilityTarget
from volplugin.adapters.ml4t import TargetVolatility
from volplugin.errors import AssetMismatchError, DataFrequencyError, LookAheadError, ParameterError


@pytest.fixture(scope="module")
def model():
    return RiskModel(RollingVolatility(40), RollingCorrelation(60))


class Broker:
    """The part of ml4t's broker that is read."""

    def __init__(self, positions=None, value=1e6):
        self.positions, self.value = positions or {}, value

    def get_account_value(self):
        return self.value

    def get_multiplier(self, asset):
        return 1.0


def bars(real, day):
    return {asset: {"close": close} for asset, close in real.close.loc[day].items()}


def test_the_weights_meet_the_target(real, model):
    provider = TargetVolatility(model, real, VolatilityTarget(0.10, band=0.0))
    day = real.asof("2010-06-30").last_session
    weights = provider.get_weights(bars(real, day), Broker(), day.to_pydatetime())
    forecast = model.forecast(real.asof(day), 1, "targeting")
    assert forecast.portfolio_volatility(weights, periods=252) == pytest.approx(0.10)


def test_positions_count_at_the_last_close(real, model):
    """A portfolio inside the band is held on, and None says so on the other days of a month."""
    provider = TargetVolatility(model, real, 0.10, frequency="monthly")
    day, after = real.sessions[real.sessions.slice_indexer("2010-06-29", "2010-06-30")]
    data = bars(real, day)
    first = provider.get_weights(data, Broker(), day)
    held = {asset: SimpleNamespace(quantity=1e6 * first[asset] / data[asset]["close"]) for asset in first}
    assert provider.get_weights(bars(real, after), Broker(held), after) is None
    other = TargetVolatility(model, real, 0.10)
    assert other.get_weights(data, Broker(held), day) == pytest.approx(first)


def test_wrong_uses_are_errors(real, model):
    day = real.asof("2010-06-30").last_session
    with pytest.raises(LookAheadError, match="the panel ends on 2010-05-28"):
        TargetVolatility(model, real.asof("2010-05-31"), 0.10).get_weights(bars(real, day), Broker(), day)
    with pytest.raises(AssetMismatchError, match="NONE does not trade"):
        TargetVolatility(model, real, 0.10, {"NONE": 1.0}).get_weights(bars(real, day), Broker(), day)
    with pytest.raises(ParameterError, match="frequency is 'hourly'"):
        TargetVolatility(model, real, 0.10, frequency="hourly")


def test_bars_within_a_session_are_refused(real, model):
    """The second bar of a day ends the run: the first one may be before the close that a forecast uses."""
    provider = TargetVolatility(model, real, 0.10)
    day = real.asof("2010-06-30").last_session
    provider.get_weights(bars(real, day), Broker(), day + pd.Timedelta(hours=10))
    with pytest.raises(DataFrequencyError, match="2010-06-30 10:00:00 and 2010-06-30 11:00:00 are in one session"):
        provider.get_weights(bars(real, day), Broker(), day + pd.Timedelta(hours=11))
