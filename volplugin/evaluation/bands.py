"""Bands in which statistics of right one-session forecasts lie, simulated with the tails of the returns themselves.

Standardised returns of right one-session forecasts are uncorrelated in their squares, but have fat tails. The bands
of a level come from independent Student-t returns of unit variance whose degrees of freedom are fitted to the
standardised returns; a Gaussian band would be too narrow. Statistics that depend on the shape of the tails too (MRAD,
Q) are compared with the sample's own values in random order and at a random level. `docs/evaluation.md` prints how
often the bands cover.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import minimize_scalar

from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation.constants import MONTH_SESSIONS
from volplugin.evaluation.inputs import check_count, checked_series
from volplugin.evaluation.losses import OUTCOME_FLOOR
from volplugin.units import is_number

GAUSSIAN = float("inf")
"""Degrees of freedom of a Gaussian law."""
MIN_DOF = 2.2
SIMULATIONS = 2000
SHUFFLES = 500
CHUNK, BLOCK = 250, 20
"""Simulated series in memory, and in a processor's cache, at once."""


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
    lower, upper = np.quantile(_simulated_levels(sessions, _rounded(dof)), tails)
    return float(lower), float(upper)


def student_returns(random: np.random.Generator, shape: tuple[int, int], dof: float) -> np.ndarray:
    """Draw independent Student-t returns of unit variance; Gaussian ones for infinite degrees of freedom."""
    if np.isinf(dof):
        return random.standard_normal(shape)
    return np.asarray(random.standard_t(dof, shape) * np.sqrt((dof - 2) / dof))


def shuffled_returns(standardized: np.ndarray, dof: float, reps: int = SHUFFLES) -> np.ndarray:
    """Standardised returns of right forecasts with the values of a sample.

    Each row has the sample's values over their root mean square in random order, times the standard deviation of as
    many independent Student-t returns: where forecasts are right, order and level are chance. The shape of the tails
    is the sample's own, and so plays no part in a comparison with these rows.

    Parameters
    ----------
    standardized : ndarray of shape (n_sessions,)
        Returns over forecast volatility, without missing values.
    dof : float
        Degrees of freedom of the returns, such as `fit_dof` returns.
    reps : int, default 500
        Rows; their levels are evenly spaced quantiles of 2,000 simulated ones.

    Returns
    -------
    ndarray of shape (reps, n_sessions)
    """
    levels = np.quantile(_simulated_levels(len(standardized), _rounded(dof)), (np.arange(reps) + 0.5) / reps)
    shape = standardized / np.sqrt((standardized**2).mean())
    rows = np.broadcast_to(shape, (reps, len(shape)))
    return np.asarray(np.random.default_rng(1).permuted(rows, axis=1) * levels[:, None])


def mrad_and_q_bands(simulated: np.ndarray, sigma: np.ndarray) -> tuple[dict[str, float], dict[str, float]]:
    """Bounds ``lower`` and ``upper`` of MRAD over 21 sessions and of the Q statistic: 95% of right forecasts.

    Given the tails Q is smallest where the level is right, so that only its upper bound tests anything; the lower one
    is the smallest Q.

    Parameters
    ----------
    simulated : ndarray of shape (n_series, n_sessions)
        From `shuffled_returns`.
    sigma : ndarray of shape (n_sessions,)
        Daily volatilities; they matter because Q raises squared returns to the floor of QLIKE.
    """
    # Few series at once, which a processor's cache holds: half the time of all at once.
    blocks = [simulated[begin : begin + BLOCK] for begin in range(0, len(simulated), BLOCK)]
    squares = (np.maximum(block**2, OUTCOME_FLOOR / sigma**2) for block in blocks)
    q = np.quantile(np.concatenate([(part - np.log(part)).mean(axis=1) for part in squares]), [0.0, 0.95]).tolist()
    distance = np.quantile(np.concatenate([mrad_of_rows(block) for block in blocks]), [0.025, 0.975]).tolist()
    return dict(lower=distance[0], upper=distance[1]), dict(lower=q[0], upper=q[1])


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


def _rounded(dof: float) -> int:
    """Degrees of freedom as percent of their inverse, so that series with about the same tails share one simulation."""
    return round(100 / dof)


@lru_cache(maxsize=1024)
def _simulated_levels(sessions: int, percent: int) -> np.ndarray:
    """Draw standard deviations of independent Student-t series of unit variance, always from the same seed."""
    random = np.random.default_rng(0)
    dof = 100 / min(max(percent, 0.5), 100 / MIN_DOF)  # at two degrees of freedom there is no variance
    shapes = [(min(CHUNK, SIMULATIONS - begin), sessions) for begin in range(0, SIMULATIONS, CHUNK)]
    return np.concatenate([student_returns(random, shape, dof).std(axis=1, ddof=1) for shape in shapes])
