"""Diversification of a portfolio: its diversification ratio and its uncorrelated bets."""

from __future__ import annotations

import numpy as np

from volplugin.errors import ParameterError, VolpluginError

BETS = ("torsion", "principal")

SINGULAR = 1e-10
"""Smallest eigenvalue of a correlation matrix for which it still counts as nonsingular."""

MOST_STEPS = 200


def diversification_ratio(weights: np.ndarray, sigma: np.ndarray, rho: np.ndarray) -> float:
    """Sum of the stand-alone risks of the positions over the portfolio's risk; NaN for a portfolio without risk.

    References
    ----------
    Choueifaty and Coignard (2008), Toward Maximum Diversification, Journal of Portfolio Management 35.
    """
    exposure = weights * sigma
    total = np.sqrt(max(exposure @ rho @ exposure, 0.0))
    return float(np.abs(exposure).sum() / total) if total > 0 else float("nan")


def effective_number(shares: np.ndarray) -> float:
    """Exponential of the entropy of a distribution: n if it is even over n, one if all is in one place."""
    positive = shares[shares > 0]
    return float(np.exp(-(positive @ np.log(positive)))) if len(positive) else float("nan")


def bet_shares(weights: np.ndarray, sigma: np.ndarray, rho: np.ndarray, bets: str = "torsion") -> np.ndarray:
    """Share of each of n uncorrelated bets in a portfolio's variance: not negative, with a sum of one.

    Parameters
    ----------
    weights, sigma : ndarray of shape (n_assets,)
    rho : ndarray of shape (n_assets, n_assets)
    bets : {"torsion", "principal"}, default "torsion"
        The uncorrelated portfolios nearest to the assets themselves, or the principal components of the
        covariance.

    Returns
    -------
    ndarray of shape (n_assets,)
        Zeros for a portfolio without risk.

    Raises
    ------
    ParameterError
        For other bets.
    VolpluginError
        For torsions of a singular correlation, which has fewer bets than assets.

    References
    ----------
    Meucci (2009), Managing Diversification, Risk 22, for principal components; Meucci, Santangelo and Deguest
    (2015), Risk Budgeting and Diversification Based on Optimized Uncorrelated Factors, Risk, for torsions.
    """
    if bets == "torsion":
        loadings = np.linalg.solve(minimum_torsion(rho).T, weights * sigma)
    elif bets == "principal":
        values, vectors = np.linalg.eigh(rho * np.outer(sigma, sigma))
        loadings = np.sqrt(np.maximum(values, 0.0)) * (vectors.T @ weights)
    else:
        raise ParameterError(f"bets is {bets!r}; pass one of {', '.join(BETS)}")
    variance = loadings @ loadings
    return loadings**2 / variance if variance > 0 else np.zeros(len(loadings))


def minimum_torsion(rho: np.ndarray) -> np.ndarray:
    """Matrix t that makes of z, of correlation rho, bets ``t z``: uncorrelated, of variance one, and near the assets.

    Maximises the sum of the squared correlations of each bet with its own asset, which minimises the bets'
    distance to the assets when each may be scaled: rotation and scales in turn, from the symmetric root of rho.
    """
    values, vectors = np.linalg.eigh(rho)
    if values[0] <= SINGULAR:
        raise VolpluginError(
            f"the correlation is singular (smallest eigenvalue {values[0]:.1e}): there is no uncorrelated bet near "
            "each asset; pass bets='principal', or select assets of which none repeats others"
        )
    root = (vectors * np.sqrt(values)) @ vectors.T
    scales, rotation = np.ones(len(rho)), np.eye(len(rho))
    for _ in range(MOST_STEPS):
        left, _, right = np.linalg.svd(scales[:, None] * root)
        rotation = left @ right
        before, scales = scales, np.einsum("ij,ji->i", rotation, root)
        if np.abs(scales - before).max() < 1e-9:
            break
    return rotation @ (vectors / np.sqrt(values)) @ vectors.T
