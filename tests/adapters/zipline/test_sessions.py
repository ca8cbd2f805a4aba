"""Completed sessions from any hook, and nothing of a session that is not over."""

from types import SimpleNamespace

import pandas as pd
import pytest
from zipline.api import date_rules, schedule_function, time_rules
from zipline.utils.api_support import ZiplineAPI
from zipline.utils.calendar_utils import get_calendar

import zipline_market
from adapters.zipline import strategies
from volplugin import read_bundle
from volplugin.adapters.zipline import completed_session, history_panel
from volplugin.errors import InsufficientHistoryError, ParameterError

START, END = "2017-06-01", "2017-07-05"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2017-06-15 04:00", "2017-06-14"),  # midnight in New York
        ("2017-06-15 12:45", "2017-06-14"),  # before_trading_start
        ("2017-06-15 15:00", "2017-06-14"),  # a minute of the session
        ("2017-06-15 19:59", "2017-06-14"),
        ("2017-06-15 20:00", "2017-06-15"),  # the close
        ("2017-06-19 12:45", "2017-06-16"),  # a Monday morning
        ("2017-07-03 16:59", "2017-06-30"),
        ("2017-07-03 17:00", "2017-07-03"),  # an early close
    ],
)
def test_a_session_counts_once_it_is_closed(now, expected):
    algorithm = SimpleNamespace(trading_calendar=get_calendar("XNYS"))
    with ZiplineAPI(algorithm):
        data = SimpleNamespace(current_dt=pd.Timestamp(now, tz="UTC"))
        assert completed_session(data) == pd.Timestamp(expected)


def test_outside_a_run_is_an_error():
    with pytest.raises(ParameterError, match="no zipline simulation is running"):
        completed_session(SimpleNamespace(current_dt=pd.Timestamp("2017-06-15", tz="UTC")))


@pytest.fixture(scope="module")
def seen(small):
    """What each hook saw, by hook and session: the guarded panel and the raw last bar."""
    seen = {}

    def look(hook):
        def hooked(context, data):
            today = data.current_session
            raw = data.history(context.universe, "close", 5, "1d")
            seen[hook, today] = (history_panel(data, context.universe, 30), raw.index[-1])

        return hooked

    def initialize(context):
        context.universe = [asset for asset in strategies.universe(context) if asset.symbol in ("AAA", "DDD")]
        schedule_function(look("open rule"), date_rules.every_day(), time_rules.market_open(minutes=30))
        schedule_function(look("close rule"), date_rules.every_day(), time_rules.market_close(minutes=30))

    strategies.run(small, START, END, initialize, handle_data=look("handle"), before_trading_start=look("before"))
    return seen


@pytest.mark.parametrize("hook", ["handle", "open rule", "close rule"])
def test_hooks_at_the_close_see_today(seen, hook):
    for session in zipline_market.sessions(START, END):
        assert seen[hook, session][0].last_session == session


def test_before_trading_start_sees_yesterday_though_zipline_offers_today(seen):
    days = zipline_market.sessions("2017-05-31", END)
    for yesterday, today in zip(days[:-1], days[1:], strict=True):
        panel, raw_last = seen["before", today]
        assert raw_last == today  # the leak that the guard is there for
        assert panel.last_session == yesterday


def test_history_equals_the_bundle_to_three_decimals(seen, small):
    exact = read_bundle(small)
    panel = seen["before", pd.Timestamp("2017-06-15")][0]
    assert len(panel.sessions) == 30
    assert panel.has_ranges
    expected = exact.returns.loc[panel.sessions[1:], panel.assets]
    pd.testing.assert_frame_equal(panel.returns.iloc[1:], expected, atol=5e-5, rtol=0)


def run_at(small, day, look):
    def initialize(context):
        context.universe = {asset.symbol: asset for asset in strategies.universe(context)}

    strategies.run(small, day, day, initialize, handle_data=look)


def test_window_shrinks_to_what_there_is(small):
    lengths = []

    def look(context, data):
        assets = context.universe
        lengths.append(len(history_panel(data, [assets["DDD"]], 100).sessions))
        lengths.append(len(history_panel(data, [assets["AAA"]], 1000).sessions))

    run_at(small, "2016-01-12", look)
    begins = (zipline_market.LISTED, zipline_market.FIRST)
    assert lengths == [len(zipline_market.sessions(begin, "2016-01-12")) for begin in begins]


def test_market_stands_behind_the_assets(small):
    panels = []

    def look(context, data):
        assets = context.universe
        panels.append(history_panel(data, [assets["BBB"]], 20, market=assets.values()))

    run_at(small, "2016-05-12", look)
    assert list(panels[0].assets) == ["BBB"]
    assert list(panels[0].market.assets) == ["BBB", "AAA", "CCC", "DDD", "EEE", "FFF"]


def test_asset_without_data_yet_is_named(small):
    def look(context, data):
        history_panel(data, [context.universe["DDD"]], 20)

    with pytest.raises(InsufficientHistoryError, match="DDD: no data by 2015-06-12, the first bar is of 2016-01-04"):
        run_at(small, "2015-06-12", look)
