"""The whole forecast distribution: probability integral transforms, and losses beyond value at risk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from volplugin.errors import InsufficientHistoryError
from volplugin.evaluation.tests import value_at_risk
from volplugin.report.measures.windows import held, standardized
from volplugin.units import deannualize

TAILS = (0.05, 0.01)
"""Probabilities of the losses that are counted, the commoner first."""
MOST, FEW = 20, 10
"""Bins of a long and of a short run."""
LONG = 1000
"""Sessions of a long one."""
FEWEST = 5
"""Sessions that a bin must expect for its count to be judged."""


@dataclass(frozen=True, eq=False)
class PitHistogram:
    """How often returns fell into each of equally probable parts of their forecast distribution.

    Attributes
    ----------
    counts : ndarray of int, shape (n_bins,)
        Sessions, from the lowest returns to the highest.
    expected, lower, upper : float
        Of a bin where forecasts are right, and the bounds of its 95% band (binomial).
    sessions : int
    pvalue : float
        Of Pearson's test that all parts are equally probable.
    """

    counts: np.ndarray
    expected: float
    lower: float
    upper: float
    sessions: int
    pvalue: float


def pit_histogram(perf: pd.DataFrame, bins: int | None = None) -> PitHistogram:
    """Probability integral transforms of the returns under N(0, predicted variance), counted in equal bins.

    Parameters
    ----------
    perf : DataFrame
    bins : int, optional
        20 for a thousand sessions or more, else 10.

    Raises
    ------
    InsufficientHistoryError
        If the run is too short for its bins: fewer than five sessions in each.

    References
    ----------
    Diebold, Gunther and Tay (1998), Evaluating Density Forecasts, International Economic Review 39.
    """
    transformed = stats.norm.cdf(standardized(perf))
    sessions = len(transformed)
    bins = bins or (MOST if sessions >= LONG else FEW)
    if sessions < FEWEST * bins:
        raise InsufficientHistoryError(
            f"{sessions} sessions with a forecast: {bins} parts of a distribution take {FEWEST * bins}"
        )
    counts = np.histogram(transformed, bins, (0.0, 1.0))[0]
    lower, upper = stats.binom.interval(0.95, sessions, 1 / bins)
    return PitHistogram(
        counts, sessions / bins, float(lower), float(upper), sessions, float(stats.chisquare(counts).pvalue)
    )


def exceedances(perf: pd.DataFrame) -> pd.DataFrame:
    """Each session's return beside its value at risk.

    Returns
    -------
    DataFrame of shape (n_sessions, 5)
        ``returns`` (daily), and for 5% and 1% the ``limit_5%`` that the forecast's normal quantile puts to it and
        whether it was ``beyond_5%``.
    """
    known = held(perf)
    frame = known[["returns"]].copy()
    for tail in TAILS:
        limit = value_at_risk(known["returns"], deannualize(known["predicted_vol"]), tail)
        frame[f"limit_{tail:.0%}"] = limit
        frame[f"beyond_{tail:.0%}"] = known["returns"] < limit
    return frame
