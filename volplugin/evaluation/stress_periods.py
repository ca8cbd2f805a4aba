"""Mean losses of parts of the evaluated span: calendar years and well-known stress periods."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from volplugin.errors import require_type

STRESS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "2008": ("2008-09-02", "2009-03-31"),
        "2011": ("2011-07-25", "2011-12-30"),
        "2015": ("2015-08-17", "2015-10-30"),
        "2018Q4": ("2018-10-01", "2018-12-31"),
        "2020": ("2020-02-20", "2020-06-30"),
    }
)
"""First and last session, as origins, of the collapse of Lehman Brothers, of the debt ceiling and the euro, of the
devaluation of the yuan, of the last quarter of 2018, and of the pandemic."""


def stress_within(sessions: pd.DatetimeIndex) -> dict[str, tuple[str, str]]:
    """Stress periods that lie wholly between the first and the last of these sessions."""
    require_type(sessions, pd.DatetimeIndex, "sessions")
    first, last = sessions[0], sessions[-1]
    return {
        name: (begin, end)
        for name, (begin, end) in STRESS.items()
        if first <= pd.Timestamp(begin) and pd.Timestamp(end) <= last
    }


def mean_by_year(loss: pd.DataFrame) -> pd.Series:
    """Mean over the stock-days of each year of origins."""
    require_type(loss, pd.DataFrame, "loss")
    return pd.Series({year: mean_of(part) for year, part in loss.groupby(loss.index.year)}, dtype=float)


def mean_by_stress(loss: pd.DataFrame) -> pd.Series:
    """Mean over the stock-days whose origin lies in each stress period within the frame's sessions."""
    require_type(loss, pd.DataFrame, "loss")
    periods = stress_within(pd.DatetimeIndex(loss.index))
    return pd.Series({name: mean_of(loss.loc[begin:end]) for name, (begin, end) in periods.items()}, dtype=float)


def mean_of(frame: pd.DataFrame) -> float:
    """Mean over all that is not missing; NaN where all is."""
    return float(np.nanmean(frame.to_numpy())) if frame.notna().to_numpy().any() else float("nan")
