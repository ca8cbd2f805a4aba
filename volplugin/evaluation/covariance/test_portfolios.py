"""Portfolios that a covariance forecast is evaluated on: plain, optimised and random ones, many origins at once.

Arrays are of shape (n_origins, n_assets, n_assets) for covariances and (n_origins, n_assets) for which assets take
part; an asset that does not has a covariance of one with itself and zero with the others, and weighs nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from volplugin.errors import ParameterError
from volplugin.portfolio.solvers import minimum_variance_weights, risk_parity_weights

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
    """Fully invested portfolio of least variance without short sales (`minimum_variance_weights`)."""
    weights = np.zeros(here.shape)
    for row, own in enumerate(here):
        weights[row, own] = minimum_variance_weights(covariance[row][np.ix_(own, own)])
    return weights


def risk_parities(covariance: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Long-only portfolio to whose variance each asset contributes the same (`risk_parity_weights`)."""
    return risk_parity_weights(covariance, here.astype(float))


def _invested(weights: np.ndarray) -> np.ndarray:
    return weights / weights.sum(axis=1, keepdims=True)
