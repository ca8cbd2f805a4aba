"""Bars of one symbol on the sessions of a calendar, in units that zipline can store."""

from __future__ import annotations

import numpy as np
import pandas as pd
from exchange_calendars import ExchangeCalendar

from volplugin.errors import BundleError

from .checks import MAX_PRICE, PRICE_UNIT, PRICES, UINT32_MAX
from .remarks import Remarks

ON_GAP = ("trade-free", "drop", "error")
MAX_ROUNDING, NOTED_ROUNDING = 0.10, 0.02
"""Rounding error of stored closes over the standard deviation of returns: above the first, prices are stored in lots;
above the second, it is noted."""
MAX_LOT = 10**9


def on_sessions(
    symbol: str, bars: pd.DataFrame, calendar: ExchangeCalendar, on_gap: str, remarks: Remarks
) -> pd.DataFrame | None:
    """Return one row per session between the first bar and the last; a session without a trade is NaN, volume 0.

    None if the symbol is dropped because of a gap.

    Raises
    ------
    BundleError
        For bars on days that are no sessions, no bar at all, and a gap if `on_gap` is "error".
    """
    prices = bars[list(PRICES)]
    bars = bars.loc[prices.notna().any(axis=1).to_numpy() | (bars["split"] != 1) | (bars["dividend"] != 0)]
    bars = _within(symbol, bars, calendar, remarks)
    bars = _without_fillers(symbol, bars, calendar, remarks)
    # Any price counts: a bar without a close is broken, and `check_bars` names it.
    traded = bars.index[bars[list(PRICES)].notna().any(axis=1)]
    if traded.empty:
        raise BundleError(f"{symbol}: no bars on sessions of {calendar.name}; leave the symbol out")
    sessions = calendar.sessions_in_range(traded[0], traded[-1])
    missing = sessions.difference(traded)
    if len(missing):
        where = f"{symbol} ({len(missing)}, the first on {missing[0].date()})"
        if on_gap == "error":
            raise BundleError(
                f"{symbol} on {missing[0].date()}: no bar for this session of {calendar.name} ({len(missing)} missing "
                f"between {traded[0].date()} and {traded[-1].date()}); add it, or ingest with --on-gap trade-free"
            )
        if on_gap == "drop":
            remarks.add("left out for sessions without a trade", where)
            return None
        remarks.add("sessions without a trade, stored as missing", where)
    filled = bars.reindex(sessions)
    return filled.fillna({"volume": 0.0, "dividend": 0.0, "split": 1.0})


def _within(symbol: str, bars: pd.DataFrame, calendar: ExchangeCalendar, remarks: Remarks) -> pd.DataFrame:
    inside = (bars.index >= calendar.first_session) & (bars.index <= calendar.last_session)
    if not inside.all():
        remarks.add(
            f"rows outside of zipline's calendar {calendar.name}, {calendar.first_session.date()} to "
            f"{calendar.last_session.date()}, left out",
            f"{symbol} ({int((~inside).sum())})",
        )
    return bars[inside]


def _without_fillers(symbol: str, bars: pd.DataFrame, calendar: ExchangeCalendar, remarks: Remarks) -> pd.DataFrame:
    """Drop rows of holidays that hold no trade, which vendors fill in; refuse rows with trades."""
    if bars.empty:
        return bars
    extra = ~bars.index.isin(calendar.sessions_in_range(bars.index[0], bars.index[-1]))
    if not extra.any():
        return bars
    flat = (bars["high"] == bars["low"]) & (bars["volume"].fillna(0) == 0)
    filler = extra & (bars["close"].isna() | flat).to_numpy() & (bars["split"] == 1) & (bars["dividend"] == 0)
    trades = bars.index[extra & ~filler]
    if len(trades):
        raise BundleError(
            f"{symbol} on {trades[0].date()}: not a session of {calendar.name} ({len(trades)} such rows); "
            "pass the exchange's calendar (--calendar XLON, for example), or drop the rows"
        )
    remarks.add(f"rows without a trade on days that are no sessions of {calendar.name}, left out",
                f"{symbol} ({int(filler.sum())})")  # fmt: skip
    return bars[~filler]


def in_units(symbol: str, bars: pd.DataFrame, remarks: Remarks) -> pd.DataFrame:
    """Return bars in lots and volumes scaled so that zipline's 32 bits and thousandths hold them.

    zipline stores prices as whole thousandths and volumes as whole numbers below 2**32. A stock at 0.02 would be
    stored with an error of 2.5% per price: its prices are multiplied by a power of ten and its volumes divided by
    it, as if quoted in lots of shares. Returns and traded value stay the same.
    """
    lot = _lot(bars)
    if lot != 1:
        remarks.add(
            f"stored in lots of {lot:,} shares (price times {lot:,}), because zipline stores thousandths", symbol
        )
        cash = [*PRICES, "dividend"]
        bars = bars.assign(**{name: bars[name] * lot for name in cash}, volume=(bars["volume"] / lot).round())
    noise = rounding(bars["close"])
    if noise > NOTED_ROUNDING:
        size = 100 * PRICE_UNIT / 2 / float(bars["close"].min())
        remarks.add("prices rounded to thousandths, by up to", f"{symbol} ({size:.2f}% of the lowest close)")
    most = float(bars["volume"].max())
    if most >= UINT32_MAX:
        divisor = 10 ** int(np.ceil(np.log10(most / (UINT32_MAX - 1))))
        remarks.add("volumes above 4,294,967,294, the most that zipline stores, divided by", f"{symbol} ({divisor:,})")
        bars = bars.assign(volume=(bars["volume"] / divisor).round())
    return bars


def _lot(bars: pd.DataFrame) -> int:
    """Shares per lot, a power of ten, that keep the rounding error small and prices within 32 bits."""
    lot, most = 1, float(bars[list(PRICES)].max().max())
    while rounding(bars["close"] * lot) > MAX_ROUNDING and most * lot * 10 < MAX_PRICE and lot < MAX_LOT:
        lot *= 10
    return lot


def rounding(close: pd.Series) -> float:
    """Return the standard deviation of rounding in log returns over the standard deviation of the returns."""
    prices = close.dropna()
    prices = prices[prices > 0]
    deviation = float(np.log(prices).diff().std()) if len(prices) > 2 else 0.0
    if not deviation > 0:
        return 0.0
    # A rounding error is uniform over one unit, of standard deviation unit / sqrt(12); a return has two of them.
    noise = float(np.sqrt(np.mean((PRICE_UNIT / prices) ** 2) / 6))
    return noise / deviation if np.any(np.round(prices / PRICE_UNIT) * PRICE_UNIT - prices) else 0.0
