"""Quantiles and tail means of portfolio losses, per unit of forecast volatility.

Three laws of the standardised return: Gaussian, Student-t, and the standardised returns of the past themselves
(filtered historical simulation). A *level* here is a level of confidence such as 0.99. Losses are positive numbers, in
daily volatilities: multiply by the forecast volatility of one session.
"""

from __future__ import annotations

import math
from numbers import Integral
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from volplugin.data.checks import as_floats
from volplugin.errors import InsufficientHistoryError, LookAheadError, ParameterError, require_type
from volplugin.units import is_number

TailMethod = Literal["gaussian", "student", "historical"]

STUDENT_DOF = 6.0
"""Degrees of freedom of the Student-t law, where none are given; equity portfolios have excess kurtosis of 2 to 3."""
HISTORY_SESSIONS = 1260
"""Standardised returns that filtered historical simulation uses at most: the last five years."""
MIN_HISTORY_SESSIONS = 500
"""Standardised returns below which historical quantiles are too noisy, and Student-t takes their place."""


def loss_quantile(
    level: float,
    method: TailMethod = "student",
    *,
    horizon: int = 1,
    dof: float = STUDENT_DOF,
    standardized: np.ndarray | None = None,
) -> float:
    """Loss that is exceeded with probability ``1 - level``, in daily volatilities.

    Parameters
    ----------
    level : float
        Confidence between 0.5 and 1, such as 0.99.
    method : {"gaussian", "student", "historical"}, default "student"
        Law of the standardised returns.
    horizon : int, default 1
        Sessions over which the loss is counted. Volatility grows with their square root; a Student-t law gets the
        kurtosis of a sum of independent returns; history contributes sums over as many sessions.
    dof : float, default 6
        Degrees of freedom of the Student-t law of one session, above 2.
    standardized : ndarray of shape (n_sessions,), optional
        Past standardised returns, oldest first; for "historical".

    Raises
    ------
    ParameterError
        For a level outside 0.5 to 1 or an unknown method.
    InsufficientHistoryError
        If "historical" has fewer than 500 standardised returns.

    Examples
    --------
    >>> round(loss_quantile(0.99, "gaussian"), 3)
    2.326
    """
    _check(level, method, horizon, dof)
    if method == "gaussian":
        quantile = float(stats.norm.ppf(level))
    elif method == "student":
        dof = _dof_of_sum(dof, horizon)
        quantile = float(stats.t.ppf(level, dof)) * _unit_scale(dof)
    else:
        quantile = float(np.quantile(_past_losses(standardized, horizon), level))
    return quantile * float(np.sqrt(horizon))


def loss_shortfall(
    level: float,
    method: TailMethod = "student",
    *,
    horizon: int = 1,
    dof: float = STUDENT_DOF,
    standardized: np.ndarray | None = None,
) -> float:
    """Mean loss beyond `loss_quantile`, in daily volatilities; parameters and errors are the same.

    Examples
    --------
    >>> round(loss_shortfall(0.975, "gaussian"), 3)
    2.338

    References
    ----------
    McNeil, Frey and Embrechts (2015), Quantitative Risk Management, examples 2.14 and 2.15; Rockafellar and Uryasev
    (2002), Conditional Value-at-Risk for General Loss Distributions, Journal of Banking & Finance 26 (history).
    """
    _check(level, method, horizon, dof)
    tail = 1 - level
    if method == "gaussian":
        shortfall = float(stats.norm.pdf(stats.norm.ppf(level))) / tail
    elif method == "student":
        dof = _dof_of_sum(dof, horizon)
        quantile = stats.t.ppf(level, dof)
        shortfall = float(stats.t.pdf(quantile, dof) / tail * (dof + quantile**2) / (dof - 1)) * _unit_scale(dof)
    else:
        losses = _past_losses(standardized, horizon)
        quantile = np.quantile(losses, level)
        # Equal to the mean beyond the quantile, whatever part of an observation the tail holds.
        shortfall = float(quantile + np.maximum(losses - quantile, 0).mean() / tail)
    return shortfall * float(np.sqrt(horizon))


def tail_method(standardized: np.ndarray | None) -> TailMethod:
    """Return the method used where none is given: history if it has 500 standardised returns, else Student-t."""
    return "historical" if standardized is not None and len(standardized) >= MIN_HISTORY_SESSIONS else "student"


def standardized_history(history: pd.DataFrame, asof: pd.Timestamp) -> np.ndarray:
    """Return the last 1,260 standardised returns of a portfolio.

    Parameters
    ----------
    history : DataFrame, columns ``returns`` and ``volatility``
        By session: the portfolio's daily return, and its *daily* volatility that was forecast for the session at the
        close before. Sessions with a missing value are left out.
    asof : Timestamp
        Last completed session.

    Raises
    ------
    ParameterError
        For missing columns, repeated or unordered sessions, and volatilities that are not positive.
    LookAheadError
        If the history goes beyond `asof`.
    """
    known = _checked_history(history, asof)
    return (known["returns"] / known["volatility"]).to_numpy()


