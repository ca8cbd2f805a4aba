"""Windows of sessions: predicted and realised volatility, the worst quarter, the rolling bias statistic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from volplugin.evaluation.calibration import rolling_bias, sampling_band
from volplugin.units import annualize, deannualize

QUARTER = 63
"""Sessions of a rolling window of realised volatility."""


@dataclass(frozen=True)
class Worst:
    """The rolling quarter in which realised volatility was furthest from the prediction."""

    first: pd.Timestamp
    last: pd.Timestamp
    realized: float
    predicted: float


def quarters(perf: pd.DataFrame, window: int = QUARTER) -> pd.DataFrame:
    """Realised and predicted volatility of every window of sessions, labelled with its last session.

    Returns
    -------
    DataFrame, columns realized, predicted, lower, upper
        Annual. ``predicted`` is the root mean square of the ex-ante volatilities of the *same* sessions;
        between ``lower`` and ``upper`` realised volatility falls with 95% probability, if forecasts are
        right and standardised returns Gaussian.
    """
    known = held(perf)
    realized = annualize(known["returns"].rolling(window).std())
    predicted = (known["predicted_vol"] ** 2).rolling(window).mean() ** 0.5
    lower, upper = sampling_band(window)
    columns = {
        "realized": realized,
        "predicted": predicted,
        "lower": predicted * lower,
        "upper": predicted * upper,
    }
    return pd.DataFrame(columns).dropna()


def held(perf: pd.DataFrame) -> pd.DataFrame:
    """Sessions through which a book with a forecast was held."""
    return perf[(perf["predicted_vol"] > 0) & perf["returns"].notna()]


def middle(frame: pd.DataFrame | pd.Series, sessions: pd.DatetimeIndex, window: int = QUARTER) -> pd.DatetimeIndex:
    """Middle session of each window that `frame` labels with its last."""
    return sessions[sessions.get_indexer(frame.index) - window // 2]


def worst_quarter(perf: pd.DataFrame) -> Worst | None:
    """Return the quarter whose realised volatility was furthest from the prediction, if there is one."""
    windows = quarters(perf)
    if windows.empty:
        return None
    last = np.log(windows["realized"] / windows["predicted"]).abs().idxmax()
    sessions = held(perf).index
    first = sessions[sessions.get_loc(last) - QUARTER + 1]
    return Worst(first, last, float(windows.at[last, "realized"]), float(windows.at[last, "predicted"]))


@dataclass(frozen=True)
class BandShares:
    """Shares of the rolling quarters whose realised volatility was below, inside and above the 95% band."""

    below: float
    inside: float
    above: float


def band_shares(perf: pd.DataFrame) -> BandShares | None:
    """Where realised volatility of the rolling quarters fell, or None if there is none."""
    windows = quarters(perf)
    if windows.empty:
        return None
    below, above = windows["realized"] < windows["lower"], windows["realized"] > windows["upper"]
    return BandShares(float(below.mean()), float((~below & ~above).mean()), float(above.mean()))


def standardized(perf: pd.DataFrame) -> pd.Series:
    """Return of each session over the daily volatility forecast for it; NaN-free, without sessions of no book."""
    known = held(perf)
    return (known["returns"] / deannualize(known["predicted_vol"])).rename("z")


def bias_path(perf: pd.DataFrame) -> tuple[pd.Series, int]:
    """Return the rolling bias statistic and its window: a year, or a quarter where the run is short."""
    known = held(perf)
    window = 252 if len(known) >= 2 * 252 else QUARTER
    return rolling_bias(standardized(perf), window).dropna(), window
