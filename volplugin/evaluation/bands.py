"""Bands in which statistics of right one-session forecasts lie, simulated with the tails of the returns themselves.

Standardised returns of right one-session forecasts are uncorrelated in their squares, but have fat tails. The bands
come from independent Student-t returns of unit variance whose degrees of freedom are fitted to the standardised
returns; a Gaussian band would be too narrow. `docs/evaluation.md` prints how often they cover.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import minimize_scalar

from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation.constants import MONTH_SESSIONS
from volplugin.evaluation.inputs import check_count, checked_series, is_number
from volplugin.evaluation.losses import OUTCOME_FLOOR

GAUSSIAN = float("inf")
"""Degrees of freedom of a Gaussian law."""
MIN_DOF = 2.2
SIMULATIONS = 2000
CHUNK = 250
"""Simulated series in memory at once."""


def fit_dof(standardized: np.ndarray | pd.Series) -> float:
    """Degrees of freedom of a Student-t law fitted to standardised returns by maximum likelihood.

    The law has a variance of one after division by the sample's root mean square, so that the level of the forecasts
    plays no part.

    Parameters
    ----------
    standardized : Series or ndarray
        Returns over forecast volatility; missing values are left out.

    Returns
    -------
    float
        At least 2.2; infinite where the tails are no fatter than a Gaussian law's.

    Raises
    ------
    InsufficientHistoryError
        For fewer than two returns other than zero.
    ParameterError
        For an infinite value, and for other things than numbers.

    Examples
    --------
    >>> import numpy as np
    >>> 5 < fit_dof(np.random.default_rng(0).standard_t(6, 5000)) < 7
    True
    """
    z = checked_series(standardized, "standardized").dropna().to_numpy()
    if np.count_nonzero(z) < 2:
        raise InsufficientHistoryError("tails are fitted to two standardised returns or more, other than zero")
    z = z / np.abs(z).max()  # squares of very large or small values are no floats
    z = z / np.sqrt((z**2).mean())

    def loss(inverse: float) -> float:
        """Negative log-likelihood of Student's t with variance one, by the inverse degrees of freedom."""
        dof = 1 / inverse
        scale = np.sqrt((dof - 2) / dof)
        return float(np.log(scale) * len(z) - stats.t.logpdf(z / scale, dof).sum())

    found = minimize_scalar(loss, bounds=(1e-3, 1 / MIN_DOF), method="bounded", options={"xatol": 1e-4})
    gaussian = -stats.norm.logpdf(z).sum()
    return float(1 / found.x) if found.fun < gaussian else GAUSSIAN


def sampling_band(sessions: int, level: float = 0.95, dof: float = GAUSSIAN) -> tuple[float, float]:
    """Bounds of the standard deviation of some independent returns of unit variance.

    Parameters
    ----------
    sessions : int
        Number of returns, two or more.
    level : float, default 0.95
        Probability of the band.
    dof : float, default infinity
        Degrees of freedom of their Student-t law, such as `fit_dof` returns; Gaussian if not given.

    Raises
    ------
    ParameterError
        For fewer than two sessions, a level outside 0 to 1, and two degrees of freedom or fewer.
    """
    check_count(sessions, "sessions", 2)
    if not (is_number(level) and 0 < level < 1 and is_number(dof) and dof > 2):
        raise ParameterError(f"level is {level!r}, dof {dof!r}; pass a probability such as 0.95, and dof above 2")
    tails = ((1 - level) / 2, (1 + level) / 2)
    if np.isinf(dof):
        lower, upper = np.sqrt(stats.chi2.ppf(tails, sessions - 1) / (sessions - 1))
        return float(lower), float(upper)
    # Rounded, so that series with about the same tails share one simulation.
    return _simulated_band(sessions, tails, round(100 / dof))


@lru_cache(maxsize=4096)
def _simulated_band(sessions: int, tails: tuple[float, float], percent: int) -> tuple[float, float]:
    dof = 100 / min(max(percent, 0.5), 100 / MIN_DOF)  # at two degrees of freedom there is no variance
    deviations = _simulate(sessions, dof, SIMULATIONS, lambda z: z.std(axis=1, ddof=1))
    lower, upper = np.quantile(deviations, tails)
    return float(lower), float(upper)


@dataclass(frozen=True)
class Band:
    """Bounds of a statistic with 95% (or another) probability, where forecasts are right."""

    lower: float
    upper: float


def mrad_and_q_bands(sigma: np.ndarray, dof: float, level: float = 0.95, reps: int = 300) -> tuple[Band, Band]:
    """Bands of MRAD over 21 sessions and of the Q statistic, of right forecasts with given tails.

    Parameters
    ----------
    sigma : ndarray of shape (n_sessions,)
        Daily volatilities; they matter because Q raises squared returns to the floor of QLIKE.
    dof : float
        Degrees of freedom of the returns.
    level : float, default 0.95
        Probability of the bands.
    reps : int, default 300
        Simulated series.
    """
    floor = OUTCOME_FLOOR / sigma**2

    def both(z: np.ndarray) -> np.ndarray:
        squares = np.maximum(z**2, floor)
        return np.column_stack([mrad_of_rows(z), (squares - np.log(squares)).mean(axis=1)])

    found = np.quantile(_simulate(len(sigma), dof, reps, both), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Band(*found[:, 0].tolist()), Band(*found[:, 1].tolist())


def mrad_of_rows(z: np.ndarray) -> np.ndarray:
    """Mean distance from 1 of the standard deviation of each window, for many series at once."""
    window = MONTH_SESSIONS
    if z.shape[1] < window:
        return np.full(len(z), np.nan)
    # Differences of running sums: the sums and squares of every window.
    total, squares = (np.cumsum(np.pad(part, ((0, 0), (1, 0))), axis=1) for part in (z, z**2))
    sums, squared = (part[:, window:] - part[:, :-window] for part in (total, squares))
    variance = np.maximum(squared - sums**2 / window, 0.0) / (window - 1)
    return np.asarray(np.abs(np.sqrt(variance) - 1).mean(axis=1))


def _simulate(sessions: int, dof: float, reps: int, measure: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Measures of independent Student-t series of unit variance, always from the same seed."""
    random = np.random.default_rng(0)
    parts = []
    for begin in range(0, reps, CHUNK):
        shape = (min(CHUNK, reps - begin), sessions)
        z = random.standard_normal(shape) if np.isinf(dof) else random.standard_t(dof, shape) * np.sqrt((dof - 2) / dof)
        parts.append(measure(z))
    return np.concatenate(parts)
