"""Simulated returns whose right forecasts are known: to measure how often a test rejects them.

Two laws of returns: GARCH(1, 1) with Student-t innovations, and stochastic volatility with Gaussian ones. Forecast
errors that persist make forecasts that are equally good on average and differ for months.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

BURN_IN = 500
"""Sessions simulated before the first origin."""


@dataclass(frozen=True, eq=False)
class SimulatedForecasts:
    """Returns, right forecasts of their variance, and outcomes.

    Attributes
    ----------
    returns : ndarray of shape (n_simulations, n_origins + horizon - 1)
        Daily returns; column `t` is the first session after origin `t`.
    variance : ndarray of shape (n_simulations, n_origins)
        Expected daily variance of the `horizon` sessions after each origin, given all sessions up to it.
    outcome : ndarray of shape (n_simulations, n_origins)
        Mean squared return of these sessions.
    """

    returns: np.ndarray
    variance: np.ndarray
    outcome: np.ndarray


def simulate_garch_t(
    seeds: Sequence[int],
    origins: int,
    horizon: int,
    *,
    dof: float = 6.0,
    alpha: float = 0.08,
    beta: float = 0.90,
    variance: float = 1e-4,
) -> SimulatedForecasts:
    """GARCH(1, 1) returns with Student-t innovations.

    Parameters
    ----------
    seeds : sequence of int
        One per simulation.
    origins, horizon : int
        Forecasts per simulation and the sessions that each covers.
    dof : float, default 6
        Degrees of freedom of the innovations, which have a variance of one.
    alpha, beta : float, default 0.08 and 0.90
        Weights of the last squared return and of the last variance.
    variance : float, default 1e-4
        Unconditional daily variance.

    Examples
    --------
    >>> found = simulate_garch_t([0, 1], origins=50, horizon=5)
    >>> found.returns.shape, found.variance.shape
    ((2, 54), (2, 50))
    """
    length = BURN_IN + origins + horizon
    z = np.stack([np.random.default_rng(seed).standard_t(dof, length) for seed in seeds]) * np.sqrt((dof - 2) / dof)
    sigma2, returns = np.empty_like(z), np.empty_like(z)
    current = np.full(len(z), variance)
    for t in range(length):
        sigma2[:, t] = current
        returns[:, t] = np.sqrt(current) * z[:, t]
        current = variance * (1 - alpha - beta) + alpha * returns[:, t] ** 2 + beta * current
    first = slice(BURN_IN + 1, BURN_IN + 1 + origins)  # the session after each origin
    # E[sigma2(t + k)] returns to the unconditional variance by a factor alpha + beta per session.
    fading = float(np.mean((alpha + beta) ** np.arange(horizon)))
    return _with_outcomes(returns, variance + (sigma2[:, first] - variance) * fading, horizon)


def simulate_stochastic_volatility(
    seeds: Sequence[int],
    origins: int,
    horizon: int,
    *,
    persistence: float = 0.98,
    deviation: float = 0.2,
    variance: float = 1e-4,
) -> SimulatedForecasts:
    """Gaussian returns whose log variance is an autoregression; the forecasts use its current value.

    Parameters
    ----------
    seeds, origins, horizon, variance
        As in `simulate_garch_t`.
    persistence : float, default 0.98
        Coefficient of the log variance on its last value.
    deviation : float, default 0.2
        Standard deviation of its innovations.
    """
    length = BURN_IN + origins + horizon
    drawn = np.stack([np.random.default_rng(seed).standard_normal((2, length)) for seed in seeds])
    state = lfilter([1.0], [1.0, -persistence], deviation * drawn[:, 1])
    spread = deviation**2 / (1 - persistence**2)
    level = np.log(variance) - spread / 2  # so that the mean variance is `variance`
    returns = np.exp((level + state) / 2) * drawn[:, 0]
    known = state[:, BURN_IN : BURN_IN + origins]
    # E[exp(x(t + k))] of a Gaussian x with mean persistence^k x(t).
    ahead = [persistence**k for k in range(1, horizon + 1)]
    forecast = np.mean([np.exp(level + p * known + spread * (1 - p**2) / 2) for p in ahead], axis=0)
    return _with_outcomes(returns, forecast, horizon)


def persistent_errors(
    seeds: Sequence[int], origins: int, models: int, *, persistence: float = 0.98, deviation: float = 0.3
) -> np.ndarray:
    """Log errors of equally good variance forecasts, of shape (models, n_simulations, n_origins).

    Each is an independent autoregression with the given standard deviation.
    """
    drawn = np.stack([np.random.default_rng([seed, 1]).standard_normal((models, origins)) for seed in seeds], axis=1)
    drawn[:, :, 1:] *= np.sqrt(1 - persistence**2)  # the first value has the stationary law
    return np.asarray(lfilter([1.0], [1.0, -persistence], deviation * drawn, axis=2))


def _with_outcomes(returns: np.ndarray, variance: np.ndarray, horizon: int) -> SimulatedForecasts:
    after = returns[:, BURN_IN + 1 :]
    windows = np.lib.stride_tricks.sliding_window_view(after**2, horizon, axis=1)
    return SimulatedForecasts(after, variance, windows.mean(axis=-1))
