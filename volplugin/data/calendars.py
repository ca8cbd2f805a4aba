"""Exchange calendars: sessions per year, the calendar that dates belong to, and the time of a session's close."""

from __future__ import annotations

from functools import lru_cache

import exchange_calendars
import numpy as np
import pandas as pd

from volplugin.errors import PanelError
from volplugin.units import TRADING_DAYS

ALWAYS_OPEN = 365
"""Sessions per year of a market that is open every day."""
COUNTED_FROM, COUNTED_TO = "2015-01-01", "2024-12-31"
"""Years whose sessions are counted, so that the figure does not depend on the day it is read."""
COMMON = ("XNYS", "XLON", "XSHG", "XHKG", "XTKS", "XBOM", "XFRA", "XTSE", "XASX", "24/7")
"""Calendars that sessions without a named calendar are compared with, in this order."""
MIN_SESSIONS = 200
"""Sessions below which the sessions per year are the convention and not counted."""


PERIODS = {"XNYS": 252, "XLON": 253, "XSHG": 243, "XHKG": 246, "XTKS": 244, "24/7": 365}
"""Results of `count_calendar_periods` for frequent calendars: counting takes a fifth of a second."""


def check_calendar(name: str) -> None:
    """Check the name of an exchange calendar, without building it.

    Raises
    ------
    PanelError
        For a name that `exchange_calendars` does not have.
    """
    if name not in exchange_calendars.get_calendar_names(include_aliases=True):
        raise PanelError(
            f"no exchange calendar is called {name!r}; pass a market code such as XNYS, XLON, XSHG or 24/7"
        )


def calendar_periods(name: str) -> int:
    """Sessions per year of an exchange calendar: 252 for XNYS, 243 for XSHG, 365 for 24/7.

    Raises
    ------
    PanelError
        For a name that `exchange_calendars` does not have.
    """
    return PERIODS[name] if name in PERIODS else count_calendar_periods(name)


@lru_cache(maxsize=64)
def count_calendar_periods(name: str) -> int:
    """Count the sessions per year of an exchange calendar from 2015 to 2024.

    Raises
    ------
    PanelError
        For a name that `exchange_calendars` does not have.
    """
    sessions = calendar_sessions(name, pd.Timestamp(COUNTED_FROM), pd.Timestamp(COUNTED_TO))
    years = (pd.Timestamp(COUNTED_TO) - pd.Timestamp(COUNTED_FROM)).days / 365.25
    return round(len(sessions) / years)


def calendar_sessions(name: str, start: pd.Timestamp, end: pd.Timestamp) -> pd.DatetimeIndex:
    """Sessions of an exchange calendar between two dates, as far as the calendar reaches.

    Raises
    ------
    PanelError
        For a name that `exchange_calendars` does not have, and dates outside the calendar.
    """
    # From a week before: exchange_calendars raises for a range without a session.
    calendar = find_calendar(name, start - pd.Timedelta(days=7), end)
    sessions = calendar.sessions
    return sessions[(sessions >= start) & (sessions <= end)]


def find_calendar(
    name: str, start: pd.Timestamp | None = None, end: pd.Timestamp | None = None
) -> exchange_calendars.ExchangeCalendar:
    """Return an exchange calendar by name, over a given range.

    Raises
    ------
    PanelError
        For a name that `exchange_calendars` does not have, and dates outside the calendar.
    """
    check_calendar(name)
    try:
        return exchange_calendars.get_calendar(name, start=start, end=end)
    except ValueError as error:
        raise PanelError(f"calendar {name}: {error}") from error


def counted_periods(sessions: pd.DatetimeIndex) -> int:
    """Sessions per year of a panel without a named calendar, counted from its own sessions.

    A count near 252 is 252, the convention: within 2, and 3 more over the number of years, since holidays are not
    spread evenly. Below `MIN_SESSIONS` sessions the result is 252, or 365 if more than a tenth of the sessions are
    Saturdays and Sundays.
    """
    weekend = float(np.mean(sessions.dayofweek >= 5))
    if len(sessions) < MIN_SESSIONS:
        return ALWAYS_OPEN if weekend > 0.1 else TRADING_DAYS
    years = (sessions[-1] - sessions[0]).days / 365.25
    count = (len(sessions) - 1) / years
    return TRADING_DAYS if abs(count - TRADING_DAYS) <= 2 + 3 / years else min(round(count), ALWAYS_OPEN)


def infer_calendar(sessions: pd.DatetimeIndex) -> str | None:
    """Return the first of the common calendars that has exactly these sessions in their range, or None."""
    for name in COMMON:
        try:
            known = calendar_sessions(name, sessions[0], sessions[-1] + pd.Timedelta(days=7))
        except PanelError:
            continue
        if known[known <= sessions[-1]].equals(sessions):
            return name
    return None


def has_closed(calendar: str | None, moment: pd.Timestamp) -> bool:
    """Whether the session of a moment's day is over at that moment, in the exchange's local time.

    Without a calendar no session is over before midnight.
    """
    if calendar is None:
        return False
    day = moment.normalize()
    days = pd.Timedelta(days=7)
    known = find_calendar(calendar, day - days, day + days)
    if day not in known.sessions:
        return True
    close = known.session_close(day).tz_convert(known.tz).tz_localize(None)
    return bool(moment >= close)
