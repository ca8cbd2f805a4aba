"""A small market for tests with zipline: six stocks over three years, as CSV files and as a bundle.

AAA and FFF split, BBB, CCC and FFF pay dividends, DDD is listed half-way, EEE is delisted before the end.
The poisoned market has other bars, splits and dividends from `POISON` on.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from zipline.utils.calendar_utils import get_calendar

FIRST, LAST = "2015-01-02", "2017-12-29"
LISTED, DELISTED = "2016-01-04", "2017-08-31"
POISON = "2017-06-15"
"""First session whose bars differ between the two markets."""

SYMBOLS = ["AAA", "BBB", "CCC", "DDD", "EEE", "FFF"]
SPLITS = {("AAA", "2016-06-06"): 2.0, ("FFF", "2017-02-01"): 1.5}
DIVIDENDS = {
    ("BBB", "2015-05-14"): 0.7,
    ("BBB", "2017-05-15"): 0.8,
    ("CCC", "2016-03-15"): 0.35,
    ("CCC", "2017-03-15"): 0.4,
    ("FFF", "2017-07-05"): 0.5,
}


def sessions(start: str = FIRST, end: str = LAST) -> pd.DatetimeIndex:
    return get_calendar("XNYS").sessions_in_range(start, end)


def market(*, poisoned: bool = False) -> dict[str, pd.DataFrame]:
    """Raw bars by symbol, in whole thousandths as zipline stores them."""
    tables = _draw(seed=7)
    if poisoned:
        for symbol, other in _draw(seed=8, splits={("AAA", "2017-06-20"): 3.0}).items():
            tables[symbol].loc[POISON:] = other.loc[POISON:]
    return tables


def _draw(seed: int, splits: dict[tuple[str, str], float] | None = None) -> dict[str, pd.DataFrame]:
    random = np.random.default_rng(seed)
    days = sessions()
    calm_and_storm = 0.008 * np.exp(0.5 * np.sin(np.arange(len(days)) / 40))
    common = calm_and_storm * random.standard_normal(len(days))
    tables = {}
    for order, symbol in enumerate(SYMBOLS):
        own = (0.006 + 0.002 * order) * random.standard_normal(len(days))
        gap = 0.002 * random.standard_normal(len(days))
        close = pd.Series((30 + 15 * order) * np.exp(np.cumsum(common + own)), index=days)
        opened = close.shift(1).fillna(close.iloc[0]) * np.exp(gap)
        reach = np.exp(np.abs(0.004 * random.standard_normal((2, len(days)))))
        bars = pd.DataFrame(
            {
                "open": opened,
                "high": np.maximum(opened, close) * reach[0],
                "low": np.minimum(opened, close) / reach[1],
                "close": close,
                "volume": np.round(2e6 * np.exp(0.3 * random.standard_normal(len(days)))),
                "dividend": 0.0,
                "split": 1.0,
            }
        )
        tables[symbol] = _with_events(symbol, bars, SPLITS if splits is None else splits)
    tables["DDD"] = tables["DDD"].loc[LISTED:]
    tables["EEE"] = tables["EEE"].loc[:DELISTED]
    return tables


def _with_events(symbol: str, bars: pd.DataFrame, splits: dict[tuple[str, str], float]) -> pd.DataFrame:
    for (name, day), ratio in splits.items():
        if name == symbol:
            bars.loc[day:, ["open", "high", "low", "close"]] /= ratio
            bars.loc[day:, "volume"] = np.round(bars.loc[day:, "volume"] * ratio)
            bars.loc[day, "split"] = ratio
    for (name, day), amount in DIVIDENDS.items():
        if name == symbol:
            bars.loc[day, "dividend"] = amount
    return bars.round({"open": 3, "high": 3, "low": 3, "close": 3})


def write_csv(folder: Path, tables: dict[str, pd.DataFrame]) -> Path:
    """Write one CSV file per symbol, in zipline's csvdir format."""
    folder.mkdir(parents=True, exist_ok=True)
    for symbol, bars in tables.items():
        bars.to_csv(folder / f"{symbol}.csv", index_label="date")
    return folder


def adjusted_close(bars: pd.DataFrame) -> pd.Series:
    """Return adjusted closes, event by event, without the code under test."""
    close = bars["close"].copy()
    eventful = (bars["dividend"] != 0) | (bars["split"] != 1)
    for day in bars.index[1:][eventful.iloc[1:]]:
        before = close.index < day
        raw_before = bars["close"].shift(1)[day]
        close[before] *= (1 - bars["dividend"][day] / raw_before) / bars["split"][day]
    return close


def ingest(folder: Path, *, poisoned: bool = False) -> str:
    """Ingest the market as a bundle under the process's ZIPLINE_ROOT and return its name."""
    from volplugin._bundles import ingest_bundle, register_csv_folder

    name = "poisoned-market" if poisoned else "small-market"
    register_csv_folder(name, write_csv(folder / name, market(poisoned=poisoned)))
    ingest_bundle(name)
    return name