def realized_quantiles(
    history: pd.DataFrame, asof: pd.Timestamp, horizon: int, tails: tuple[float, float]
) -> np.ndarray:
    """Quantiles of the root mean square return of `horizon` sessions over the volatility forecast for the first.

    Every session of the last 1,260 begins a window that ends by `asof`. Windows overlap and volatility persists: they
    count as one independent window per two horizons (three at least), and the quantiles are moved from the median
    accordingly, by Student's t. Parameters and errors as in `standardized_history`; `InsufficientHistoryError` for
    fewer than 500 sessions.
    """
    known = _checked_history(history, asof)
    if len(known) < max(MIN_HISTORY_SESSIONS, 2 * horizon):
        raise InsufficientHistoryError(
            f"an interval over {horizon} sessions needs {max(MIN_HISTORY_SESSIONS, 2 * horizon)} sessions of history, "
            f"not {len(known)}; pass a longer history"
        )
    squares = np.lib.stride_tricks.sliding_window_view(known["returns"].to_numpy() ** 2, horizon)
    ratios = np.sqrt(squares.mean(axis=1)) / known["volatility"].to_numpy()[: len(squares)]
    lower, centre, upper = np.quantile(ratios, (tails[0], 0.5, tails[1]))
    windows = max(3.0, len(ratios) / (2 * horizon))
    # Student's prediction interval of one more window over the Gaussian one, on the logarithms.
    wider = stats.t.ppf(tails[1], windows - 1) / stats.norm.ppf(tails[1]) * np.sqrt(1 + 1 / windows)
    return np.asarray(centre * (np.array([lower, upper]) / (centre or 1.0)) ** wider)


def _checked_history(history: pd.DataFrame, asof: pd.Timestamp) -> pd.DataFrame:
    missing = {"returns", "volatility"} - set(require_type(history, pd.DataFrame, "history").columns)
    if missing:
        raise ParameterError(f"the history has no column {sorted(missing)[0]!r}; pass returns and volatility")
    history = as_floats(history[["returns", "volatility"]], "history", ParameterError)
    try:
        history.index = history.index.astype("datetime64[ns]")
    except (TypeError, ValueError) as error:
        raise ParameterError(f"the history is not labelled by dates without a time zone ({error})") from error
    if not (history.index.is_monotonic_increasing and history.index.is_unique):
        raise ParameterError("the sessions of the history are not in order; sort them, each once")
    if len(history) and history.index[-1] > asof:
        raise LookAheadError(f"the history reaches {history.index[-1].date()}, after {asof.date()}; cut it there")
    known = history.dropna().tail(HISTORY_SESSIONS)
    bad = ~(np.isfinite(known).all(axis=1) & (known["volatility"] > 0))
    if bad.any():
        raise ParameterError(f"the history of {known.index[bad][0].date()} is not finite with a positive volatility")
    return known


def _past_losses(standardized: np.ndarray | None, horizon: int) -> np.ndarray:
    """Losses over all runs of `horizon` sessions, scaled to the volatility of one."""
    count = 0 if standardized is None else len(standardized)
    if standardized is None or count < max(MIN_HISTORY_SESSIONS, horizon):
        raise InsufficientHistoryError(
            f"historical tails need {max(MIN_HISTORY_SESSIONS, horizon)} standardised returns, not {count}; "
            "pass a longer history or method='student'"
        )
    sums = np.lib.stride_tricks.sliding_window_view(standardized, horizon).sum(axis=1)
    return np.asarray(-sums / np.sqrt(horizon))


def _dof_of_sum(dof: float, horizon: int) -> float:
    """Degrees of freedom with the kurtosis of a sum of independent returns: the excess shrinks with their number."""
    return 4 + horizon * (dof - 4) if dof > 4 else dof


def _unit_scale(dof: float) -> float:
    """Factor that gives a Student-t law a variance of one."""
    return float(np.sqrt((dof - 2) / dof))


def _check(level: float, method: str, horizon: int, dof: float) -> None:
    if not is_number(level) or not 0.5 < level < 1:
        raise ParameterError(f"level is {level!r}; pass a confidence between 0.5 and 1, such as 0.99")
    if method not in ("gaussian", "student", "historical"):
        raise ParameterError(f"method is {method!r}; choose 'gaussian', 'student' or 'historical'")
    if not isinstance(horizon, Integral) or isinstance(horizon, bool) or horizon < 1:
        raise ParameterError(f"horizon is {horizon!r}; pass a whole number of sessions, 1 or more")
    if dof != math.inf and (not is_number(dof) or not dof > 2):  # infinite degrees of freedom: Gaussian
        raise ParameterError(f"dof is {dof!r}; pass degrees of freedom above 2, or method='gaussian'")
