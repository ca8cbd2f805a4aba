"""Portfolios that a covariance forecast is evaluated on: plain, optimised and random ones, many origins at once.

Arrays are of shape (n_origins, n_assets, n_assets) for covariances and (n_origins, n_assets) for which assets take
part; an asset that does not has a covariance of one with itself and zero with the others, and weighs nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from volplugin.errors import AllocationError, ParameterError

EQUAL, INVERSE, MINIMUM, LONG_MINIMUM, PARITY = (
    "equal weight",
    "inverse volatility",
    "minimum variance",
    "long-only minimum variance",
    "risk parity",
)
SINGLE = (EQUAL, INVERSE, MINIMUM, LONG_MINIMUM, PARITY)
"""Portfolios of one kind; all but the first depend on the forecast itself."""
RANDOM_LONG, RANDOM_SHORT = "random long-only", "random long-short"
FAMILIES = (*SINGLE, RANDOM_LONG, RANDOM_SHORT)

SWEEPS = 200
"""Most passes of a solver over all assets; it has converged long before."""


class TestPortfolios:
    """Portfolios by family, the random ones drawn once: the same for every model and origin.

    Parameters
    ----------
    assets : int
        Number of assets.
    random : int, default 60
        Long-only portfolios (Dirichlet, all parameters one), and as many dollar-neutral ones (normal).
    seed : int, default 0

    Attributes
    ----------
    families : Index of shape (n_portfolios,)
        Family of each portfolio.

    Raises
    ------
    ParameterError
        If `random` is negative.
    """

    __test__ = False  # not a test case, whatever its name makes pytest think

    def __init__(self, assets: int, random: int = 60, seed: int = 0) -> None:
        if random < 0:
            raise ParameterError(f"random is {random}; pass a number of portfolios from 0 on")
        generator = np.random.default_rng(seed)
        self._long = generator.dirichlet(np.ones(assets), random)
        self._short = generator.standard_normal((random, assets))
        self.families = pd.Index([*SINGLE, *[RANDOM_LONG] * random, *[RANDOM_SHORT] * random])

    def weights(self, covariance: np.ndarray, here: np.ndarray) -> np.ndarray:
        """Weights of every portfolio at every origin, of shape (n_origins, n_portfolios, n_assets).

        Random portfolios are cut to the assets that take part, made dollar-neutral and brought to a gross
        exposure of one again; the others are fully invested.
        """
        mask = here[:, None, :].astype(float)
        long = self._long * mask
        short = self._short * mask
        short = short - mask * short.sum(axis=2, keepdims=True) / mask.sum(axis=2, keepdims=True)
        drawn = [part / np.abs(part).sum(axis=2, keepdims=True) for part in (long, short)]
        single = [
            equal_weights(here),
            inverse_volatilities(covariance, here),
            minimum_variances(covariance, here),
            long_only_minimum_variances(covariance, here),
            risk_parities(covariance, here),
        ]
        return np.concatenate([np.stack(single, axis=1), *drawn], axis=1)


def equal_weights(here: np.ndarray) -> np.ndarray:
    """Each asset alike."""
    return here / here.sum(axis=1, keepdims=True)


def inverse_volatilities(covariance: np.ndarray, here: np.ndarray) -> np.ndarray:
    """In inverse proportion to the forecast volatility."""
    return _invested(here / np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)))


def minimum_variances(covariance: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Fully invested portfolio of least variance, with short sales: ``inv(Sigma) 1`` scaled to a sum of one."""
    return _invested(np.linalg.solve(covariance, here.astype(float)[:, :, None])[:, :, 0])


def long_only_minimum_variances(covariance: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Fully invested portfolio of least variance without short sales.

    It is ``argmin x' Sigma x / 2 - 1' x`` over ``x >= 0``, scaled to a sum of one, and solved exactly by
    exchanging all assets whose sign is wrong at once; where that does not reduce their number three times running,
    the last one alone, which ends for certain.

    References
    ----------
    Kim and Park (2011), Fast Nonnegative Matrix Factorization: An Active-Set-Like Method, SIAM Journal on
    Scientific Computing 33, algorithm 1.
    """
    held, fewest = here.copy(), np.full(len(here), here.shape[1] + 1)
    patience = np.full(len(here), 3)
    last = np.arange(here.shape[1])
    for _ in range(SWEEPS):
        x = _solve_held(covariance, held)
        slope = np.einsum("tij,tj->ti", covariance, x) - 1
        wrong = here & np.where(held, x < 0, slope < -1e-9)
        count = wrong.sum(axis=1)
        if not count.any():
            return _invested(x)
        better = count < fewest
        patience = np.where(better, 3, patience - 1)
        fewest = np.minimum(count, fewest)
        final = np.where(wrong, last, -1).max(axis=1, keepdims=True)
        held ^= np.where((patience < 0)[:, None], wrong & (last == final), wrong)
    raise AllocationError("no long-only minimum-variance portfolio: the solver did not converge")


def risk_parities(covariance: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Long-only portfolio to whose variance each asset contributes the same.

    ``argmin x' rho x / 2 - mean ln x`` by cyclical coordinate descent, each coordinate in closed form, over the
    volatilities.

    References
    ----------
    Griveau-Billion, Richard and Roncalli (2013), A Fast Algorithm for Computing High-Dimensional Risk Parity
    Portfolios, eq. 5.
    """
    sigma = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    rho = covariance / (sigma[:, :, None] * sigma[:, None, :])
    budget = 1 / here.sum(axis=1)
    x = here * np.sqrt(budget)[:, None]
    for _ in range(SWEEPS):
        before = x.copy()
        for i in range(x.shape[1]):
            others = np.einsum("tj,tj->t", rho[:, i], x) - x[:, i]
            x[:, i] = here[:, i] * (np.sqrt(others**2 + 4 * budget) - others) / 2
        if np.abs(x - before).max() < 1e-12:
            return _invested(x / sigma)
    raise AllocationError("no risk-parity portfolio: the solver did not converge")


def _solve_held(covariance: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Solve ``Sigma x = 1`` on the assets held, zero elsewhere."""
    both = held[:, :, None] & held[:, None, :]
    reduced = np.where(both, covariance, 0.0)
    diagonal = np.arange(held.shape[1])
    reduced[:, diagonal, diagonal] = np.where(held, reduced[:, diagonal, diagonal], 1.0)
    return np.linalg.solve(reduced, held.astype(float)[:, :, None])[:, :, 0]


def _invested(weights: np.ndarray) -> np.ndarray:
    return weights / weights.sum(axis=1, keepdims=True)
