"""Splits of a portfolio's volatility: by statistical factors, and of its change by causes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any

import numpy as np


def factor_loadings(sigma: np.ndarray, rho: np.ndarray, market: np.ndarray, components: int) -> np.ndarray:
    """Return loadings on the market portfolio and on principal components of the correlation that it leaves.

    Parameters
    ----------
    sigma : ndarray of shape (n_assets,)
        Daily volatilities.
    rho : ndarray of shape (n_assets, n_assets)
    market : ndarray of shape (n_assets,)
        Weights of the market portfolio, which has risk.
    components : int

    Returns
    -------
    ndarray of shape (n_assets, 1 + components)
        Daily; factors have variance one. The largest loading of a component is positive.

    References
    ----------
    Connor and Korajczyk (1988), Risk and Return in an Equilibrium APT, Journal of Financial Economics 21.
    """
    exposure = rho @ (sigma * market)
    # In units of each asset's volatility: loading on the market, then principal components of the rest.
    common = exposure / np.sqrt((sigma * market) @ exposure)
    values, vectors = np.linalg.eigh(rho - np.outer(common, common))
    values, vectors = values[::-1][:components], vectors[:, ::-1][:, :components]
    largest = np.abs(vectors).argmax(axis=0)
    signs = np.sign(vectors[largest, np.arange(components)])
    rest = vectors * signs * np.sqrt(np.maximum(values, 0.0))
    return np.asarray(sigma[:, None] * np.column_stack([common, rest]))


def shapley_parts(measure: Callable[..., float], before: Sequence[Any], after: Sequence[Any]) -> np.ndarray:
    """Split the change of a measure over its arguments: the mean effect of each, over all orders of change.

    Parameters
    ----------
    measure : callable
        Of as many arguments as `before` and `after` have.
    before, after : sequence
        Arguments before and after.

    Returns
    -------
    ndarray of shape (n_arguments,)
        Sums to ``measure(*after) - measure(*before)``.
    """
    parts = np.zeros(len(before))
    orders = list(permutations(range(len(before))))
    for order in orders:
        now, value = list(before), measure(*before)
        for place in order:
            now[place] = after[place]
            changed = measure(*now)
            parts[place] += changed - value
            value = changed
    return parts / len(orders)
