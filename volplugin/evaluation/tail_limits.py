"""Limits of past sessions: value at risk and expected shortfall, from the forecasts of each session.

Limits are *returns* here (negative numbers), so that a session exceeds its limit if its return is below. A level is a
tail probability such as 0.01.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd

from volplugin.errors import ParameterError
from volplugin.evaluation.bands import student_returns
from volplugin.evaluation.inputs import aligned, check_count, check_tail, check_zones, checked
from volplugin.risk.tail_risk import (
    HISTORY_SESSIONS,
    MIN_HISTORY_SESSIONS,
    STUDENT_DOF,
    TailMethod,
    loss_quantile,
    loss_shortfall,
)

Values = TypeVar("Values", pd.Series, pd.DataFrame)

HISTORY_START = 250
"""Earlier sessions that a historical limit needs in a backtest; a forecast of today needs 500."""
REFRESH_SESSIONS = 21
"""Sessions for which simulated limits stay the same; quantiles of 500 sessions or more change little in a month."""


def value_at_risk(
    returns: Values,
    volatility: Values,
    level: float,
    method: TailMethod = "gaussian",
    minimum: int = HISTORY_START,
    dof: float = STUDENT_DOF,
) -> Values:
    """Return that is undercut on a fraction `level` of sessions, if the forecasts are right.

    Parameters
    ----------
    returns, volatility : Series or DataFrame, one row per session
        Daily returns and the daily volatility forecast for the same sessions.
    level : float
        Tail probability, such as 0.01.
    method : {"gaussian", "student", "historical"}
        Quantile of the normal law, of Student's t, or of the last 1,260 standardised returns of *earlier* sessions
        (filtered historical simulation).
    minimum : int, default 250
        Earlier sessions that the historical quantile needs; NaN before.
    dof : float, default 6
        Degrees of freedom of Student's t.

    Raises
    ------
    ParameterError
        For a level outside 0 to 0.5, an unknown method, negative volatilities, and dates that repeat or differ in
        their time zone.
    """
    check_tail(level)
    returns, volatility = _checked(returns, volatility, minimum)
    if method == "historical":
        earlier = (returns / volatility).rolling(HISTORY_SESSIONS, min_periods=minimum)
        return volatility * earlier.quantile(level).shift(1)
    return volatility * -loss_quantile(1 - level, method, dof=dof)


def expected_shortfall(
    returns: pd.Series,
    volatility: pd.Series,
    level: float,
    method: TailMethod = "gaussian",
    minimum: int = HISTORY_START,
    dof: float = STUDENT_DOF,
) -> pd.Series:
    """Mean return on the sessions that undercut `value_at_risk`, if the forecasts are right.

    Parameters and errors as in `value_at_risk`, for one series.
    """
    check_tail(level)
    pair = aligned(returns=returns, volatility=volatility)
    returns, volatility = _checked(pair["returns"], pair["volatility"], minimum)
    if method != "historical":
        return volatility * -loss_shortfall(1 - level, method, dof=dof)
    z = returns / volatility
    past = pd.Series(historical_tails(z.to_numpy(), [level], minimum)[level][1], index=z.index)
    return volatility * past.shift(1)


def tail_limits(returns: pd.Series, volatility: pd.Series, level: float) -> pd.DataFrame:
    """Value at risk and expected shortfall of each session as a forecast at the close before it would give them.

    Filtered historical simulation from 500 earlier standardised returns on, Student-t with 6 degrees of freedom before:
    the choice of `CovarianceForecast.value_at_risk`. Parameters and errors as in `value_at_risk`.

    Returns
    -------
    DataFrame, columns ``value_at_risk``, ``expected_shortfall`` and ``method``
        Limits are returns. NaN, and the method None, where there is no forecast; zero where it is zero.
    """
    return limits_by_level(returns, volatility, [level])[level]


def limits_by_level(returns: pd.Series, volatility: pd.Series, levels: Sequence[float]) -> dict[float, pd.DataFrame]:
    """Return `tail_limits` of several levels, from one pass through the history."""
    for level in levels:
        check_tail(level)
    pair = aligned(returns=returns, volatility=volatility)
    sigma = _checked(pair["returns"], pair["volatility"], MIN_HISTORY_SESSIONS)[1].to_numpy()
    z = pair["returns"].to_numpy() / np.where(sigma > 0, sigma, np.nan)
    history = historical_tails(z, levels, MIN_HISTORY_SESSIONS)
    found = {}
    for level, past in history.items():
        own = sigma * np.concatenate([np.full((2, 1), np.nan), past[:, :-1]], axis=1)
        is_historical = np.isfinite(own[0]) & (sigma > 0)
        law = -np.array([[of(1 - level, "student", dof=STUDENT_DOF)] for of in (loss_quantile, loss_shortfall)])
        limits = np.where(is_historical, own, sigma * law)
        method = np.where(is_historical, "historical", "student").astype(object)
        method[np.isnan(sigma)] = None
        columns = {"value_at_risk": limits[0], "expected_shortfall": limits[1], "method": method}
        found[level] = pd.DataFrame(columns, pair.index)
    return found


class StepLimits(NamedTuple):
    """Limits that change in steps: a quantile for each series and step, times a volatility that all series share.

    Sums over sessions take two products in place of an array of all limits, which would take three times as long.
    """

    quantile: np.ndarray
    """Of shape (n_series, n_steps)."""
    step: np.ndarray
    """Step of each session, of shape (n_sessions,)."""
    volatility: np.ndarray
    """Of shape (n_sessions,)."""

    def at(self, series: np.ndarray | int, session: np.ndarray) -> np.ndarray:
        """Return the limits of some sessions of some series."""
        return np.asarray(self.quantile[series, self.step[session]] * self.volatility[session])

    def sums(self, first: int) -> list[np.ndarray]:
        """Return the sums of the limits, and of their squares, over the sessions from a position on, by series."""
        step, volatility, steps = self.step[first:], self.volatility[first:], self.quantile.shape[1]
        return [self.quantile**power @ np.bincount(step, volatility**power, steps) for power in (1, 2)]


@dataclass(frozen=True, eq=False)
class SimulatedTails:
    """Right returns and their limits at one tail, arrays of shape (n_series, n_sessions).

    `exceeded` flags returns below their limit, `limit` is a return, `losses` are the returns below the limit over the
    expected shortfall, zero elsewhere.
    """

    exceeded: np.ndarray
    limit: StepLimits
    losses: np.ndarray

    def since(self, first: int) -> SimulatedTails:
        """Return the sessions from a position on."""
        limit = self.limit._replace(step=self.limit.step[first:], volatility=self.limit.volatility[first:])
        return SimulatedTails(self.exceeded[:, first:], limit, self.losses[:, first:])


def simulate_tails(
    volatility: np.ndarray,
    levels: Sequence[float],
    dof: float,
    reps: int = 500,
    minimum: int = MIN_HISTORY_SESSIONS,
) -> dict[float, SimulatedTails]:
    """Exceedances of right forecasts whose limits come from `tail_limits`.

    A historical limit follows the returns: many early exceedances widen it, and few follow. Exceedances are therefore
    not independent, and their number varies less than a binomial one: its variance is a third over 1,000 sessions.
    Limits are right for the simulated Student-t returns in the first sessions, and historical after them.

    Parameters
    ----------
    volatility : ndarray of shape (n_sessions,)
        Daily forecasts.
    levels : sequence of float
        Tail probabilities.
    dof : float
        Degrees of freedom of the returns, such as `fit_dof` returns.
    reps : int, default 500
        Simulated series.
    minimum : int, default 500
        Sessions before the first historical limit.

    References
    ----------
    Escanciano and Pei (2012), Pitfalls in Backtesting Historical Simulation VaR Models, Journal of Banking &
    Finance 36.
    """
    z = student_returns(np.random.default_rng(2), (reps, len(volatility)), dof).astype(np.float32)
    law: TailMethod = "gaussian" if np.isinf(dof) else "student"
    bounds = {
        level: [[np.full(reps, -of(1 - level, law, dof=dof), np.float32)] for of in (loss_quantile, loss_shortfall)]
        for level in levels
    }
    step = np.zeros(len(volatility), dtype=int)
    for number, (row, ordered) in enumerate(_smallest(z, max(levels), minimum), 1):
        length = min(row, HISTORY_SESSIONS)
        step[row:] = number
        for level, (quantiles, shortfalls) in bounds.items():
            place = level * (length - 1)
            below = int(place)
            between = ordered[:, below + 1] - ordered[:, below]
            quantiles.append(ordered[:, below] + (place - below) * between)  # linear interpolation, as numpy's
            excess = (quantiles[-1][:, None] - ordered[:, : below + 1]).sum(axis=1)
            shortfalls.append(quantiles[-1] - excess / (level * length))
    found = {}
    for level, of_level in bounds.items():
        quantile, shortfall = (np.stack(each, axis=1) for each in of_level)
        exceeded, losses = z < quantile.take(step, axis=1), np.zeros_like(z)
        series, session = np.nonzero(exceeded)
        losses[series, session] = z[series, session] / shortfall[series, step[session]]
        found[level] = SimulatedTails(exceeded, StepLimits(quantile.astype(float), step, volatility), losses)
    return found


def _smallest(z: np.ndarray, level: float, minimum: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each row at which limits change, and the ordered smallest of the values before it: a tail and one more."""
    for first in range(minimum, z.shape[1], 5 * REFRESH_SESSIONS):
        rows = range(first, min(first + 5 * REFRESH_SESSIONS, z.shape[1]), REFRESH_SESSIONS)
        # The smallest of a window are among the smallest of the part that five windows share, and the rest of it.
        begin, most = max(0, rows[-1] - HISTORY_SESSIONS), int(level * (min(rows[-1], HISTORY_SESSIONS) - 1)) + 1
        shared = z[:, begin:first]
        shared = np.partition(shared, most, axis=1)[:, : most + 1] if most < shared.shape[1] else shared
        for row in rows:
            parts = [z[:, max(0, row - HISTORY_SESSIONS) : begin], shared, z[:, first:row]]
            yield row, np.sort(np.concatenate(parts, axis=1), axis=1)


