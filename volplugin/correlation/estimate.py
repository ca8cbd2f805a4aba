"""A correlation estimate: the matrix and the numbers behind its diagnostics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from volplugin.correlation.moments import PairMoments
from volplugin.correlation.repair import SMALLEST_EIGENVALUE, average


class CorrelationEstimate(NamedTuple):
    """A correlation matrix and the numbers behind its diagnostics; or a stack, with a first axis of rows."""

    correlation: np.ndarray
    """Shape (n_assets, n_assets); positive semi-definite, with a diagonal of ones."""
    repair: Any
    """Largest change of an entry that made the matrix positive semi-definite; 0.0 if none was needed."""
    moments: PairMoments
    estimated_params: dict[str, Any]

    def at(self, place: int) -> CorrelationEstimate:
        """Return one row of a stack."""
        params = {name: float(values[place]) for name, values in self.estimated_params.items()}
        return CorrelationEstimate(self.correlation[place], self.repair[place], self.moments.at(place), params)

    def diagnostics(self, assets: pd.Index) -> dict[str, Any]:
        """Return the diagnostics that `CorrelationEstimator.diagnose` documents."""
        eigenvalues = np.linalg.eigvalsh(self.correlation)
        return {
            "condition_number": float(eigenvalues[-1] / max(eigenvalues[0], SMALLEST_EIGENVALUE)),
            "psd_repair": float(self.repair),
            "average_correlation": average(self.correlation),
            "observations": float(self.moments.observations.min()),
            "scarce": _low_observations(self.moments.observations, assets),
            "chosen": dict(self.estimated_params),
            "fallbacks": dict(self.moments.fallbacks),
        }


class WindowEstimator(Protocol):
    """The part of a correlation estimator that estimates successive windows of one array."""

    @property
    def lookback(self) -> int:
        """Rows of a window."""

    def estimate_window(self, window: np.ndarray, view: str) -> CorrelationEstimate:
        """Estimate from one window."""

    def shrink_moments(self, moments: PairMoments) -> PairMoments:
        """Shrink pairwise moments."""

    def finish(
        self, moments: PairMoments, adjust: Callable[[np.ndarray], tuple[np.ndarray, dict[str, Any]]]
    ) -> CorrelationEstimate:
        """Adjust and repair a matrix."""

    def adjust(self, correlation: np.ndarray, z: np.ndarray, view: str) -> tuple[np.ndarray, dict[str, Any]]:
        """Adjust a matrix for a view."""


def _low_observations(observations: np.ndarray, assets: pd.Index) -> dict[Any, float]:
    own = np.diagonal(observations)
    return {assets[place]: float(own[place]) for place in np.flatnonzero(own < own.max() / 2)}
