"""The interface of every correlation estimator, and the repair that they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from volplugin.errors import ParameterError

SCARCE = 60
"""Observations at which a pair seen less than the rest is trusted half, the other half being the average."""

SMALLEST_EIGENVALUE = 1e-10

VIEWS = ("risk", "structure")


class PairMoments(NamedTuple):
    """What the data say of each pair, each of shape (n_assets, n_assets)."""

    correlation: np.ndarray
    """NaN where a pair was never seen together."""
    observations: np.ndarray
    """Effective number of joint observations (Kish)."""


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

    def _adjust(self, correlation: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Move a finished correlation matrix towards what matters for total risk; by default not at all."""
        return correlation

    def estimate(self, z: pd.DataFrame, view: str = "risk") -> pd.DataFrame:
        """Correlation matrix of the columns of z: PSD, unit diagonal, labelled."""
        return self.diagnose(z, view)[0]

    def diagnose(self, z: pd.DataFrame, view: str = "risk") -> tuple[pd.DataFrame, dict[str, Any]]:
        """Correlation matrix, and how it came about.

        Parameters
        ----------
        z : DataFrame of shape (n_sessions, n_assets)
            Devolatilised returns, NaN where missing.
        view : {"risk", "structure"}, default "risk"
            For total risk, or for an optimiser; the same for most estimators.

        Returns
        -------
        correlation : DataFrame of shape (n_assets, n_assets)
        diagnostics : dict
            ``condition_number``; ``psd_repair``, the largest change any entry needed;
            ``average_correlation``; ``observations``, effective ones of the least known pair.
        """
        if view not in VIEWS:
            raise ParameterError(f"view is {view!r}; pass one of {', '.join(VIEWS)}")
        # In one memory order: that of pandas' results varies, and with it the last bit of sums.
        known = np.ascontiguousarray(z.tail(self.lookback).to_numpy(dtype=float))
        moments = self._estimate(known)
        matrix, repair = nearest_correlation(shrink_scarce(moments))
        if view == "risk":
            matrix = self._adjust(matrix, known)
        eigenvalues = np.linalg.eigvalsh(matrix)
        facts = {
            "condition_number": float(eigenvalues[-1] / max(eigenvalues[0], SMALLEST_EIGENVALUE)),
            "psd_repair": repair,
            "average_correlation": average(matrix),
            "observations": float(moments.observations.min()),
        }
        return pd.DataFrame(matrix, index=z.columns, columns=z.columns), facts


def weighted_moments(z: np.ndarray, weights: np.ndarray) -> PairMoments:
    """Pairwise-complete weighted correlation about zero (devolatilised returns have no drift to speak of).

    Parameters
    ----------
    z : ndarray of shape (n_sessions, n_assets)
        NaN where missing.
    weights : ndarray of shape (n_sessions,)
        Nonnegative weight of each session.
    """
    here = np.isfinite(z).astype(float)
    known = np.where(here > 0, z, 0.0)
    weighted = weights[:, None]
    products = known.T @ (weighted * known)
    squares = (weighted * known**2).T @ here
    scale = np.sqrt(squares * squares.T)
    total, total_squared = here.T @ (weighted * here), here.T @ (weighted**2 * here)
    seen = (scale > 0) & (total_squared > 0)
    correlation = np.where(seen, products / np.where(seen, scale, 1.0), np.nan)
    observations = np.where(seen, total**2 / np.where(total_squared > 0, total_squared, 1.0), 0.0)
    return PairMoments(np.clip(correlation, -1.0, 1.0), observations)


def shrink_scarce(moments: PairMoments) -> np.ndarray:
    """Pull pairs with fewer observations than the fullest towards the average correlation.

    A pair with n observations keeps ``n / (n + SCARCE)`` of its own estimate relative to the fullest pair,
    which keeps all of it; a pair never seen gets the average.
    """
    correlation, observations = moments
    fullest = observations.max()
    if fullest == 0:
        return np.eye(len(correlation))
    trust = observations / (observations + SCARCE) * (fullest + SCARCE) / fullest
    mean = average(correlation, observations)
    shrunk = np.where(observations > 0, trust * np.nan_to_num(correlation) + (1 - trust) * mean, mean)
    np.fill_diagonal(shrunk, 1.0)
    return shrunk


def average(correlation: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Mean correlation of different assets, 0.0 for fewer than two."""
    off = ~np.eye(len(correlation), dtype=bool) & np.isfinite(correlation)
    if not off.any():
        return 0.0
    if weights is None or not weights[off].any():
        return float(correlation[off].mean())
    return float(np.average(correlation[off], weights=weights[off]))


def towards_constant(correlation: np.ndarray, share: float) -> np.ndarray:
    """Mix a share of constant correlation (the average one) into a correlation matrix."""
    constant = np.full_like(correlation, average(correlation))
    np.fill_diagonal(constant, 1.0)
    return (1 - share) * correlation + share * constant


def nearest_correlation(matrix: np.ndarray) -> tuple[np.ndarray, float]:
    """Clip negative eigenvalues and restore the unit diagonal, only where that is needed.

    Returns
    -------
    correlation : ndarray of shape (n_assets, n_assets)
        Symmetric and PSD, with a diagonal of ones.
    repair : float
        Largest absolute change of an entry; 0.0 if nothing was wrong.
    """
    symmetric = (matrix + matrix.T) / 2
    np.fill_diagonal(symmetric, 1.0)
    values, vectors = np.linalg.eigh(symmetric)
    if values[0] >= 0:
        return symmetric, 0.0
    clipped = (vectors * np.maximum(values, SMALLEST_EIGENVALUE)) @ vectors.T
    scale = np.sqrt(np.diagonal(clipped))
    repaired = clipped / np.outer(scale, scale)
    repaired = (repaired + repaired.T) / 2
    np.fill_diagonal(repaired, 1.0)
    return repaired, float(np.abs(repaired - symmetric).max())