def _checked(returns: Values, volatility: Values, minimum: int) -> tuple[Values, Values]:
    """Return both as floats in order of time."""
    check_count(minimum, "minimum", 0)
    if minimum > HISTORY_SESSIONS:
        raise ParameterError(f"minimum is {minimum}; a history has {HISTORY_SESSIONS} sessions")
    returns, volatility = checked(returns, "returns"), checked(volatility, "volatility")
    check_zones(returns=returns, volatility=volatility)
    if (volatility < 0).to_numpy().any():
        raise ParameterError("a volatility is negative; pass standard deviations")
    return returns, volatility


def historical_tails(z: np.ndarray, levels: Sequence[float], minimum: int) -> dict[float, np.ndarray]:
    """Quantile of the last 1,260 values up to each row, and mean below it, by level; NaN before `minimum` values."""
    found, ordered = {level: np.full((2, len(z)), np.nan) for level in levels}, list[float]()
    values, known = z.tolist(), np.isfinite(z).tolist()
    for row, value in enumerate(values):
        if known[row]:
            insort(ordered, value)
        oldest = row - HISTORY_SESSIONS
        if oldest >= 0 and known[oldest]:
            del ordered[bisect_left(ordered, values[oldest])]
        if len(ordered) < max(minimum, 1):
            continue
        for level, tails in found.items():
            place = level * (len(ordered) - 1)
            below = int(place)
            step = ordered[min(below + 1, len(ordered) - 1)] - ordered[below]
            quantile = ordered[below] + (place - below) * step  # linear interpolation, as numpy's
            excess = (below + 1) * quantile - sum(ordered[: below + 1])
            tails[0, row], tails[1, row] = quantile, quantile - excess / (level * len(ordered))
    return found
