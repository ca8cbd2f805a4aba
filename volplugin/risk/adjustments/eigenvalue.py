"""Eigenvalues of an estimated correlation are too extreme; how much so is found by estimating it anew, simulated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from volplugin.correlation.base import VIEWS
from volplugin.correlation.repair import SMALLEST_EIGENVALUE, to_unit_diagonal
from volplugin.errors import ParameterError
from volplugin.risk.adjustments.base import AdjustedForecast, CovarianceAdjustment
from volplugin.risk.adjustments.forecast_history import PastForecasts
from volplugin.units import as_number


class EigenvalueAdjustment(CovarianceAdjustment):
    """Raises the risk of the portfolios that look safest, which an optimiser would seek out.

    The estimate is taken as the true matrix, and Gaussian returns are drawn from it, as many sessions as the
    estimator uses, with the gaps of the real returns. Estimated from these, the variance of each eigenportfolio is
    compared with its true one, on average over the simulations; the estimate's own eigenvalues are then changed by
    that ratio. An estimator that shrinks its eigenvalues enough by itself is left nearly as it is. Rescaled to a
    diagonal of ones the correlation stays one, and the change of the diagonal goes to the volatilities.

    Parameters
    ----------
    simulations : int, default 50
    strength : float, default 1.0
        Multiplies the deviation of each eigenportfolio's volatility ratio from one; USE4 takes 1.4, for returns
        with fat tails.
    views : sequence of {"risk", "structure"}, default ("structure",)
        Forecasts that it is applied to.
    seed : int, default 0
        Of the simulated returns, so that the same forecast comes out twice.

    References
    ----------
    Menchero, Wang and Orr (2011), Eigen-Adjusted Covariance Matrices, MSCI Research Insight; Menchero, Orr and Wang
    (2011), The Barra US Equity Model (USE4), Methodology Notes, on the optimization bias adjustment.
    """

    def __init__(
        self, simulations: int = 50, strength: float = 1.0, views: Sequence[str] = ("structure",), seed: int = 0
    ) -> None:
        self.simulations = simulations
        self.strength = strength
        self.views = views
        self.seed = seed

    @property
    def lookback(self) -> int:
        """Sessions up to `asof` whose forecasts and returns it depends on: no more than the correlation does."""
        return 0

    def apply(self, draft: AdjustedForecast, past: PastForecasts) -> AdjustedForecast:
        """Return the draft with adjusted correlations, in the views that it is for."""
        if not as_number(self.simulations) >= 1:
            raise ParameterError(f"simulations is {self.simulations}; pass a whole number of them above zero")
        if not 0 <= as_number(self.strength) < np.inf:
            raise ParameterError(f"strength is {self.strength}; pass a number not below zero, such as 1")
        if not isinstance(self.views, tuple | list | set) or not all(view in VIEWS for view in self.views):
            given = ", ".join(map(str, self.views)) if isinstance(self.views, tuple | list | set) else self.views
            raise ParameterError(f"views are {given}; pass some of {', '.join(VIEWS)}")
        if draft.view not in self.views:
            return draft
        names = draft.volatility.index
        rho = draft.correlation.to_numpy()
        eigenvalues, vectors = np.linalg.eigh(rho)
        eigenvalues = np.maximum(eigenvalues, SMALLEST_EIGENVALUE)
        root = _pointed(vectors) * np.sqrt(eigenvalues)
        ratio = self._ratio(rho, root, past.z[names].tail(past.correlation.lookback), past, draft.view)
        factors = np.maximum(1 + self.strength * (ratio - 1), 0.0)
        adjusted = (vectors * (eigenvalues * factors**2)) @ vectors.T
        scale = np.sqrt(np.diagonal(adjusted))
        metadata = {
            "smallest": float(factors.min()),
            "largest": float(factors.max()),
            "volatility": float(scale.mean()),
        }
        rho = pd.DataFrame(to_unit_diagonal(adjusted), index=names, columns=names)
        return draft.adjusted(self, metadata, volatility=draft.volatility * scale, correlation=rho)

    def _ratio(self, rho: np.ndarray, root: np.ndarray, z: pd.DataFrame, past: PastForecasts, view: str) -> np.ndarray:
        """Root mean true over estimated variance of the simulated eigenportfolios, from the safest to the riskiest."""
        random, gaps = np.random.default_rng(self.seed), z.isna().to_numpy()
        total = np.zeros(len(rho))
        for _ in range(self.simulations):
            drawn = np.where(gaps, np.nan, random.standard_normal(z.shape) @ root.T)
            estimate = past.correlation.estimate(pd.DataFrame(drawn, columns=z.columns), view).to_numpy()
            eigenvalues, vectors = np.linalg.eigh(estimate)
            total += np.einsum("ij,ij->j", vectors, rho @ vectors) / np.maximum(eigenvalues, SMALLEST_EIGENVALUE)
        return np.sqrt(total / self.simulations)


def _pointed(vectors: np.ndarray) -> np.ndarray:
    """Eigenvectors whose largest entry is positive, so that draws do not depend on the order of the assets."""
    largest = np.abs(vectors).argmax(axis=0)
    return vectors * np.sign(vectors[largest, np.arange(len(vectors))])
