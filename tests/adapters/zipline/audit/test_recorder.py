"""Recording the orders, values and state of a strategy; its hooks, context and blotter are stand-ins."""

from types import SimpleNamespace

import pandas as pd
import pytest
from zipline.utils.algo_instance import get_algo_instance, set_algo_instance
from zipline.utils.calendar_utils import get_calendar

from volplugin.adapters.zipline.audit.decisions import CLOSE, KEPT, MORNING, Decision
from volplugin.adapters.zipline.audit.recorder import EnoughSeenError, Recorder

DAY = "2017-06-12"
ASSET = SimpleNamespace(symbol="AAA")


class Style:
    def __init__(self, limit=None, stop=None):
        self.limit, self.stop = limit, stop

    def get_limit_price(self, buying):
        return self.limit if buying or self.limit is None else -self.limit

    def get_stop_price(self, buying):
        return self.stop


class Blotter:
    def __init__(self):
        self.orders, self.calls = {}, []

    def order(self, asset, amount, style, order_id=None):
        self.calls.append((asset, amount, style, order_id))
        self.orders["id"] = SimpleNamespace(asset=asset, amount=amount)
        return "id"

    def cancel(self, order_id, relay_status=True):
        self.calls.append((order_id, relay_status))
        return "gone"


def started(morning=None, watched=(), stop=None, initialize=lambda context: None):
    recorder = Recorder(watched, stop, lambda kind: False)
    context = SimpleNamespace(blotter=Blotter(), recorded_vars={})
    hooks = {"initialize": initialize, "analyze": print, "handle_data": print}
    wrapped = recorder.wrap(hooks if morning is None else hooks | {"before_trading_start": morning})
    wrapped["initialize"](context)
    return recorder, context, wrapped


def begin(context, wrapped, day=DAY, tz=None):
    wrapped["before_trading_start"](context, SimpleNamespace(current_session=pd.Timestamp(day, tz=tz)))


def test_orders_are_recorded_and_placed():
    recorder, context, wrapped = started()
    assert set(wrapped) == {"initialize", "before_trading_start", "handle_data"}
    assert not recorder.mornings
    context.blotter.order(ASSET, 9, Style())
    assert (recorder.decisions, recorder.completed) == ([], None)
    begin(context, wrapped, tz="UTC")
    assert recorder.completed == pd.Timestamp(DAY)
    style = Style(2.0, 1.5)
    assert context.blotter.order(ASSET, -3, style, "mine") == "id"
    context.blotter.order(ASSET, 0, Style())
    context.blotter.order(ASSET, 4, style)
    assert context.blotter.cancel("id", relay_status=False) == "gone"
    assert context.blotter.cancel("other") == "gone"
    kinds = ["order", "order", "cancelled order"]
    values = [{"shares": -3, "limit": -2.0, "stop": 1.5}, {"shares": 4, "limit": 2.0, "stop": 1.5}, {"shares": 4}]
    assert recorder.decisions == [Decision(DAY, CLOSE, k, "AAA", v) for k, v in zip(kinds, values, strict=True)]
    assert context.blotter.calls[1] == (ASSET, -3, style, "mine")
    assert context.blotter.calls[-2:] == [("id", False), ("other", True)]


def test_values_of_the_morning():
    def morning(context, data):
        context.recorded_vars = {**context.recorded_vars, "sigma": 0.5}
        context.kept, context._private, context.same = data.current_session.day, 1, 7

    recorder, context, wrapped = started(morning, watched=["2017-06-13"])
    assert recorder.mornings
    begin(context, wrapped)
    assert recorder.decisions == [Decision(DAY, MORNING, "recorded value", "sigma", 0.5)]
    del recorder.decisions[:]
    begin(context, wrapped, "2017-06-13")
    (kept,) = recorder.decisions[:1]
    assert (kept.session, kept.hook, kept.kind, kept.name) == ("2017-06-13", MORNING, KEPT, "context.kept")
    assert kept.value["shown"] == "13"
    assert [made.name for made in recorder.decisions] == ["context.kept"]


def test_what_initialize_stores_is_no_morning_s():
    def initialize(context):
        context.set_before = 1

    recorder, context, wrapped = started(lambda context, data: None, [DAY], initialize=initialize)
    begin(context, wrapped)
    assert recorder.decisions == []
    context.blotter.order(ASSET, 1, Style())
    assert recorder.decisions[0].hook == CLOSE


def test_a_run_ends_in_the_morning_of_its_last_session():
    seen = []
    _, context, wrapped = started(lambda context, data: seen.append(1), stop="2017-06-13")
    begin(context, wrapped)
    with pytest.raises(EnoughSeenError):
        begin(context, wrapped, "2017-06-13")
    assert seen == [1, 1]


def test_the_fills_and_the_worth_of_a_session():
    recorder, context, wrapped = started()
    begin(context, wrapped)
    fills = [{"sid": ASSET, "amount": 3, "price": 2.5}]
    ledger = SimpleNamespace(
        transactions=lambda moment: fills if moment == "close" else [], portfolio=SimpleNamespace(portfolio_value=1e6)
    )
    before = get_algo_instance()
    set_algo_instance(SimpleNamespace(recorded_vars={"sigma": 0.5}, trading_calendar=get_calendar("XNYS")))
    try:
        recorder.end_of_session({"daily_perf": {"period_close": "close"}}, ledger, pd.Timestamp(DAY), 0, None)
        assert recorder.decisions == [
            Decision(DAY, CLOSE, "fill", "AAA", {"shares": 3, "price": 2.5}),
            Decision(DAY, CLOSE, "recorded value", "sigma", 0.5),
            Decision(DAY, CLOSE, "portfolio value", "", 1e6),
        ]
        seen = []
        other, context, wrapped = started(lambda context, data: seen.append(other.completed))
        begin(context, wrapped)
    finally:
        set_algo_instance(before)
    assert seen == [pd.Timestamp("2017-06-09")]
    assert other.completed == pd.Timestamp(DAY)
