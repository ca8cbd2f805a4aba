"""Checks of the frames that a panel is built from, made once, on copies."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date as calendar_date
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from volplugin.errors import AssetMismatchError, PanelError, VolpluginError

PRICES = ("open", "high", "low", "close")
FIELDS = (*PRICES, "volume")
MIN_PRICE, MAX_PRICE = 1e-100, 1e100
"""Bounds within which the ratio of any two prices is finite."""
OTHER = (str, bytes, bool, np.bool_, complex, calendar_date, timedelta, np.datetime64, np.timedelta64)
"""Types that pandas would turn into numbers."""
Frame = TypeVar("Frame", pd.Series, pd.DataFrame)
ISO_DATE = re.compile(r"\s*\d{4}-?\d{2}-?\d{2}(?!\d)")


def as_moment(date: str | pd.Timestamp) -> pd.Timestamp:
    """Return a date as the timezone-naive timestamp that sessions are compared with.

    Raises
    ------
    PanelError
        For a timezone-aware date, a number, a text that does not begin with year, month and day, and a missing date.
    """
    if isinstance(date, str) and not ISO_DATE.match(date):
        raise PanelError(f"{date!r} is not a date in the form year-month-day; pass one such as '2015-06-30'")
    if not isinstance(date, (str, calendar_date, np.datetime64)):
        raise PanelError(f"{date!r} is not a date; pass one such as '2015-06-30'")
    try:
        moment = pd.Timestamp(str(date) if isinstance(date, str) else date).as_unit("ns")
    except (TypeError, ValueError, AttributeError) as error:
        raise PanelError(f"{date!r} is not a date; pass one such as '2015-06-30'") from error
    if moment is pd.NaT:
        raise PanelError(f"{date!r} is not a date; pass one such as '2015-06-30'")
    if moment.tz is not None:
        raise PanelError(f"{date}: dates are timezone-naive here; pass {moment.tz_localize(None).date()}")
    return moment


def as_day(date: str | pd.Timestamp) -> pd.Timestamp:
    """Return a date as `as_moment` does; raise PanelError for one with a time of day too."""
    moment = as_moment(date)
    if moment != moment.normalize():
        raise PanelError(f"{date} is a time of day; pass a date such as '2015-06-30'")
    return moment


def check_index(close: pd.DataFrame) -> pd.DatetimeIndex:
    """Return the sessions of the closes, in nanoseconds, after checking dates and asset names.

    Raises
    ------
    PanelError
        For an empty frame, an index that is not of unique, increasing, naive days, and repeated or unusable assets.
    """
    if not isinstance(close, pd.DataFrame):
        raise PanelError(f"close is a {type(close).__name__}; pass a DataFrame of dates x assets")
    if close.shape[0] == 0 or close.shape[1] == 0:
        raise PanelError("the panel is empty: close has no rows or no columns")
    _check_dates(close.index)
    _check_assets(close.columns)
    # Seconds, milliseconds and nanoseconds are different dtypes to pandas; one unit makes equal dates equal.
    return close.index.as_unit("ns")


def _check_dates(index: pd.Index) -> None:
    if not isinstance(index, pd.DatetimeIndex):
        raise PanelError(f"the index of close holds no dates but {index[0]!r}; convert it with pd.to_datetime")
    if index.tz is not None:
        raise PanelError(f"dates are timezone-aware ({index.tz}); use index.tz_localize(None)")
    if index.hasnans:
        raise PanelError("the index of close holds a missing date (NaT); drop that row")
    if not index.equals(index.normalize()):
        odd = index[index != index.normalize()][0]
        raise PanelError(f"{odd} is a time of day, not a session; keep one row per session and use index.normalize()")
    if index.has_duplicates:
        raise PanelError(f"duplicate date {index[index.duplicated()][0].date()}; keep one row per session")
    if not index.is_monotonic_increasing:
        where = int(np.flatnonzero(np.diff(index.to_numpy()) < np.timedelta64(0))[0]) + 1
        raise PanelError(f"dates are not increasing at {index[where].date()}; sort the index")


def _check_assets(assets: pd.Index) -> None:
    if isinstance(assets, pd.MultiIndex):
        raise PanelError(
            f"the columns of close have {assets.nlevels} levels, such as {assets[0]}; pass one frame per field, "
            "for example close=data['Close'], or use PricePanel.from_frames(data)"
        )
    if assets.hasnans:
        raise PanelError("a column of close has no name; name each column by its asset")
    if assets.has_duplicates:
        raise PanelError(f"duplicate asset {assets[assets.duplicated()][0]}; keep one column per asset")
    text = assets.map(lambda asset: str(asset).strip())
    if (text == "").any():
        raise PanelError("a column of close has a blank name; name each column by its asset")
    if text.has_duplicates:
        raise PanelError(
            f"two assets are written {text[text.duplicated()][0]}, as text and as a number or with spaces; rename one"
        )


def clean_field(field: str, frame: pd.DataFrame, index: pd.DatetimeIndex, columns: pd.Index) -> pd.DataFrame:
    """Return a float64 copy of one field, aligned with close and free of impossible values.

    Raises
    ------
    PanelError
        For dates that differ from the closes' dates, and values that are not numbers, infinite, or not positive.
    AssetMismatchError
        For assets that differ from the closes' assets.
    """
    if not isinstance(frame, pd.DataFrame):
        raise PanelError(f"{field} is a {type(frame).__name__}; pass a DataFrame of dates x assets")
    if not isinstance(frame.index, pd.DatetimeIndex):
        raise PanelError(f"{field}: the index holds no dates; convert it with pd.to_datetime")
    if frame.index.tz is not None:
        raise PanelError(f"{field}: dates are timezone-aware, the dates of close are naive; use tz_localize(None)")
    if not frame.index.as_unit("ns").equals(index):
        odd = frame.index.symmetric_difference(index)
        first = f", first difference {odd[0]}" if len(odd) else ", same dates in another order"
        raise PanelError(f"the dates of {field} differ from the dates of close{first}; align the frames")
    if set(frame.columns) != set(columns) or frame.columns.has_duplicates:
        odd_assets = sorted(map(str, set(frame.columns).symmetric_difference(columns)))
        raise AssetMismatchError(f"the assets of {field} differ from the assets of close: {listed(odd_assets)}")
    ordered = frame if frame.columns.equals(columns) else frame[columns]
    clean = as_floats(ordered, field).copy()
    clean.index, clean.columns.name = pd.DatetimeIndex(index.to_numpy().copy(), name="date"), None
    _check_values(field, clean)
    return clean


def as_floats(values: Frame, name: str, error: type[VolpluginError] = PanelError) -> Frame:
    """Return a Series or DataFrame as float64, with a missing value of any kind as NaN.

    Raises
    ------
    PanelError, or the error given
        For text, truth values, dates, durations and complex numbers.
    """
    kinds = {values.dtype} if isinstance(values, pd.Series) else set(values.dtypes)
    unusual = {kind for kind in kinds if not pd.api.types.is_any_real_numeric_dtype(kind)}
    if unusual:
        columns = [values] if isinstance(values, pd.Series) else [column for _, column in values.items()]
        for one in (column for column in columns if column.dtype in unusual):
            odd = next((each for each in one if isinstance(each, OTHER)), None) if one.dtype.kind == "O" else one.dtype
            if odd is not None:
                what = "" if isinstance(values, pd.Series) else f"{one.name} "
                raise error(f"{name} holds values that are not numbers: {what}{odd!s}; pass floats")
        values = values.astype(object).where(values.notna(), np.nan)
    try:
        return values.astype(float)
    except (TypeError, ValueError) as problem:
        raise error(f"{name} holds values that are not numbers ({problem}); pass floats") from problem


def _check_values(field: str, clean: pd.DataFrame) -> None:
    values = clean.to_numpy()
    _refuse(np.isinf(values), clean, f"{field} is infinite")
    bad = values < 0 if field == "volume" else values <= 0
    _refuse(bad, clean, f"{field} is {'negative' if field == 'volume' else 'not positive'}")
    if field != "volume":
        _refuse((values < MIN_PRICE) | (values > MAX_PRICE), clean, f"{field} is no price in any currency")


def check_bars(frames: Mapping[str, pd.DataFrame]) -> None:
    """Check that bars are complete, and no high is below its low.

    Raises
    ------
    PanelError
        Naming the asset and the date.
    """
    if "high" not in frames:
        return
    close, low, high = frames["close"], frames["low"].to_numpy(), frames["high"].to_numpy()
    _refuse(high < low, close, "high is below low")
    here = close.notna().to_numpy()
    for field in ("open", "high", "low"):
        _refuse(frames[field].isna().to_numpy() & here, close, f"{field} is missing where close is there")
        _refuse(frames[field].notna().to_numpy() & ~here, close, f"close is missing (NaN) where {field} is there")


def _refuse(bad: np.ndarray, frame: pd.DataFrame, what: str) -> None:
    if not bad.any():
        return
    row, column = (int(axis[0]) for axis in np.nonzero(bad))
    count = int(bad.sum())
    more = f" ({count} such values)" if count > 1 else ""
    raise PanelError(
        f"{frame.columns[column]} on {frame.index[row].date()}: {what}{more}; "
        "correct the bar or make it NaN in every field"
    )


def listed(names: Sequence[Any], most: int = 8) -> str:
    """Return names in one line, with the number of further ones beyond `most`."""
    shown = ", ".join(map(str, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
