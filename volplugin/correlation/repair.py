"""From what the data say of pairs to a correlation matrix: scarce pairs shrunk, PSD, unit diagonal."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from volplugin.correlation.moments import PairMoments

SCARCE = 60
"""Observations at which a pair seen less than the rest is trusted half, the other half being the average."""

SMALLEST_EIGENVALUE = 1e-10


class Repaired(NamedTuple):
    """A correlation matrix in order, and what it took."""

    correlation: np.ndarray
    """Symmetric and PSD with a diagonal of ones, of shape (n_assets, n_assets)."""
    change: float
    """Largest absolute change of an entry; 0.0 if nothing was wrong."""
    eigenvalues: np.ndarray
    """Those of the result, ascending."""


def average(correlation: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Mean correlation of different assets, 0.0 for fewer than two."""
    if len(correlation) < 2:
        return 0.0
    if weights is None and np.isfinite(correlation).all():
        return float((correlation.sum() - np.trace(correlation)) / (correlation.size - len(correlation)))
    off = ~np.eye(len(correlation), dtype=bool) & np.isfinite(correlation)
    if not off.any():
        return 0.0
    if weights is None or not weights[off].any():
        return float(correlation[off].mean())
    return float(np.average(correlation[off], weights=weights[off]))


def shrink_to_constant(correlation: np.ndarray, share: float) -> np.ndarray:
    """Mix a share of constant correlation (the average one) into a correlation matrix."""
    mixed = (1 - share) * correlation + share * average(correlation)
    np.fill_diagonal(mixed, 1.0)
    return mixed


def shrink_by_observations(moments: PairMoments) -> np.ndarray:
    """Pull pairs with fewer observations than the fullest towards the average correlation.

    A pair with n observations keeps ``n / (n + SCARCE)`` of its own estimate relative to the fullest pair,
    which keeps all of it; a pair never seen gets the average.
    """
    correlation, observations = moments.correlation, moments.observations
    fullest = observations.max()
    if fullest == 0:
        return np.eye(len(correlation))
    if observations.min() == fullest:
        return correlation
    trust = observations / (observations + SCARCE) * (fullest + SCARCE) / fullest
    mean = average(correlation, observations)
    shrunk = np.where(observations > 0, trust * np.nan_to_num(correlation) + (1 - trust) * mean, mean)
    np.fill_diagonal(shrunk, 1.0)
    return shrunk


def nearest_correlation(matrix: np.ndarray) -> Repaired:
    """Clip negative eigenvalues and restore the unit diagonal, only where that is needed."""
    symmetric = (matrix + matrix.T) / 2
    np.fill_diagonal(symmetric, 1.0)
    eigenvalues = np.linalg.eigvalsh(symmetric)
    if eigenvalues[0] >= 0:
        return Repaired(symmetric, 0.0, eigenvalues)
    values, vectors = np.linalg.eigh(symmetric)
    repaired = to_unit_diagonal((vectors * np.maximum(values, SMALLEST_EIGENVALUE)) @ vectors.T)
    return Repaired(repaired, float(np.abs(repaired - symmetric).max()), np.linalg.eigvalsh(repaired))


def to_unit_diagonal(covariance: np.ndarray) -> np.ndarray:
    """Correlation matrix of a covariance matrix; what does not vary is correlated with nothing."""
    scale = np.sqrt(np.diagonal(covariance))
    scale = np.where(scale > 0, scale, 1.0)
    correlation = covariance / np.outer(scale, scale)
    correlation = (correlation + correlation.T) / 2
    np.fill_diagonal(correlation, 1.0)
    return correlation


def complete(moments: PairMoments) -> np.ndarray:
    """Correlations as the data say, pairs never seen taken to be average ones; not necessarily PSD."""
    known = np.isfinite(moments.correlation)
    mean = average(moments.correlation, moments.observations)
    filled = np.where(known, moments.correlation, mean)
    np.fill_diagonal(filled, 1.0)
    return (filled + filled.T) / 2


def spectrum(moments: PairMoments) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, ascending and not negative, and eigenvectors of the completed correlations."""
    values, vectors = np.linalg.eigh(complete(moments))
    return np.maximum(values, 0.0), vectors


def typical_observations(moments: PairMoments) -> float:
    """Effective observations of the median pair among those seen, 0.0 if none was."""
    seen = moments.observations[moments.observations > 0]
    return float(np.median(seen)) if seen.size else 0.0
