"""Runs on other calendars than New York's."""

import numpy as np
import pandas as pd
import pytest
from zipline import run_algorithm
from zipline.api import attach_pipeline, order, pipeline_output, set_slippage
from zipline.finance import slippage
from zipline.pipeline import Pipeline
from zipline.pipeline.domain import EquityCalendarDomain
from zipline.utils.calendar_utils import get_calendar

from volplugin import EWMACorrelation, HARVolatility, RiskModel, RiskProvider, RollingVolatility, VolatilityTarget
from volplugin._bundles import bundle_from_frames
from volplugin.adapters.zipline import (
    PrecomputedForecasts,
    predicted_volatility,
    read_bundle,
    register_metrics,
    run_backtest,
)
from volplugin.data.calendars import calendar_sessions
from volplugin.errors import BundleError

CALENDARS = {"XSHG": 243, "24/7": 365}
START, END = "2015-06-01", "2016-01-29"
MODEL = RiskModel(RollingVolatility(21), EWMACorrelation(halflife=21))


def name_of(calendar: str) -> str:
    return f"abroad-{calendar.replace('/', '')}"


@pytest.fixture(scope="module", params=CALENDARS)
def calendar(request, isolated_environment):
    sessions = calendar_sessions(request.param, pd.Timestamp("2014-06-02"), pd.Timestamp(END))
    returns = 0.015 * np.random.default_rng(1).standard_normal((len(sessions), 3))
    close = pd.DataFrame(50 * np.exp(returns.cumsum(axis=0)), sessions, ["AAA", "BBB", "CCC"])
    close.iloc[250:330, 2] = np.nan  # a halt
    close.iloc[:200, 1] = np.nan  # listed later
    bundle_from_frames(name_of(request.param), {"close": close.round(2)}, calendar=request.param)
    return request.param


def hold(context, data):
    assets = [context.symbol(name) for name in ("AAA", "BBB", "CCC")]
    context.risk.target(context, data, {asset: 1 / 3 for asset in assets}, missing="drop")


def run(calendar, target=0.10):
    def initialize(context):
        context.risk = RiskProvider(MODEL, bundle=name_of(calendar), horizon=1)
        context.target = VolatilityTarget(target, max_leverage=5.0, band=0.0, feedback=0.0, drift=0.0)

    functions = {"initialize": initialize, "handle_data": hold}
    return run_backtest(bundle=name_of(calendar), start=START, end=END, **functions)


def test_the_perf_frame_has_every_session_and_is_annual_by_the_calendar(calendar):
    from volplugin.report.result import on_sessions

    perf, periods = run(calendar), CALENDARS[calendar]
    due = calendar_sessions(calendar, pd.Timestamp(START), pd.Timestamp(END))
    assert on_sessions(perf.iloc[:, perf.columns != "orders"]).index.tolist() == due.tolist()
    assert (perf["periods_per_year"] == periods).all()
    deviation = perf["returns"].iloc[-63:].std()
    assert perf["realized_vol"].iloc[-1] == pytest.approx(deviation * np.sqrt(periods))
    card = perf.attrs["risk_report"]
    assert card["periods_per_year"] == periods
    traded = perf["gross_leverage"].shift(1) > 0
    held = perf[traded & (perf["unmodelled_weight"] == 0)]
    # Fresh weights meet the target at the calendar's sessions per year, but for one close of price moves.
    assert held["predicted_vol"].median() == pytest.approx(0.10, rel=0.02)
    assert card["realized_vol"] == pytest.approx(perf.loc[perf["predicted_vol"] > 0, "returns"].std() * periods**0.5)


def test_a_run_on_new_yorks_sessions_is_refused(calendar):
    def initialize(context):
        RiskProvider(MODEL, bundle=name_of(calendar))

    with pytest.raises(BundleError, match=f"--trading-calendar {calendar}"):
        run_algorithm(
            start=pd.Timestamp(START), end=pd.Timestamp("2015-12-31"), initialize=initialize, capital_base=1e6,
            bundle=name_of(calendar),
        )  # fmt: skip


def test_forecasts_in_pipeline_follow_the_calendar_of_the_run(calendar):
    register_metrics()
    panel = read_bundle(name_of(calendar))
    model = HARVolatility().fit(panel.asof("2015-05-29"))
    path = model.predict_path(panel, START, "2015-06-30", horizon=5)
    forecasts, seen = PrecomputedForecasts(volatility=path), {}

    def initialize(context):
        forecasts.attach(context)
        columns = {"file": forecasts.dataset.volatility.latest, "factor": predicted_volatility(model, horizon=5)}
        # Pipeline has no market for 24/7: name one.
        domain = {"domain": EquityCalendarDomain("US", "24/7")} if calendar == "24/7" else {}
        attach_pipeline(Pipeline(columns, **domain), "risk")

    def read(context, data):
        seen[context.get_datetime()] = pipeline_output("risk")

    # The close of 24/7 is the next midnight, for which Pipeline returns the next session's row.
    hook = {"before_trading_start" if calendar == "24/7" else "handle_data": read}

    run_algorithm(
        start=path.index[1], end=path.index[-1], initialize=initialize, **hook,
        capital_base=1e6, bundle=name_of(calendar), trading_calendar=get_calendar(calendar),
    )  # fmt: skip
    assert len(seen) == len(path) - 1
    shown = list(seen.values())[-1]
    expected = path.iloc[-2].dropna()
    assert len(expected) > 1
    by_symbol = {asset.symbol: row for asset, row in shown.iterrows()}
    for name, value in expected.items():
        assert by_symbol[name]["file"] == pytest.approx(value)
        assert by_symbol[name]["factor"] == pytest.approx(value, rel=0.2)


def test_a_function_that_zipline_never_calls_is_named(calendar, caplog):
    calls = []
    functions = {"initialize": lambda context: None, "before_trading_start": lambda context, data: calls.append(1)}
    run_backtest(bundle=name_of(calendar), start=START, end="2015-06-05", **functions)
    assert bool(calls) == ("before_trading_start" not in caplog.text) == (calendar == "24/7")


def test_prices_and_fills_are_of_the_session_that_closes(calendar):
    seen, closes = [], read_bundle(name_of(calendar), anchor="last").close["AAA"]

    def initialize(context):
        set_slippage(us_equities=slippage.NoSlippage())

    def handle_data(context, data):
        asset = context.symbol("AAA")
        seen.append((data.current(asset, "close"), *data.history(asset, "close", 2, "1d")))
        if len(seen) == 1:
            order(asset, 10)

    perf = run_backtest(
        bundle=name_of(calendar), start=START, end="2015-06-05", initialize=initialize, handle_data=handle_data
    )
    due = closes.loc[START:"2015-06-05"]
    assert np.allclose(seen, np.column_stack([due, closes.shift(1)[due.index], due]), atol=1e-3)
    (fill,) = [trade for trades in perf["transactions"] for trade in trades]
    assert fill["price"] == pytest.approx(due.iloc[1], abs=1e-3)
    assert perf["transactions"].iloc[1]
