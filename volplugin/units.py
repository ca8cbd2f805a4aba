"""Conversion between daily and annual volatility.

A volatility is a *daily standard deviation in decimals*: the square root of the mean daily
variance over the horizon. Only `annualize` and an explicit ``periods=`` change that.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import TypeVar

import numpy as np
import pandas as pd

from volplugin.errors import ParameterError

TRADING_DAYS = 252
"""Sessions per year, by convention."""
QUARTER_SESSIONS = 63
"""Sessions per quarter of a year, by convention."""

Volatility = TypeVar("Volatility", float, np.ndarray, pd.Series, pd.DataFrame)


def is_number(value: object) -> bool:
    """Whether a value is one real number, and no boolean."""
    return isinstance(value, Real) and not isinstance(value, bool)


def as_number(value: object) -> float:
    """Return one real number as a float, and NaN for anything else, so that no comparison with it holds."""
    return float(value) if is_number(value) else math.nan  # type: ignore[arg-type]


def annualize(volatility: Volatility, periods: float = TRADING_DAYS) -> Volatility:
    """Annual volatility from a daily one: ``volatility * sqrt(periods)``.

    Parameters
    ----------
    volatility : float, ndarray, Series or DataFrame
        Daily standard deviation in decimals.
    periods : float, default 252
        Sessions per year; ``panel.periods_per_year`` for the calendar of the prices.

    Raises
    ------
    ParameterError
        For sessions per year that are no finite number above zero.
    """
    return _checked(volatility) * _root(periods)


def deannualize(volatility: Volatility, periods: float = TRADING_DAYS) -> Volatility:
    """Daily volatility from an annual one: ``volatility / sqrt(periods)``."""
    return _checked(volatility) / _root(periods)


def _checked(volatility: Volatility) -> Volatility:
    if not is_number(volatility) and not isinstance(volatility, np.ndarray | pd.Series | pd.DataFrame):
        raise ParameterError(f"{volatility!r:.60} is no volatility; pass a number, an array, a Series or a DataFrame")
    return volatility


def _root(periods: float) -> float:
    if not is_number(periods) or not 0 < periods < math.inf:
        raise ParameterError(f"periods is {periods!r}; pass the number of sessions in a year, such as 252")
    return math.sqrt(periods)
