"""Daily returns over the forecast that stands, renewed every `horizon` sessions: one series a phase.

A forecast of 21 sessions renewed every 21 sessions can be renewed on any of 21 days. A single one of these phases
is a matter of luck; here every origin belongs to exactly one phase, and no phase is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from volplugin.errors import ParameterError


@dataclass(frozen=True, eq=False)
class Standing:
    """Returns and the forecasts that stood over them.

    Attributes
    ----------
    returns : ndarray of shape (n_sessions, n_series)
        Daily returns of the sessions after the first origin.
    volatility : ndarray of shape (n_phases, n_sessions, n_series)
        Daily volatility that stood over each of them; NaN where none did.
    """

    returns: np.ndarray
    volatility: np.ndarray

    @property
    def standardized(self) -> np.ndarray:
        """Returns over the volatility that stood, phases x sessions x series."""
        return self.returns / self.volatility


def stand(volatility: pd.DataFrame, returns: pd.DataFrame, horizon: int) -> Standing:
    """Lay forecasts over the returns of the `horizon` sessions after each.

    Parameters
    ----------
    volatility : DataFrame of shape (n_origins, n_series)
        Daily volatility by origin; consecutive sessions. NaN where nothing is to be judged.
    returns : DataFrame of shape (n_sessions, n_series)
        Daily returns, with every origin among the sessions, or the first of them directly before.
    horizon : int
        Sessions that each forecast covers.

    Raises
    ------
    ParameterError
        If the origins are not consecutive sessions.
    """
    sessions = returns.index.union(volatility.index)
    begin, count = sessions.get_loc(volatility.index[0]), len(volatility)
    if not sessions[begin : begin + count].equals(volatility.index):
        raise ParameterError("the origins are not consecutive sessions; pass a row for each, NaN without a forecast")
    after = returns.reindex(index=sessions[begin + 1 : begin + count + horizon], columns=volatility.columns)
    place = np.arange(len(after))
    stood = np.full((horizon, *after.shape), np.nan)
    values = volatility.to_numpy()
    for phase in range(horizon):
        origin = phase + horizon * ((place - phase) // horizon)
        there = (origin >= phase) & (origin < count)
        stood[phase, there] = values[origin[there]]
    return Standing(after.to_numpy(), stood)


def over_phases(pvalues: Sequence[float]) -> float:
    """Join the p-values of the same test on each phase: twice their median.

    A p-value whatever the dependence among the phases, hence a cautious one; of a single phase its own.

    References
    ----------
    Meinshausen, Meier and Bühlmann (2009), P-Values for High-Dimensional Regression, Journal of the
    American Statistical Association 104, theorem 3.1.
    """
    known = np.asarray(pvalues, dtype=float)
    known = known[np.isfinite(known)]
    if len(known) == 0:
        return float("nan")
    return float(known[0]) if len(known) == 1 else float(min(1.0, 2 * np.median(known)))
