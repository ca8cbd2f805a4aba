"""Conversion between daily and annual volatility.

A volatility is a *daily standard deviation in decimals*: the square root of the mean daily
variance over the horizon. Only `annualize` and an explicit ``periods=`` change that.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
import pandas as pd

TRADING_DAYS = 252
"""Sessions per year, by convention."""
QUARTER_SESSIONS = 63
"""Sessions per quarter of a year, by convention."""

Volatility = TypeVar("Volatility", float, np.ndarray, pd.Series, pd.DataFrame)


def annualize(volatility: Volatility, periods: float = TRADING_DAYS) -> Volatility:
    """Annual volatility from a daily one: ``volatility * sqrt(periods)``.

    Parameters
    ----------
    volatility : float, ndarray, Series or DataFrame
        Daily standard deviation in decimals.
    periods : float, default 252
        Sessions per year; ``panel.periods_per_year`` for the calendar of the prices.
    """
    return volatility * math.sqrt(periods)


def deannualize(volatility: Volatility, periods: float = TRADING_DAYS) -> Volatility:
    """Daily volatility from an annual one: ``volatility / sqrt(periods)``."""
    return volatility / math.sqrt(periods)
