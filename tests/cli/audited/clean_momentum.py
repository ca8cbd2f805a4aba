"""Clean: yesterday's and today's closes at the close, through every hook, and a table of its own."""

import tempfile
import time
from pathlib import Path

from zipline.api import date_rules, order_target_percent, record, schedule_function, symbols, time_rules


def initialize(context):
    context.assets = symbols("AAA", "BBB", "CCC", "FFF")
    context.started = time.time()
    context.ranks = {}
    schedule_function(rebalance, date_rules.week_start(), time_rules.market_open(minutes=30))
    with tempfile.TemporaryDirectory() as folder:  # what a run wrote itself it may read
        note = Path(folder, "note.txt")
        note.write_text("0.9")
        context.leverage = float(note.read_text())


def before_trading_start(context, data):
    context.seen_at = time.time()
    past = data.history(context.assets, "close", 22, "1d").iloc[:-1]  # the last row is today's
    context.ranks = past.pct_change(20).iloc[-1].rank().to_dict()


def rebalance(context, data):
    now = data.current(context.assets, "close")
    record(best=max(context.ranks, key=context.ranks.get).symbol, mean=now.mean())
    for asset, rank in context.ranks.items():
        order_target_percent(asset, context.leverage * rank / 10)
