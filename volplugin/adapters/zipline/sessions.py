"""Completed sessions, from any hook of a running algorithm.

In ``before_trading_start`` zipline's daily mode returns today's close, hours before it exists; in minute
mode the last daily row is a part of today. The functions here end at the last completed session.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
from exchange_calendars import ExchangeCalendar
from zipline.utils.algo_instance import get_algo_instance
from zipline.utils.calendar_utils import get_calendar

from volplugin.data import FIELDS, PricePanel
from volplugin.data.calendars import calendar_periods
from volplugin.errors import InsufficientHistoryError, ParameterError

ALWAYS_OPEN_NAME = "24/7"


def running_algorithm() -> Any:
    """Return zipline's running ``TradingAlgorithm``, the ``context`` of strategies.

    Raises
    ------
    ParameterError
        If no simulation is running.
    """
    algorithm = get_algo_instance()
    if algorithm is None:
        raise ParameterError("no zipline simulation is running; call this from a hook of a strategy")
    return algorithm


def run_calendar(name: str) -> ExchangeCalendar:
    """Return zipline's calendar of a name, with which prices are looked up by session."""
    return accept_session_labels(get_calendar(name))


def accept_session_labels(calendar: ExchangeCalendar) -> ExchangeCalendar:
    """Make a calendar that never closes return the session of a session label.

    zipline passes labels, naive midnights, to `minute_to_session`. On 24/7 the same midnight is the last minute of the
    session before, so that ``data.current``, ``data.history`` and fills had the prices of the session before.
    """
    by_minute = calendar.minute_to_session
    if calendar.name == ALWAYS_OPEN_NAME and not hasattr(by_minute, "of_labels"):

        def minute_to_session(minute: Any, *given: Any, **options: Any) -> pd.Timestamp:
            is_label = isinstance(minute, pd.Timestamp) and minute.tz is None and minute == minute.normalize()
            return minute if is_label else by_minute(minute, *given, **options)

        minute_to_session.of_labels = True  # type: ignore[attr-defined]
        calendar.minute_to_session = minute_to_session
    return calendar


def run_periods(algorithm: Any) -> int:
    """Return the sessions per year of a run's calendar."""
    return calendar_periods(algorithm.trading_calendar.name)


def completed_session(data: Any) -> pd.Timestamp:
    """Return the last session that has closed: the `asof` of decisions made now.

    Parameters
    ----------
    data : zipline.protocol.BarData
        The hook's ``data``.

    Returns
    -------
    Timestamp
        Today in ``handle_data`` and scheduled functions of daily mode, which run at the close;
        yesterday's session in ``before_trading_start`` and during the day.
    """
    return closed_session(running_algorithm().trading_calendar, data.current_dt)


def closed_session(calendar: ExchangeCalendar, now: pd.Timestamp) -> pd.Timestamp:
    """Return the last session of a calendar that closes at or before a moment."""
    session = calendar.minute_to_session(now, direction="next")
    return session if now >= calendar.session_close(session) else calendar.previous_session(session)


def history_panel(data: Any, assets: Iterable[Any], count: int, *, market: Iterable[Any] | None = None) -> PricePanel:
    """Return the last `count` completed sessions of some assets, as ``data.history`` adjusts them.

    One call per field, with the same arguments each session, which is fastest in zipline. Adjusted
    bars are rounded to three decimals; `read_bundle` returns exact ones.

    Parameters
    ----------
    data : zipline.protocol.BarData
        The hook's ``data``.
    assets : iterable of zipline Equity
        Whose bars to read.
    count : int
        Number of sessions; fewer are returned if the assets' data begin later.
    market : iterable of zipline Equity, optional
        Reference universe for market-wide inputs, the assets themselves by default.

    Returns
    -------
    PricePanel
        Open, high, low, close and volume by symbol.

    Raises
    ------
    InsufficientHistoryError
        If none of the assets has data by then.
    """
    wanted = list(assets)
    universe = list(dict.fromkeys([*wanted, *(market or ())]))
    panel = portal_panel(running_algorithm(), completed_session(data), universe, count)
    panel = panel.select(asset.symbol for asset in wanted)
    return panel if market is None else panel


def portal_panel(algorithm: Any, session: pd.Timestamp, assets: list[Any], count: int) -> PricePanel:
    """Read the `count` sessions up to `session` from the data portal behind ``data.history``.

    The session is passed by name instead of "now", which would include today's close.

    Raises
    ------
    InsufficientHistoryError
        If none of the assets has data by then.
    """
    begin = min(asset.start_date for asset in assets)
    available = len(algorithm.trading_calendar.sessions_in_range(begin, session)) if begin <= session else 0
    if available == 0:
        raise InsufficientHistoryError(
            f"{', '.join(asset.symbol for asset in assets[:5])}: no data by {session.date()}, "
            f"the first bar is of {begin.date()}; start the run later"
        )
    frames = {}
    for field in FIELDS:
        # "daily" in minute mode too: completed sessions are whole bars there.
        frame = algorithm.data_portal.get_history_window(assets, session, min(count, available), "1d", field, "daily")
        frame.columns = [asset.symbol for asset in assets]
        frames[field] = frame
    frames["volume"] = frames["volume"].where(frames["close"].notna())  # zipline returns 0 if there is no bar
    return PricePanel(**frames, calendar=algorithm.trading_calendar.name)
