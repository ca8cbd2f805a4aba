"""Simulated markets of four exchange calendars, from CSV files to the report, through the command line.

    python benchmarks/bench_markets.py

London, Shanghai (price limits of 10%, halts of up to half a year), Bombay and a market that never closes: ``volplugin
ingest --csv --calendar``, ``backtest``, ``forecast`` and ``monitor`` on each, and with ``--all`` also ``train``,
``evaluate``, ``backtest --store`` and ``audit``. Prints one line per market: sessions of the calendar that the perf
frame lacks, and sessions that it has beyond them, sessions per year in every result, and processor time.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from click.testing import CliRunner

from volplugin.data.calendars import calendar_sessions
from volplugin.data.simulated import simulated_market

MARKETS = {"XLON": 253, "XSHG": 243, "XBOM": 246, "24/7": 365}
"""Calendars, and the sessions per year that their results must have."""
START, END, FIRST = "2014-01-06", "2018-12-28", "2016-03-01"
LIMIT, HALTS = 0.10, ((300, 420), (700, 745), (900, 903))
"""Largest daily move in Shanghai, and first and last row of its halts."""


def write_market(folder: Path, calendar: str, assets: int) -> Path:
    """Write one CSV file per stock; Shanghai has price limits and halts."""
    market = simulated_market(assets, START, END, seed=3, calendar=calendar)
    if calendar != "XSHG":
        return market.write_csv(folder)
    panel = market.panel()
    folder.mkdir(parents=True)
    for number, asset in enumerate(panel.assets):
        bars = pd.DataFrame({field: getattr(panel, field)[asset] for field in panel.fields}).dropna()
        limited(bars).drop(bars.index[slice(*HALTS[number % 3])]).to_csv(folder / f"{600000 + number}.SS.csv")
    return folder


def limited(bars: pd.DataFrame) -> pd.DataFrame:
    """Return bars whose closes move by at most `LIMIT`, with the ranges cut at the limits."""
    close = bars["close"].iloc[0] * (1 + bars["close"].pct_change().fillna(0.0).clip(-LIMIT, LIMIT)).cumprod()
    prices = bars[["open", "high", "low", "close"]].mul(close / bars["close"], axis=0)
    before = close.shift(1).fillna(close.iloc[0])
    return prices.clip(before * (1 - LIMIT), before * (1 + LIMIT), axis=0).round(3).assign(volume=bars["volume"])


def run(*arguments: object) -> str:
    """Run a command of volplugin and return its output; print the output of one that fails."""
    from volplugin.cli import main

    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exit_code not in (0, 3):  # 3: a check of the monitor fails, such as the age of the prices
        raise SystemExit(
            f"volplugin {' '.join(map(str, arguments))}: {result.exit_code}\n{result.output}"
        ) from result.exception
    return result.stdout


def check_market(calendar: str, folder: Path, assets: int, *, everything: bool = False) -> str:
    """Run the commands on one market and return a line of findings."""
    began = time.process_time()
    name, prices = f"market-{calendar.replace('/', '')}", folder / "prices"
    write_market(prices, calendar, assets)
    run("ingest", name, "--csv", prices, "--calendar", calendar)
    out = folder / "results"
    run("backtest", "vol_target", "--bundle", name, "--start", FIRST, "--out", out, "--no-judge", "--jobs", 1)
    perf = pd.read_pickle(out / "perf.pkl")
    stamps = pd.DatetimeIndex(perf["period_close"]).tz_localize(None)
    held = (stamps - pd.Timedelta(1, "ns")).normalize()  # on 24/7 a session closes at the next midnight
    due = calendar_sessions(calendar, pd.Timestamp(FIRST), pd.Timestamp(END))
    card = json.loads((out / "scorecard.json").read_text())["portfolio"]
    today = json.loads(run("forecast", "--bundle", name, "--json"))
    checks = {
        check["name"]: check
        for check in json.loads(run("monitor", "--bundle", name, "--today", END, "--json"))["checks"]
    }
    if everything:
        print(own_models(name, folder))
        run("audit", "vol_target", "--bundle", name, "--start", "2018-10-01", "--cuts", 1, "--jobs", 1)
    ratio = perf["returns"].tail(63).std() * math.sqrt(MARKETS[calendar]) / perf["realized_vol"].iloc[-1]
    periods = {float(perf["periods_per_year"].iloc[0]), card["periods_per_year"], today["periods_per_year"]}
    return (
        f"{calendar:5} perf {len(perf)} sessions, missing {len(due.difference(held))}, strange "
        f"{len(held.difference(due))}; per year {', '.join(map(str, sorted(periods)))} (right: {MARKETS[calendar]}); "
        f"realised vol as annualised so: {np.isclose(ratio, 1)}; bias {card['bias_statistic']['value']:.2f}; "
        f"monitor: {checks['every session is there']['state']}; {time.process_time() - began:.0f} s"
    )


def own_models(name: str, folder: Path) -> str:
    """Train models on a bundle, evaluate and use them, and return the first lines of what the commands print."""
    store, span = folder / "models", ("--bundle", name, "--start", "2018-01-02")
    trained = run("train", *span, "--store", store, "--jobs", 1)
    evaluated = run("evaluate", *span, "--store", store, "--no-train", "--models", "LSTM,EWMA94", "--jobs", 1)
    run("backtest", "vol_target", *span, "--store", store, "--out", folder / "own", "--no-judge", "--jobs", 1)
    return trained + evaluated.split("SCORES")[0].strip()


def main() -> None:
    """Print one line per market."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=int, default=8)
    parser.add_argument("--all", action="store_true", help="train, evaluate and audit too")
    parser.add_argument("markets", nargs="*", default=list(MARKETS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ZIPLINE_ROOT"] = folder
        for place, calendar in enumerate(options.markets):
            print(check_market(calendar, Path(folder, str(place)), options.assets, everything=options.all))


if __name__ == "__main__":
    main()
