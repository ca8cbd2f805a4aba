"""Checks of time series that come from outside: one place for dates, repeats, infinite values and probabilities."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from volplugin.data.checks import Frame, as_floats
from volplugin.errors import ParameterError, require_type
from volplugin.units import is_number


def aligned(**series: Any) -> pd.DataFrame:
    """Check some series and put them side by side by session.

    Parameters
    ----------
    **series : Series of shape (n_sessions,)
        Numbers by session; the keyword names the series in errors and in the result.

    Returns
    -------
    DataFrame, one column per series
        Over the union of the sessions in order of time, NaN where a series has no value.

    Raises
    ------
    ParameterError
        Naming the series and the session of a repeated date, an infinite value or text; for dates with a time zone
        mixed with dates without one.
    """
    checked = {name: checked_series(one, name) for name, one in series.items()}
    check_zones(**checked)
    return pd.DataFrame(checked)


def forecasts_and_returns(predicted: Any, returns: Any) -> pd.DataFrame:
    """Return volatilities and returns by date, columns ``sigma`` and ``r``, checked as `aligned` does.

    Raises
    ------
    ParameterError
        For labels that are no dates, and negative volatilities.
    """
    pair = aligned(sigma=predicted, r=returns)
    if not isinstance(pair.index, pd.DatetimeIndex):
        raise ParameterError("volatilities and returns are not by date; convert the index with pd.to_datetime")
    if (pair["sigma"] < 0).any():
        raise ParameterError(f"sigma is negative at {_label(pair.index[pair['sigma'] < 0][0])}; pass volatilities")
    return pair


def checked_series(series: Any, name: str) -> pd.Series:
    """Return a series as floats in order of time, with dates in nanoseconds.

    Raises
    ------
    ParameterError
        Naming the session of a repeated or missing date, an infinite value or text.
    """
    if series is None:
        raise ParameterError(f"{name} is None; pass floats by session")
    try:
        values = pd.Series(series)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{name} is no series of numbers ({error}); pass floats by session") from error
    return checked(values, name)


def checked_frame(frame: Any, name: str) -> pd.DataFrame:
    """Return a table as floats in order of time, as `checked_series` does; each column is named once."""
    require_type(frame, pd.DataFrame, name)
    if frame.columns.has_duplicates:
        raise ParameterError(f"{name} has the column {frame.columns[frame.columns.duplicated()][0]} twice; keep one")
    return checked(frame, name)


def checked(values: Frame, name: str) -> Frame:
    """Return a Series or DataFrame as floats in order of time, with dates in nanoseconds."""
    if not isinstance(values, pd.Series | pd.DataFrame):
        raise ParameterError(f"{name} is a {type(values).__name__}; pass a Series or DataFrame by session")
    values = in_order(as_floats(values, name, ParameterError), name)
    infinite = np.isinf(pd.DataFrame(values).to_numpy())
    if infinite.any():
        row, column = np.argwhere(infinite)[0]
        what = f"{name} of {values.columns[column]}" if isinstance(values, pd.DataFrame) else name
        raise ParameterError(
            f"{what} is infinite at {_label(values.index[row])}; remove the session or repair the value"
        )
    return values


def in_order(values: Frame, name: str) -> Frame:
    """Return rows in order of time, with dates in nanoseconds.

    Raises
    ------
    ParameterError
        Naming a repeated session; for a missing one, and labels that have no order.
    """
    index = values.index
    if isinstance(index, pd.MultiIndex):
        raise ParameterError(f"{name} is labelled by {index.nlevels} levels; pass one row per session")
    dates = index.dtype == object and len(index) > 0 and all(isinstance(day, date) for day in index)
    if dates or isinstance(index.dtype, pd.ArrowDtype):
        with suppress(TypeError, ValueError):
            index = pd.DatetimeIndex(index.astype(object))
    if index.hasnans:
        raise ParameterError(f"{name} has a missing date (NaT); drop that row")
    if index.has_duplicates:
        raise ParameterError(f"{name} has {_label(index[index.duplicated()][0])} twice; pass each session once")
    if isinstance(index, pd.DatetimeIndex) and index.unit != "ns":
        # Unions of dates in different units lose rows in pandas (GH 60922), so every index gets the same unit.
        index = index.as_unit("ns")
    values = values if index is values.index else values.set_axis(index)
    if index.is_monotonic_increasing:
        return values
    try:
        return values.sort_index()
    except TypeError as error:
        raise ParameterError(f"{name} is labelled by different kinds of sessions; pass dates alone") from error


def check_zones(**frames: pd.Series | pd.DataFrame) -> None:
    """Require the same time zone of some dates.

    Raises
    ------
    ParameterError
        Naming the zones.
    """
    zones = {name: getattr(one.index, "tz", None) for name, one in frames.items()}
    if len({str(zone) for zone in zones.values()}) > 1:
        described = ", ".join(f"{name} {zone or 'none'}" for name, zone in zones.items())
        raise ParameterError(f"the dates have different time zones ({described}); remove them with tz_localize(None)")


def check_variances(realized: Any, forecast: Any) -> tuple[Any, Any]:
    """Return realised and forecast variances as floats: not negative, and forecasts positive or NaN.

    Raises
    ------
    ParameterError
        For a negative or infinite variance, a forecast of zero, and the labels that `checked` refuses.
    """
    pair = {"realized": realized, "forecast": forecast}
    labelled = {name: checked(one, name) for name, one in pair.items() if isinstance(one, pd.Series | pd.DataFrame)}
    check_zones(**labelled)
    for name, one in pair.items():
        if name not in labelled:
            labelled[name] = np.ma.filled(one.astype(float), np.nan) if np.ma.isMaskedArray(one) else np.asarray(one)
            if labelled[name].dtype.kind not in "iuf" or np.isinf(labelled[name]).any():
                raise ParameterError(f"a {name} variance is infinite or no number; pass floats")
    pair |= labelled
    indices = [one.index for one in labelled.values() if isinstance(one, pd.Series | pd.DataFrame)]
    if len(indices) == 2 and all(map(len, indices)) and indices[0].intersection(indices[1]).empty:
        raise ParameterError("realized and forecast have no session in common; label both by the same dates")
    if np.any(np.asarray(pair["forecast"]) <= 0):
        raise ParameterError("a forecast variance is not positive; leave missing forecasts NaN, never zero")
    if np.any(np.asarray(pair["realized"]) < 0):
        raise ParameterError("a realised variance is negative; pass squares of returns")
    return pair["realized"], pair["forecast"]


def check_count(value: Any, name: str, least: int = 1) -> None:
    """Require a whole number, at least some smallest one.

    Raises
    ------
    ParameterError
        Naming the parameter.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ParameterError(f"{name} is {value!r}; it is a whole number and at least {least}")


