"""Checks of one symbol's raw bars before a bundle is written.

zipline stores numbers that it cannot represent (missing, too large) as zeros and warns at most. Here each such
value is a named error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from exchange_calendars import ExchangeCalendar

from volplugin.errors import BundleError, PanelError, VolpluginError

PRICES = ["open", "high", "low", "close"]
COLUMNS = [*PRICES, "volume", "dividend", "split"]

UINT32_MAX = np.iinfo(np.uint32).max
PRICE_UNIT = 0.001
"""zipline stores prices as whole thousandths in 32 bits."""
MAX_PRICE = (UINT32_MAX - 1) * PRICE_UNIT


def bar_problems(symbol: str, bars: pd.DataFrame, calendar: ExchangeCalendar) -> list[VolpluginError]:
    """Return the problems of one symbol's bars: the first of each kind, or of its dates alone if these are wrong."""
    checks = (_check_prices, _check_storage, _check_adjustments)
    problems = _caught(_check_dates, symbol, bars)
    if problems:
        return problems
    return [
        *(problem for check in checks for problem in _caught(check, symbol, bars)),
        *_caught(_check_sessions, symbol, bars.index, calendar),
    ]


def _caught(check: Callable[..., None], *arguments: Any) -> list[VolpluginError]:
    try:
        check(*arguments)
    except VolpluginError as problem:
        return [problem]
    return []


def check_bars(symbol: str, bars: pd.DataFrame, calendar: ExchangeCalendar) -> None:
    """Refuse bars that a zipline bundle cannot hold, or would hold wrongly.

    Parameters
    ----------
    symbol : str
        Named in every error.
    bars : DataFrame of shape (n_sessions, 7)
        Raw ``open, high, low, close, volume``, cash ``dividend`` on its ex-date and ``split`` (new
        shares for one old) by session.
    calendar : ExchangeCalendar
        Whose sessions the bars must match, one by one, between the first and the last.

    A session without a trade has no price, and no volume or 0.

    Raises
    ------
    PanelError
        For dates out of order or twice, prices that are missing, not positive, or high below low.
    BundleError
        For missing or extra sessions, numbers beyond zipline's storage, impossible dividends or splits.
    """
    problems = bar_problems(symbol, bars, calendar)
    if problems:
        raise problems[0]


def _check_dates(symbol: str, bars: pd.DataFrame) -> None:
    if bars.empty:
        raise PanelError(f"{symbol}: no bars; leave the symbol out")
    dates = bars.index
    if not isinstance(dates, pd.DatetimeIndex) or dates.tz is not None or dates.hasnans:
        raise PanelError(f"{symbol}: the dates must be plain days such as 2020-01-31, without a timezone")
    if dates.has_duplicates:
        raise PanelError(f"{symbol} on {dates[dates.duplicated()][0].date()}: duplicate date; keep one bar per session")
    if not dates.is_monotonic_increasing:
        where = int(np.flatnonzero(np.diff(dates.to_numpy()) < np.timedelta64(0))[0]) + 1
        raise PanelError(f"{symbol} on {dates[where].date()}: dates are not increasing; sort the rows")


def _check_prices(symbol: str, bars: pd.DataFrame) -> None:
    bars = bars[~without_trade(bars)]
    for field in [*PRICES, "volume"]:
        values = bars[field].to_numpy(dtype=float)
        _refuse(PanelError, symbol, bars, field, ~np.isfinite(values), "is missing or not finite")
        bad = values < 0 if field == "volume" else values <= 0
        _refuse(PanelError, symbol, bars, field, bad, "is negative" if field == "volume" else "is not positive")
    low = bars["low"].to_numpy(dtype=float)
    _refuse(PanelError, symbol, bars, "high", bars["high"].to_numpy(dtype=float) < low, "is below low")


def without_trade(bars: pd.DataFrame) -> np.ndarray:
    """Rows of sessions without a trade: no price, and no volume or 0."""
    none = bars[PRICES].isna().all(axis=1) & (bars["volume"].fillna(0.0) == 0)
    return none.to_numpy()


def _check_storage(symbol: str, bars: pd.DataFrame) -> None:
    for field in PRICES:
        values = bars[field].to_numpy(dtype=float)
        what = f"is above {MAX_PRICE:,.0f}, the most that zipline stores; quote the prices in a larger unit"
        _refuse(BundleError, symbol, bars, field, values > MAX_PRICE, what)
        what = f"rounds to zero: zipline stores prices in steps of {PRICE_UNIT}; quote them in a smaller unit"
        _refuse(BundleError, symbol, bars, field, (values > 0) & (values <= PRICE_UNIT / 2), what)
    what = f"is above {UINT32_MAX - 1:,}, the most that zipline stores; scale the volumes"
    _refuse(BundleError, symbol, bars, "volume", bars["volume"].to_numpy(dtype=float) >= UINT32_MAX, what)


def _check_sessions(symbol: str, dates: pd.DatetimeIndex, calendar: ExchangeCalendar) -> None:
    if dates[0] < calendar.first_session or dates[-1] > calendar.last_session:
        raise BundleError(
            f"{symbol}: bars from {dates[0].date()} to {dates[-1].date()} reach beyond the calendar "
            f"{calendar.name} ({calendar.first_session.date()} to {calendar.last_session.date()}); cut them"
        )
    sessions = calendar.sessions_in_range(dates[0], dates[-1])
    extra, missing = dates.difference(sessions), sessions.difference(dates)
    if len(extra):
        raise BundleError(
            f"{symbol} on {extra[0].date()}: not a session of {calendar.name} ({len(extra)} such rows); drop it"
        )
    if len(missing):
        raise BundleError(
            f"{symbol} on {missing[0].date()}: no bar for this session of {calendar.name} ({len(missing)} "
            f"missing between {dates[0].date()} and {dates[-1].date()}); add it, or begin after the gap"
        )


def _check_adjustments(symbol: str, bars: pd.DataFrame) -> None:
    split, dividend = (bars[field].to_numpy(dtype=float) for field in ("split", "dividend"))
    what = "is not a positive number of new shares for one old (1 where there is no split)"
    _refuse(BundleError, symbol, bars, "split", ~(np.isfinite(split) & (split > 0)), what)
    what = "is not a cash amount of at least zero"
    _refuse(BundleError, symbol, bars, "dividend", ~(np.isfinite(dividend) & (dividend >= 0)), what)
    before = bars["close"].shift(1).to_numpy(dtype=float)
    what = "is not below the close before it, so prices cannot be adjusted for it"
    _refuse(BundleError, symbol, bars, "dividend", (dividend > 0) & (dividend >= before), what)


def _refuse(error: type[Exception], symbol: str, bars: pd.DataFrame, field: str, bad: np.ndarray, what: str) -> None:
    if not bad.any():
        return
    first = int(np.argmax(bad))
    more = f" ({int(bad.sum())} such values)" if bad.sum() > 1 else ""
    raise error(f"{symbol} on {bars.index[first].date()}: {field} {bars[field].iloc[first]} {what}{more}")
