"""Correlation matrices of pairwise moments: shrinkage by observations, positive semi-definiteness, unit diagonal."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import eigh
from scipy.linalg.blas import dtrsm
from scipy.linalg.lapack import dpotrf

from volplugin.correlation.moments import PairMoments

SCARCE = 60
"""Observations at which a pair with fewer than the rest gets about half the weight, and the average the other half."""

SMALLEST_EIGENVALUE = 1e-10


class Repaired(NamedTuple):
    """A positive semi-definite correlation matrix, and how much the repair changed."""

    correlation: np.ndarray
    """Symmetric and PSD with a diagonal of ones, of shape (n_assets, n_assets)."""
    change: Any
    """Largest absolute change of an entry; 0.0 if the matrix was PSD."""


def average(correlation: np.ndarray, weights: np.ndarray | None = None) -> Any:
    """Return the mean correlation of different assets: 0.0 for fewer than two, NaN entries left out.

    Parameters
    ----------
    correlation : ndarray of shape (n_assets, n_assets) or (n_rows, n_assets, n_assets)
    weights : ndarray of the same shape, optional
        Equal ones if not given, or if all off the diagonal are zero.

    Returns
    -------
    float, or ndarray of shape (n_rows,)
    """
    size = correlation.shape[-1]
    if size < 2:
        return 0.0 if correlation.ndim == 2 else np.zeros(len(correlation))
    mean = np.asarray(_off_diagonal_sum(correlation) / (size * (size - 1)) if weights is None else np.nan)
    if not np.isfinite(mean).all():
        known = np.isfinite(correlation)
        _set_diagonal(known, False)
        given = known if weights is None else np.where(known, weights, 0.0)
        given = np.where(_sum(given)[..., None, None] > 0, given, known)
        found = _sum(np.where(known, correlation, 0.0) * given) / np.maximum(_sum(given), np.finfo(float).tiny)
        mean = np.where(np.isfinite(mean), mean, found)
    return mean if correlation.ndim > 2 else float(mean)


def _off_diagonal_sum(matrices: np.ndarray) -> Any:
    return _sum(matrices) - np.einsum("...ii->...", matrices)


def _sum(matrices: np.ndarray) -> Any:
    """Sum the entries of each matrix, in an order that does not depend on the others of the stack."""
    return matrices.reshape(*matrices.shape[:-2], -1).sum(axis=-1)


def _set_diagonal(matrices: np.ndarray, value: float) -> None:
    np.einsum("...ii->...i", matrices)[...] = value


def shrink_to_constant(correlation: np.ndarray, share: float) -> np.ndarray:
    """Mix a share of constant correlation (the average one) into a correlation matrix, or each of a stack, in place."""
    mean = np.asarray(average(correlation))
    return _mix(correlation, share, share * mean)


def _mix(correlation: np.ndarray, share: Any, constant: Any) -> np.ndarray:
    """Replace a share of the correlations by a constant, in place."""
    correlation *= 1 - np.asarray(share)[..., None, None]
    correlation += np.asarray(constant)[..., None, None]
    _set_diagonal(correlation, 1.0)
    return correlation


def move_average(correlation: np.ndarray, wanted: Any) -> np.ndarray:
    """Mix a correlation matrix with all ones or with the identity, so that its average is the wanted one, in place.

    Parameters
    ----------
    correlation : ndarray of shape (n_assets, n_assets) or (n_rows, n_assets, n_assets)
    wanted : float, or ndarray of shape (n_rows,)
        The matrix is unchanged where it is NaN.
    """
    slow, wanted = np.asarray(average(correlation)), np.asarray(wanted)
    with np.errstate(invalid="ignore", divide="ignore"):
        up = np.where(slow < 1, (np.minimum(wanted, 1.0) - slow) / (1 - slow), 0.0)
        share = np.where(wanted >= slow, up, 1 - np.maximum(wanted, 0.0) / slow)
    share = np.where(np.isfinite(wanted) & (slow > 0), share, 0.0)
    return _mix(correlation, share, np.where(wanted >= slow, share, 0.0))


def shrink_by_observations(moments: PairMoments) -> np.ndarray:
    """Shrink pairs with fewer observations than the largest number towards the average correlation.

    With m the largest number, a pair with n observations gets the weight ``n / (n + SCARCE)`` divided by
    ``m / (m + SCARCE)``, and the average correlation the rest; a pair without observations gets the average.

    Returns
    -------
    ndarray of the moments' shape
    """
    correlation, observations = moments.correlation, moments.observations
    most = np.maximum(observations.max(axis=(-2, -1), keepdims=True), np.finfo(float).eps)
    fewer = observations < most
    short = np.einsum("...ii->...i", fewer)
    # Without these assets, every pair of every matrix of the stack has the most observations.
    short = short | (fewer & ~short[..., None, :]).any(axis=-1)
    size = short.shape[-1]
    short = np.flatnonzero(short.reshape(-1, size).any(axis=0))
    if not len(short):
        return correlation.copy()
    lack, rows = most - observations.take(short, -2), correlation.take(short, -2)
    unseen, own = lack == most, (..., np.arange(len(short)), short)
    rows[unseen] = 0.0  # not NaN
    shrunk = correlation.copy()
    shrunk[..., short, :], shrunk[..., short] = rows, rows.swapaxes(-2, -1)
    # The weighted mean over all pairs, less the missing weight: of a pair in one of these rows, the column has it too.
    weights = 2 * lack
    weights[..., short] = lack[..., short]
    weights[own] = 0.0
    total = most[..., 0, 0] * _off_diagonal_sum(shrunk) - _sum(weights * rows)
    count = most[..., 0, 0] * (size * (size - 1)) - _sum(weights)
    mean = np.where(count > 0, total / np.where(count > 0, count, 1.0), 0.0)[..., None, None]
    # One less the relative weight, in a form that is exactly zero for the pairs with the most observations.
    share = lack * (SCARCE / most) / (most - lack + SCARCE)
    rows += share * (mean - rows)
    rows[own] = np.where(lack[own] > 0, 1.0, rows[own])
    shrunk[..., short, :], shrunk[..., short] = rows, rows.swapaxes(-2, -1)
    return shrunk


def nearest_correlation(matrix: np.ndarray, observations: np.ndarray | None = None) -> Repaired:
    """Make a matrix positive semi-definite with a diagonal of ones, where it is not.

    Pairwise correlations of assets without a gap come from one table, and so are PSD; assets with fewer observations
    contradict them. With A the block of the assets that have the most observations, C the block of the others, and B
    between them, the matrix is PSD if A and ``S = C - B' inv(A) B`` are: negative eigenvalues of S are clipped, so
    that A stays as it is. Without observations, or if A fails too, eigenvalues of the whole matrix are clipped.

    Parameters
    ----------
    matrix : ndarray of shape (n_assets, n_assets) or (n_rows, n_assets, n_assets)
        A single one may be symmetric up to rounding; a stack is of symmetric matrices, and is overwritten.
    observations : ndarray of the same shape, optional
        Effective number of joint observations.

    Returns
    -------
    Repaired
        Of a stack, the changes are an array of shape (n_rows,).
    """
    if matrix.ndim == 2:
        symmetric = (matrix + matrix.T)[None] / 2
        stack = nearest_correlation(symmetric, None if observations is None else observations[None])
        return Repaired(stack.correlation[0], float(stack.change[0]))
    changes = np.zeros(len(matrix))
    _set_diagonal(matrix, 1.0)
    if len(matrix) == 1 or not is_positive_definite(matrix):
        for row, one in enumerate(matrix):
            own = np.zeros(len(one)) if observations is None else np.diagonal(observations[row])
            # Running sums of observations and sums over a window differ in the last bits.
            changes[row] = _repair(one, own < (1 - 1e-9) * own.max())
    return Repaired(matrix, changes)


def _repair(matrix: np.ndarray, has_gaps: np.ndarray) -> float:
    """Repair a matrix in place by the assets with gaps, or by all; return the largest change, 0.0 if it is PD."""
    long, short = np.flatnonzero(~has_gaps), np.flatnonzero(has_gaps)
    # LAPACK is column-major: the transposes are overwritten where they lie.
    factor, failed = dpotrf(matrix.take(long, 0).take(long, 1).T, lower=True, clean=False, overwrite_a=True)
    if failed:
        long, short, factor = long[:0], np.arange(len(matrix)), np.empty((0, 0))
    elif not len(short):
        return 0.0
    before = matrix.take(short, 0)
    explained = dtrsm(1.0, factor, before.take(long, 1).T, lower=True, overwrite_b=True).T
    corner = before.take(short, 1)
    # Only the eigenvalues to raise, and their vectors: a third of the time of all of them.
    covariance = corner - explained @ explained.T
    values, vectors = eigh(covariance, subset_by_value=(-np.inf, SMALLEST_EIGENVALUE), driver="evr")
    if not (values < 0).any():
        return 0.0
    added = (vectors * (SMALLEST_EIGENVALUE - values)) @ vectors.T
    scale = 1 / np.sqrt(1 + np.diagonal(added))
    rows = before * scale[:, None]
    rows[:, short] = (corner + (added + added.T) / 2) * np.outer(scale, scale)
    rows[np.arange(len(short)), short] = 1.0
    matrix[short], matrix[:, short] = rows, rows.T
    return float(np.abs(rows - before).max())


def is_positive_definite(matrix: np.ndarray) -> bool:
    """Return whether a symmetric matrix, or each of a stack, has a Cholesky factor: faster than eigenvalues."""
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
