"""Numbers that the plots and the page show, computed from a result: no drawing here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from volplugin.errors import ParameterError
from volplugin.evaluation.calibration import rolling_bias, sampling_band
from volplugin.report.result import BacktestResult
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


def inside_band(perf: pd.DataFrame) -> float | None:
    """Share of rolling quarters with realised volatility inside the 95% band, or None if there is none."""
    windows = quarters(perf)
    inside = windows["realized"].between(windows["lower"], windows["upper"])
    return None if windows.empty else float(inside.mean())


def bias_path(perf: pd.DataFrame) -> tuple[pd.Series, int]:
    """Return the rolling bias statistic and its window: a year, or a quarter where the run is short."""
    known = held(perf)
    window = 252 if len(known) >= 2 * 252 else QUARTER
    return rolling_bias(known["returns"] / deannualize(known["predicted_vol"]), window).dropna(), window


def contributions(perf: pd.DataFrame, top: int = 8) -> pd.DataFrame:
    """Risk contributions over time: the `top` assets by mean share, and the sum of the others.

    Returns
    -------
    DataFrame of shape (n_sessions, at most top + 1)
        Annual; empty where the perf frame holds none. An asset absent from a session's mapping was not
        held and contributed nothing.
    """
    if "risk_contributions" not in perf:
        return pd.DataFrame()
    cells = {t: dict(c) for t, c in perf["risk_contributions"].items() if isinstance(c, Mapping) and len(c)}
    if not cells:
        return pd.DataFrame()
    # Absent from a session's mapping: not held, which contributes nothing.
    frame = pd.DataFrame.from_dict(cells, orient="index").sort_index().fillna(0.0)
    frame.columns = [str(getattr(asset, "symbol", asset)) for asset in frame.columns]
    order = frame.mean().sort_values(ascending=False).index
    shown = frame[order[:top]]
    rest = frame[order[top:]]
    return shown.assign(**{f"{rest.shape[1]} others": rest.sum(axis=1)}) if rest.shape[1] else shown


def reductions(result: BacktestResult) -> tuple[pd.DataFrame, str]:
    """Percent by which each model's mean QLIKE lies below the benchmark's, models x horizons."""
    scores = result.volatility
    if scores is None:
        raise ParameterError("the result holds no scores of volatility models")
    base = scores.benchmarks[0] if scores.benchmarks else scores.models[0]
    loss = scores.table["qlike"].unstack("horizon").loc[scores.models]
    return 100 * (1 - loss / loss.loc[base]), base
