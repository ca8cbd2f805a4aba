"""`RiskProvider.target`: what it orders, when, and what it stores."""

import numpy as np
import pandas as pd
import pytest

from adapters.zipline import strategies
from volplugin import EWMACorrelation, RiskModel, RiskProvider, RollingVolatility, TwoSpeedCorrelation, VolatilityTarget
from volplugin.errors import InsufficientHistoryError, MissingForecastError, ParameterError
from volplugin.portfolio.track_record import predicted_over_realized

START, END = "2017-01-03", "2017-04-28"
YEAR = np.sqrt(252)
CORRELATION = TwoSpeedCorrelation(EWMACorrelation(60), fast_halflife=20, trust=0.5, targeting_halflife=3)


def hold(small, rule=None, end=END, start=START, names=("AAA", "BBB", "CCC"), **options):
    """Run equal weights of some stocks; return perf, and one row per close with what `target` saw and returned."""
    seen = []

    def initialize(context):
        context.risk = RiskProvider(RiskModel(RollingVolatility(40), CORRELATION), bundle=small)
        context.target = VolatilityTarget(0.10) if rule is None else rule

    def handle_data(context, data):
        every = context.asset_finder.retrieve_all(context.asset_finder.equities_sids)
        weights = {asset: 1.0 for asset in every if asset.symbol in names}
        ordered = context.risk.target(context, data, weights, **options)
        forecast = context.risk.forecast(context, data, list(weights), horizon=1, view="targeting")
        record, held = context.risk.track_record(context).frame, context.portfolio.current_portfolio_weights
        seen.append((ordered, forecast, record, held))

    return strategies.run(small, start, end, initialize, handle_data=handle_data), seen


def test_every_order_has_the_target_volatility_within_the_band(small):
    """Forecast of the weights ordered, divided by the correction of the track record: the band around the target."""
    _, seen = hold(small, VolatilityTarget(0.10, max_leverage=9))
    aimed = [
        forecast.portfolio_volatility(ordered) * YEAR / predicted_over_realized(record, 21, 5)
        for ordered, forecast, record, _ in seen
    ]
    assert len(aimed) == len(seen) > 70
    assert min(aimed) > 0.089
    assert max(aimed) < 0.111
    assert np.ptp(aimed) > 0.01


def test_orders_go_to_the_nearer_edge_of_the_band(small):
    rule = VolatilityTarget(0.10, max_leverage=9, feedback=0.0, drift=0.0)
    _, seen = hold(small, rule)
    ordered, forecast, _, _ = seen[0]
    assert forecast.portfolio_volatility(ordered) * YEAR == pytest.approx(0.09, rel=1e-9)


def test_a_band_of_zero_is_no_band(small):
    rule = VolatilityTarget(0.10, max_leverage=9, band=0.0, feedback=0.0)
    _, seen = hold(small, rule, end="2017-02-28")
    aimed = [forecast.portfolio_volatility(ordered) * YEAR for ordered, forecast, _, _ in seen]
    np.testing.assert_allclose(aimed, 0.10, rtol=1e-9)


@pytest.mark.parametrize(("frequency", "period"), [("daily", "D"), ("weekly", "W"), ("monthly", "M")])
def test_it_orders_on_its_calendar_and_returns_none_between(small, frequency, period):
    perf, seen = hold(small, VolatilityTarget(0.10, guard=np.inf), frequency=frequency)
    periods = perf.index.tz_localize(None).to_period(period)
    assert [ordered is not None for ordered, *_ in seen] == list(~periods.duplicated())


def test_a_run_that_begins_within_a_month_does_not_wait_for_the_next(small):
    perf, seen = hold(small, start="2017-01-17", end="2017-01-27", frequency="monthly")
    assert seen[0][0] is not None
    assert (perf["gross_leverage"].iloc[1:] > 0).all()


def test_the_guard_orders_between_rebalances(small):
    _, seen = hold(small, VolatilityTarget(0.10, max_leverage=9, guard=0.15), frequency="monthly")
    dates = pd.DatetimeIndex([forecast.asof for ordered, forecast, *_ in seen if ordered is not None])
    assert dates.to_period("M").duplicated().any()
    assert len(dates) < len(seen) / 2


def test_the_record_has_one_row_per_session_with_holdings(small):
    perf, seen = hold(small)
    record = seen[-1][2]
    np.testing.assert_allclose(record["realized"], perf["returns"].iloc[-len(record) :], rtol=1e-9, atol=1e-12)
    _, forecast, _, held = seen[-2]
    assert record["predicted"].iloc[-1] == pytest.approx(forecast.portfolio_volatility(held), rel=1e-9)
    assert len(record) == len(perf) - 2


def test_views_and_horizons_are_those_that_were_given(small):
    found = {}

    def initialize(context):
        context.risk = RiskProvider(RiskModel(RollingVolatility(40), CORRELATION), bundle=small, horizon=5)

    def handle_data(context, data):
        assets = context.asset_finder.retrieve_all(context.asset_finder.equities_sids)[:3]
        for view in ("risk", "structure", "targeting"):
            found[view] = context.risk.forecast(context, data, assets, view=view)
        found["far"] = context.risk.forecast(context, data, assets, horizon=21)

    strategies.run(small, START, "2017-01-05", initialize, handle_data=handle_data)
    assert [found[name].horizon for name in found] == [5, 5, 5, 21]
    averages = [found[view].diagnostics["average_correlation"] for view in ("risk", "structure", "targeting")]
    assert len(set(averages)) == 3


def test_a_delisted_stock_is_dropped_only_on_request(small):
    """EEE is delisted within the year."""
    names = ("AAA", "EEE")
    perf, _ = hold(small, end="2017-12-27", names=names, missing="drop")
    held = perf["positions"].map(lambda positions: {p["sid"].symbol for p in positions})
    assert held.iloc[30] == {"AAA", "EEE"}
    assert held.iloc[-1] == {"AAA"}
    with pytest.raises((MissingForecastError, InsufficientHistoryError), match="EEE"):
        hold(small, end="2017-12-27", names=names)


def test_what_the_weights_do_not_name_is_sold(small):
    def initialize(context):
        context.risk = RiskProvider(RiskModel(RollingVolatility(40), CORRELATION), bundle=small)
        context.assets = context.asset_finder.retrieve_all(context.asset_finder.equities_sids)[:2]

    def handle_data(context, data):
        first = str(data.current_dt.date()) < "2017-01-10"
        wanted = {context.assets[0 if first else 1]: 1.0}
        context.risk.target(context, data, lambda: wanted, VolatilityTarget(0.10))

    perf = strategies.run(small, START, "2017-01-20", initialize, handle_data=handle_data)
    held = perf["positions"].map(lambda positions: [p["sid"].symbol for p in positions])
    assert (held.iloc[3], held.iloc[-1]) == (["AAA"], ["BBB"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frequency": "hourly"}, "frequency is 'hourly'; pass one of daily, weekly, monthly"),
        ({"missing": "ignore"}, "missing is 'ignore'; pass one of raise, drop"),
    ],
)
def test_wrong_arguments_are_named(small, options, message):
    with pytest.raises(ParameterError, match=message):
        hold(small, end="2017-01-05", **options)


def test_a_rule_is_needed(small):
    def initialize(context):
        context.risk = RiskProvider(RiskModel(RollingVolatility(40), CORRELATION), bundle=small)

    def handle_data(context, data):
        context.risk.target(context, data, {})

    with pytest.raises(ParameterError, match=r"no VolatilityTarget: pass rule=VolatilityTarget\(0.10\)"):
        strategies.run(small, START, "2017-01-05", initialize, handle_data=handle_data)
