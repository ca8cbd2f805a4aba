"""Correlation matrices of pairwise moments: shrinkage by observations, positive semi-definiteness, unit diagonal."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from volplugin.correlation.moments import PairMoments

SCARCE = 60
"""Observations at which a pair with fewer than the rest gets about half the weight, and the average the other half."""

SMALLEST_EIGENVALUE = 1e-10


class Repaired(NamedTuple):
    """A positive semi-definite correlation matrix, and how much the repair changed."""

    correlation: np.ndarray
    """Symmetric and PSD with a diagonal of ones, of shape (n_assets, n_assets)."""
    change: float
    """Largest absolute change of an entry; 0.0 if the matrix was PSD."""


def average(correlation: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the mean correlation of different assets: 0.0 for fewer than two, NaN entries left out.

    Parameters
    ----------
    correlation : ndarray of shape (n_assets, n_assets)
    weights : ndarray of shape (n_assets, n_assets), optional
        Equal ones if not given, or if all off the diagonal are zero.
    """
    if len(correlation) < 2:
        return 0.0
    total = correlation.sum()
    if np.isfinite(total):
        if weights is None:
            return float((total - np.trace(correlation)) / (correlation.size - len(correlation)))
        weight = weights.sum() - np.trace(weights)
        if weight > 0:
            own = correlation.diagonal() @ weights.diagonal()
            return float((np.vdot(correlation, weights) - own) / weight)
    off = ~np.eye(len(correlation), dtype=bool) & np.isfinite(correlation)
    if not off.any():
        return 0.0
    if weights is None or not weights[off].any():
        return float(correlation[off].mean())
    return float(np.average(correlation[off], weights=weights[off]))


def shrink_to_constant(correlation: np.ndarray, share: float) -> np.ndarray:
    """Mix a share of constant correlation (the average one) into a correlation matrix."""
    mixed = (1 - share) * correlation
    mixed += share * average(correlation)
    np.fill_diagonal(mixed, 1.0)
    return mixed


def shrink_by_observations(moments: PairMoments) -> np.ndarray:
    """Shrink pairs with fewer observations than the largest number towards the average correlation.

    With m the largest number, a pair with n observations gets the weight ``n / (n + SCARCE)`` divided by
    ``m / (m + SCARCE)``, and the average correlation the rest; a pair without observations gets the average.

    Returns
    -------
    ndarray of shape (n_assets, n_assets)
    """
    correlation, observations = moments.correlation, moments.observations
    most = observations.max()
    if most == 0:
        return np.eye(len(correlation))
    if observations.min() == most:
        return correlation
    trust = observations / (observations + SCARCE)
    trust *= (most + SCARCE) / most
    mean = average(correlation, observations)
    # trust * rho + (1 - trust) * mean; unobserved pairs are NaN and have a trust of zero.
    shrunk = correlation - mean
    shrunk[observations == 0] = 0.0
    shrunk *= trust
    shrunk += mean
    np.fill_diagonal(shrunk, 1.0)
    return shrunk


def nearest_correlation(matrix: np.ndarray) -> Repaired:
    """Clip negative eigenvalues and restore the unit diagonal, if the matrix is not positive semi-definite."""
    symmetric = (matrix + matrix.T) / 2
    np.fill_diagonal(symmetric, 1.0)
    if is_positive_definite(symmetric):
        return Repaired(symmetric, 0.0)
    values, vectors = np.linalg.eigh(symmetric)
    if values[0] >= 0:
        return Repaired(symmetric, 0.0)
    repaired = to_unit_diagonal((vectors * np.maximum(values, SMALLEST_EIGENVALUE)) @ vectors.T)
    return Repaired(repaired, float(np.abs(repaired - symmetric).max()))


def is_positive_definite(matrix: np.ndarray) -> bool:
    """Return whether a symmetric matrix has a Cholesky factor, which is several times faster than eigenvalues."""
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True


def to_unit_diagonal(covariance: np.ndarray) -> np.ndarray:
    """Return the correlation matrix of a covariance matrix; an asset without variance has correlations of zero."""
    scale = np.sqrt(np.diagonal(covariance))
    scale = np.where(scale > 0, scale, 1.0)
    correlation = covariance / np.outer(scale, scale)
    correlation = (correlation + correlation.T) / 2
    np.fill_diagonal(correlation, 1.0)
    return correlation


def complete(moments: PairMoments) -> np.ndarray:
    """Return the estimated correlations, with the average for pairs without observations; not necessarily PSD."""
    known = np.isfinite(moments.correlation)
    mean = average(moments.correlation, moments.observations)
    filled = np.where(known, moments.correlation, mean)
    np.fill_diagonal(filled, 1.0)
    return (filled + filled.T) / 2


def spectrum(moments: PairMoments) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues, ascending and clipped at zero, and eigenvectors of the completed correlations."""
    values, vectors = np.linalg.eigh(complete(moments))
    return np.maximum(values, 0.0), vectors


def typical_observations(moments: PairMoments) -> float:
    """Return the median effective sample size of the observed pairs; 0.0 if there is none."""
    seen = moments.observations[moments.observations > 0]
    return float(np.median(seen)) if seen.size else 0.0
