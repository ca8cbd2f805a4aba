"""Checks of time series that come from outside: one place for dates, repeats, infinite values and probabilities."""

from __future__ import annotations

import numpy as np
import pandas as pd

from volplugin.errors import ParameterError


def aligned(**series: pd.Series | pd.DataFrame) -> pd.DataFrame:
    """Check some series and put them side by side by session.

    Parameters
    ----------
    **series : Series of shape (n_sessions,)
        Numbers by session; the keyword names the series in errors and in the result.

    Returns
    -------
    DataFrame, one column per series
        Over the union of the sessions, NaN where a series has no value.

    Raises
    ------
    ParameterError
        Naming the series and the session of a repeated date, an infinite value or text; for dates with a time zone
        mixed with dates without one.
    """
    checked = {name: checked_series(one, name) for name, one in series.items()}
    zones = {name: getattr(one.index, "tz", None) for name, one in checked.items()}
    if len({str(zone) for zone in zones.values()}) > 1:
        described = ", ".join(f"{name} {zone or 'none'}" for name, zone in zones.items())
        raise ParameterError(f"the dates have different time zones ({described}); remove them with tz_localize(None)")
    return pd.DataFrame(checked)


def checked_series(series: pd.Series, name: str) -> pd.Series:
    """Return a series as floats by session, with dates in nanoseconds.

    Raises
    ------
    ParameterError
        Naming the session of a repeated date, an infinite value or text.
    """
    try:
        values = pd.Series(series).astype(float)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{name} holds something other than numbers: {error}; pass floats") from error
    index = values.index
    if index.has_duplicates:
        raise ParameterError(f"{name} has {_label(index[index.duplicated()][0])} twice; pass each session once")
    infinite = np.isinf(values.to_numpy())
    if infinite.any():
        raise ParameterError(
            f"{name} is infinite at {_label(index[infinite][0])}; remove the session or repair the value"
        )
    # Unions of dates in different units lose rows in pandas (GH 60922), so every index gets the same unit.
    return values.set_axis(index.as_unit("ns")) if isinstance(index, pd.DatetimeIndex) else values


def check_tail(level: float) -> None:
    """Require a tail probability between 0 and 0.5.

    Raises
    ------
    ParameterError
        For a level of confidence such as 0.99 or 99, and for anything else outside the interval.
    """
    if not 0 < level < 0.5:
        raise ParameterError(f"level is {level}; pass a tail probability between 0 and 0.5, such as 0.01")


def exceedance_flags(exceeded: pd.Series | np.ndarray) -> np.ndarray:
    """Return exceedances as an array of bool, without the sessions that are missing.

    Raises
    ------
    ParameterError
        For text, and for numbers other than 0 and 1.
    """
    values = np.asarray(exceeded)
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
