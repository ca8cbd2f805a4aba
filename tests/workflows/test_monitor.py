import numpy as np
import pandas as pd
import pytest
from synthetic import ASOF

from volplugin import PricePanel, RiskModel, RollingCorrelation, RollingVolatility
from volplugin.errors import PanelError
from volplugin.workflows import Limits, check_health
from volplugin.workflows.monitor import health_text

MODEL = RiskModel(RollingVolatility(40), RollingCorrelation(60))


@pytest.fixture(scope="module")
def panel():
    """Four stocks with steady volatility on the sessions of the exchange."""
    import exchange_calendars

    sessions = exchange_calendars.get_calendar("XNYS", start="2015-01-02", end="2018-12-31").sessions
    random = np.random.default_rng(1)
    shocks = 0.01 * (
        0.6 * random.standard_normal((len(sessions), 1)) + 0.8 * random.standard_normal((len(sessions), 4))
    )
    return PricePanel(close=pd.DataFrame(50 * np.exp(shocks.cumsum(axis=0)), sessions, list("ABCD")))


def states(panel, today=None, model=MODEL, **settings):
    today = panel.last_session if today is None else pd.Timestamp(today)
    return {check.name: check for check in check_health(model, panel, today, **settings)}


def test_all_checks_pass_on_good_data(panel):
    found = states(panel)
    assert {check.state for check in found.values()} == {"ok"}, health_text(list(found.values()))
    assert len(found) == 10


def test_old_prices_fail(panel):
    assert states(panel, "2019-01-04")["prices are recent"].state == "ok"
    late = states(panel, "2019-02-01")["prices are recent"]
    assert late.state == "FAIL"
    assert late.found.startswith("22 sessions behind 2019-02-01")
    assert states(panel, "2018-12-25")["prices are recent"].state == "ok"


def test_a_missing_session_fails_and_is_named(panel):
    close = panel.close.drop(panel.sessions[-30])
    missing = states(PricePanel(close=close))["every session is there"]
    assert missing.state == "FAIL"
    assert str(panel.sessions[-30].date()) in missing.found


def test_missing_bars_and_unchanged_prices_fail(panel):
    close = panel.close.copy()
    close.iloc[-8:-4, 1] = np.nan
    assert "most of B (4)" in states(PricePanel(close=close))["bars are there"].found
    close = panel.close.copy()
    close.iloc[-6:, 2] = close.iloc[-6, 2]
    still = states(PricePanel(close=close))["prices move"]
    assert (still.state, still.found) == ("FAIL", "C at one price for 5 sessions")


def test_weight_without_a_forecast_fails(panel):
    close = panel.close.copy()
    close.iloc[:-10, 3] = np.nan
    portfolio = pd.Series({"A": 0.5, "D": 0.5})
    covered = states(PricePanel(close=close), weights=portfolio)["coverage"]
    assert (covered.state, covered.found) == ("FAIL", "50% of weight with a forecast, without: D")


def test_miscalibrated_forecasts_fail(panel):
    """Volatility triples in the last quarter; the rolling window of 500 sessions adapts slowly."""
    returns = panel.returns.fillna(0.0)
    returns.iloc[-63:] *= 3
    wild = PricePanel(close=50 * np.exp(returns.cumsum()))
    slow = RiskModel(RollingVolatility(500), RollingCorrelation(60))
    found = states(wild, model=slow)
    assert found["calibration"].state == "FAIL"
    assert "under-predicted" in found["calibration"].found
    assert states(wild, model=slow, limits=Limits(loss=1.05))["loss"].state == "FAIL"


def test_an_old_model_fails(panel, synthetic):
    from registry import learn

    from volplugin import HARVolatility

    fitted = RiskModel(learn(HARVolatility(), synthetic), RollingCorrelation(60))
    found = states(synthetic.asof(ASOF), model=fitted, limits=Limits(model_age=5))
    assert found["model is recent"].state == "FAIL"


def test_an_unknown_exchange_raises(panel):
    with pytest.raises(PanelError, match="no exchange calendar is called .XXXX."):
        states(panel, calendar="XXXX")
