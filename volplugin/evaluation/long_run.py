"""Means of dependent series with error rates that hold: long-run variances from a few cosine averages.

Losses and squared standardised returns depend on their past. A Bartlett (Newey-West) variance with normal critical
values underestimates that dependence. Here the variance of the mean is estimated from a small number `B` of cosine
averages of the series, which are nearly independent and Gaussian; the statistic is then compared with Student's t of
`B` degrees of freedom. `docs/evaluation.md` prints the measured size of each test.

References
----------
Lazarus, Lewis, Stock and Watson (2018), HAR Inference: Recommendations for Practice, Journal of Business & Economic
Statistics 36, eq. 10. They propose a larger `B` for series that are less persistent than losses of forecasts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation.inputs import check_count, checked_series

MIN_SESSIONS = 12
MIN_DEGREES = 8
"""Cosine averages of a series without overlap, where it is long enough."""


@dataclass(frozen=True)
class LongRunMean:
    """Mean of a dependent series, its standard error and the degrees of freedom of their ratio."""

    mean: float
    error: float
    dof: int
    sessions: int

    def pvalue(self, statistic: float) -> float:
        """Two-sided p-value of a t statistic."""
        return 2 * float(stats.t.sf(abs(statistic), self.dof))


def fewest_sessions(horizon: int) -> int:
    """Return the number of sessions below which there is no test: twelve, or four horizons."""
    return max(MIN_SESSIONS, 4 * horizon)


def smoothing_degrees(sessions: int, horizon: int) -> int:
    """Return the number of cosine averages: a third of the root of the sessions, fewer where outcomes overlap.

    The highest frequency has a period of ``2 * sessions / B``: with ``B <= sessions / (4 * horizon)`` at least eight
    horizons, so that the overlap of neighbouring outcomes looks like a long-run variance.

    Raises
    ------
    InsufficientHistoryError
        For fewer than twelve sessions, or than four horizons.
    """
    check_count(horizon, "horizon")
    fewest = fewest_sessions(horizon)
    if sessions < fewest:
        raise InsufficientHistoryError(
            f"{sessions} sessions are too few for a test at horizon {horizon}; pass {fewest} or more"
        )
    return max(2, min(max(MIN_DEGREES, math.isqrt(sessions) // 3), sessions // (4 * horizon), sessions // 2))


def cosine_averages(values: np.ndarray, degrees: int) -> np.ndarray:
    """Weighted averages whose mean square estimates the long-run variance of each column.

    Parameters
    ----------
    values : ndarray of shape (n_sessions,) or (n_sessions, n_series)
    degrees : int
        Number of averages.

    Returns
    -------
    ndarray of shape (degrees,) or (degrees, n_series)
    """
    # [degrees, sessions]; every row of cosines sums to zero, which removes the mean.
    return np.asarray(_cosines(len(values), degrees) @ values)


@lru_cache(maxsize=16)
def _cosines(sessions: int, degrees: int) -> np.ndarray:
    time = (np.arange(sessions) + 0.5) / sessions
    return np.sqrt(2 / sessions) * np.cos(np.pi * np.arange(1, degrees + 1)[:, None] * time)


def long_run_mean(values: np.ndarray, horizon: int) -> LongRunMean:
    """Mean of a series and its standard error.

    Parameters
    ----------
    values : ndarray of shape (n_sessions,)
        Without missing values.
    horizon : int
        Sessions that each value covers; neighbours overlap by ``horizon - 1``.

    Raises
    ------
    InsufficientHistoryError
        For fewer than twelve sessions, or than four horizons.
    ParameterError
        For values too large to be averaged.
    """
    degrees = smoothing_degrees(len(values), horizon)
    if not np.isfinite(np.square(values).sum()):
        raise ParameterError("the values are too large to be averaged; pass losses of variances in decimals")
    variance = float((cosine_averages(values, degrees) ** 2).mean())
    return LongRunMean(float(values.mean()), math.sqrt(variance / len(values)), degrees, len(values))


def combine_pvalues(pvalues: Sequence[float]) -> float:
    """Combine the p-values of the same test on each phase: twice their median.

    A valid p-value whatever the dependence among the phases, hence a cautious one; of a single phase the p-value
    itself.

    References
    ----------
    Meinshausen, Meier and Bühlmann (2009), P-Values for High-Dimensional Regression, Journal of the
    American Statistical Association 104, theorem 3.1.
    """
    known = np.asarray(checked_series(pvalues, "pvalues").dropna())
    if ((known < 0) | (known > 1)).any():
        raise ParameterError("a p-value lies outside 0 to 1; pass probabilities")
    if len(known) == 0:
        return float("nan")
    return float(known[0]) if len(known) == 1 else float(min(1.0, 2 * np.median(known)))
