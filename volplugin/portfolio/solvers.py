"""Solvers of the allocations, on arrays: covariance matrix in, fully invested weights out."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from volplugin.errors import AllocationError

SINGULAR = 1e-12
"""Smallest eigenvalue of a correlation matrix, relative to the largest, that is inverted."""

SWEEPS = 2000
"""Largest number of passes of the coordinate descent over all assets."""

CONVERGED = 1e-11
"""Largest relative change of a weight in the last pass."""


def minimum_variance_weights(covariance: np.ndarray, long_only: bool = True) -> np.ndarray:
    """Return the fully invested weights of least variance.

    Parameters
    ----------
    covariance : ndarray of shape (n_assets, n_assets)
    long_only : bool, default True
        No weight below zero.

    Returns
    -------
    ndarray of shape (n_assets,)

    Raises
    ------
    AllocationError
        If the correlation is singular and `long_only` is False, or the active-set method does not converge.

    Notes
    -----
    With short sales the solution is ``inv(Sigma) 1``, scaled to a sum of one (Merton 1972). Long-only it minimises
    ``|A w|^2 + (1'w - 1)^2`` over w >= 0, with ``A'A = Sigma``: at the solution ``Sigma w`` is the same wherever w is
    positive, and no smaller elsewhere. The active-set method of Lawson and Hanson ends at it exactly.
    """
    sigma = np.sqrt(np.diagonal(covariance))
    relative = sigma / sigma.mean()  # tolerances then mean the same in every market
    rho = covariance / np.outer(sigma, sigma)
    eigenvalues, vectors = np.linalg.eigh(rho)
    if not long_only:
        if eigenvalues[0] <= SINGULAR * eigenvalues[-1]:
            raise AllocationError("the correlation is singular; pass long_only=True, or shrink it")
        weights = np.linalg.solve(rho, 1 / relative) / relative
        return np.asarray(weights / weights.sum())
    root = (np.sqrt(np.maximum(eigenvalues, 0.0)) * vectors).T * relative
    try:
        solution, _ = nnls(np.vstack([root, np.ones(len(root))]), np.append(np.zeros(len(root)), 1.0))
    except RuntimeError as error:
        raise AllocationError(f"{error}; pass fewer assets") from error
    return np.asarray(solution / solution.sum())


def risk_parity_weights(covariance: np.ndarray, budgets: np.ndarray | None = None) -> np.ndarray:
    """Return the long-only weights to whose variance each asset contributes its budget.

    Parameters
    ----------
    covariance : ndarray of shape (..., n_assets, n_assets)
        One matrix, or a stack of them.
    budgets : ndarray of shape (..., n_assets), optional
        Shares of the risk, at any scale; the same for all assets by default. An asset with a budget of zero, and no
        covariance with the others, gets a weight of zero.

    Returns
    -------
    ndarray of shape (..., n_assets)

    Raises
    ------
    AllocationError
        If the coordinate descent does not converge.

    Notes
    -----
    ``min x' rho x / 2 - budgets' ln x`` by cyclical coordinate descent, each coordinate in closed form; the minimum,
    divided by the volatilities, is the portfolio.

    References
    ----------
    Spinu (2013), An Algorithm for Computing Risk Parity Weights, eq. 10; Griveau-Billion, Richard and Roncalli (2013),
    A Fast Algorithm for Computing High-Dimensional Risk Parity Portfolios, eq. 5.
    """
    stack = covariance.reshape(-1, *covariance.shape[-2:])
    sigma = np.sqrt(np.diagonal(stack, axis1=1, axis2=2))
    rho = stack / (sigma[:, :, None] * sigma[:, None, :])
    wanted = np.ones(covariance.shape[:-1]) if budgets is None else np.broadcast_to(budgets, covariance.shape[:-1])
    share = (wanted / wanted.sum(axis=-1, keepdims=True)).reshape(sigma.shape)
    x = np.sqrt(share)
    for _ in range(SWEEPS):
        before = x.copy()
        for i in range(x.shape[1]):
            others = np.einsum("tj,tj->t", rho[:, i], x) - x[:, i]
            root = np.sqrt(others**2 + 4 * share[:, i])
            # The positive root of x^2 + others x = share, in the form that does not cancel.
            x[:, i] = np.where(others > 0, 2 * share[:, i] / np.maximum(others + root, 1e-300), (root - others) / 2)
        if (np.abs(x - before) <= CONVERGED * x).all():
            weights = x / sigma
            return np.asarray((weights / weights.sum(axis=1, keepdims=True)).reshape(covariance.shape[:-1]))
    raise AllocationError(f"the risk contributions did not converge in {SWEEPS} passes")
