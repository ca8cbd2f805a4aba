"""The interface of every correlation estimator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from volplugin.correlation.moments import PairMoments, session_weights, weighted_moments
from volplugin.correlation.repair import SMALLEST_EIGENVALUE, average, nearest_correlation, shrink_by_observations
from volplugin.errors import ParameterError

VIEWS = ("risk", "structure", "targeting")


class CorrelationEstimator(BaseEstimator, ABC):
    """Estimates the correlation of devolatilised returns, z = r / sigma.

    An estimator is one class with ``lookback`` and ``_estimate``. Nothing is learned between calls: the
    matrix is a function of the last `lookback` rows. Assets may have missing rows; they are never
    filled: each pair uses the sessions that it has in common.
    """

    @property
    @abstractmethod
    def lookback(self) -> int:
        """Rows of z that the estimate depends on."""

    @abstractmethod
    def _estimate(self, z: np.ndarray) -> PairMoments:
        """Pairwise moments of z, an array of shape (n_sessions, n_assets) with NaN where missing."""

    def _adjust(self, correlation: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        """Move the matrix towards what matters for total risk, by default not at all; say what was chosen."""
        return correlation, {}

    def _adjust_for_targeting(self, correlation: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        """Move the matrix towards what matters for the leverage of a portfolio, by default as for total risk."""
        return self._adjust(correlation, z)

    def estimate(self, z: pd.DataFrame, view: str = "risk") -> pd.DataFrame:
        """Correlation matrix of the columns of z: PSD, unit diagonal, labelled."""
        return self.diagnose(z, view)[0]

    def diagnose(self, z: pd.DataFrame, view: str = "risk") -> tuple[pd.DataFrame, dict[str, Any]]:
        """Correlation matrix, and how it came about.

        Parameters
        ----------
        z : DataFrame of shape (n_sessions, n_assets)
            Devolatilised returns, NaN where missing.
        view : {"risk", "structure", "targeting"}, default "risk"
            For total risk, for an optimiser, or for the leverage that holds a target; the same for most estimators.

        Returns
        -------
        correlation : DataFrame of shape (n_assets, n_assets)
        diagnostics : dict
            ``condition_number``; ``psd_repair``, the largest change any entry needed;
            ``average_correlation``; ``observations``, effective ones of the least known pair; ``scarce``,
            those of each asset seen less than half as much as the most seen; ``chosen``, what the
            estimator took from the data, by name; ``fallbacks``, what it did in place of what it could not do.
        """
        if view not in VIEWS:
            raise ParameterError(f"view is {view!r}; pass one of {', '.join(VIEWS)}")
        # In one memory order: that of pandas' results varies, and with it the last bit of sums.
        known = np.ascontiguousarray(z.tail(self.lookback).to_numpy(dtype=float))
        moments = self._estimate(known)
        matrix, estimated_params = shrink_by_observations(moments), dict(moments.estimated_params)
        if view != "structure":
            adjust = self._adjust if view == "risk" else self._adjust_for_targeting
            matrix, moved = adjust(matrix, known)
            estimated_params |= moved
        matrix, repair, eigenvalues = nearest_correlation(matrix)
        metadata = {
            "condition_number": float(eigenvalues[-1] / max(eigenvalues[0], SMALLEST_EIGENVALUE)),
            "psd_repair": repair,
            "average_correlation": average(matrix),
            "observations": float(moments.observations.min()),
            "scarce": _low_observations(moments.observations, z.columns),
            "chosen": estimated_params,
            "fallbacks": dict(moments.fallbacks),
        }
        return pd.DataFrame(matrix, index=z.columns, columns=z.columns), metadata


def _low_observations(observations: np.ndarray, assets: pd.Index) -> dict[Any, float]:
    own = np.diagonal(observations)
    return {assets[place]: float(own[place]) for place in np.flatnonzero(own < own.max() / 2)}


class WindowedCorrelation(CorrelationEstimator):
    """Base of estimators over the last `window` sessions, weighted equally or exponentially.

    Parameters
    ----------
    window : int, default 504
        Sessions.
    halflife : float, optional
        Sessions after which a session counts half; by default all of the window count the same.
    """

    def __init__(self, window: int = 504, halflife: float | None = None) -> None:
        self.window = window
        self.halflife = halflife

    @property
    def lookback(self) -> int:
        """Rows of z that the estimate depends on."""
        if not self.window >= 2:
            raise ParameterError(f"window is {self.window}; pass at least 2 sessions")
        if self.halflife is not None and not self.halflife > 0:
            raise ParameterError(f"halflife is {self.halflife}; pass a number of sessions above zero, or None")
        return self.window

    def _moments(self, z: np.ndarray) -> PairMoments:
        """Plain pairwise moments under the weights of the window."""
        return weighted_moments(z, session_weights(len(z), self.halflife))