def check_tail(level: float) -> None:
    """Require a tail probability between 0 and 0.5.

    Raises
    ------
    ParameterError
        For a level of confidence such as 0.99 or 99, and for anything else outside the interval.
    """
    if not is_number(level) or not 0 < level < 0.5:
        raise ParameterError(f"level is {level!r}; pass a tail probability between 0 and 0.5, such as 0.01")


def exceedance_flags(exceeded: pd.Series | np.ndarray) -> np.ndarray:
    """Return exceedances as an array of bool, without the sessions that are missing.

    Raises
    ------
    ParameterError
        For text, and for numbers other than 0 and 1.
    """
    values = np.asarray(in_order(exceeded, "exceeded") if isinstance(exceeded, pd.Series) else exceeded)
    if values.ndim != 1:
        raise ParameterError(f"exceedances have {values.ndim} dimensions; pass one series")
    if values.dtype.kind not in "bifu":
        missing = pd.isna(values)
        if not all(isinstance(value, bool | np.bool_ | int | float) for value in values[~missing]):
            raise ParameterError("exceedances are not true or false; pass booleans, or 0 and 1")
        values = values[~missing]
    values = values.astype(float)
    known = values[~np.isnan(values)]
    if not np.isin(known, (0.0, 1.0)).all():
        raise ParameterError(f"exceedances hold {known[~np.isin(known, (0.0, 1.0))][0]}; pass booleans, or 0 and 1")
    return known > 0


def _label(session: object) -> str:
    return str(session.date()) if isinstance(session, pd.Timestamp) else str(session)
