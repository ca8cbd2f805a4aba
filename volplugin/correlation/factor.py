"""Statistical factors over a shrunk residual, for many assets."""

from __future__ import annotations

import numpy as np

from volplugin.correlation.base import WindowedCorrelation
from volplugin.correlation.moments import PairMoments
from volplugin.correlation.repair import spectrum, to_unit_diagonal, typical_observations
from volplugin.errors import ParameterError
from volplugin.units import as_number


class FactorCorrelation(WindowedCorrelation):
    """Principal components plus a residual that is shrunk towards a diagonal.

    Parameters
    ----------
    window : int, default 504
        Sessions.
    halflife : float, optional
        Sessions after which a session counts half; by default all of the window count the same.
    factors : int, optional
        Number of components. By default all whose eigenvalue is above the largest that noise alone
        gives, ``s (1 + sqrt(n_assets / n_sessions))^2`` (Marchenko and Pastur) with ``s`` the variance that the
        first component leaves, and at least one.

    Notes
    -----
    The residual correlations are multiplied by one minus the share of least expected squared error for
    Gaussian returns; see Schafer and Strimmer, target D. Components and residual add up to the sample's diagonal, so
    that the result is PSD by construction, and definite where anything is shrunk. The diagnostics hold both numbers
    as ``chosen``.

    References
    ----------
    Laloux, Cizeau, Bouchaud and Potters (1999), Noise Dressing of Financial Correlation Matrices, on the edge;
    Schafer and Strimmer (2005), A Shrinkage Approach to Large-Scale Covariance Matrix Estimation, on the share.
    """

    def __init__(self, window: int = 504, halflife: float | None = None, factors: int | None = None) -> None:
        super().__init__(window, halflife)
        self.factors = factors

    def shrink_moments(self, moments: PairMoments) -> PairMoments:
        """Shrink the residual correlations that the components leave."""
        if self.factors is not None and not as_number(self.factors) >= 0:
            raise ParameterError(f"factors is {self.factors}; pass a number of components, or None")
        number = typical_observations(moments)
        if number < 2:
            return moments._replace(fallbacks={"factors": "fewer than 2 effective sessions: correlations unshrunk"})
        values, vectors = spectrum(moments)
        count = above_noise(values, number) if self.factors is None else min(self.factors, len(values))
        kept = slice(len(values) - count, None)
        common = (vectors[:, kept] * values[kept]) @ vectors[:, kept].T
        residual = (vectors * values) @ vectors.T - common
        share = residual_shrinkage(residual, number)
        matrix = common + (1 - share) * residual
        np.fill_diagonal(matrix, np.diagonal(common) + np.diagonal(residual))
        return moments._replace(
            correlation=to_unit_diagonal(matrix), estimated_params={"factors": count, "residual_shrinkage": share}
        )


def above_noise(values: np.ndarray, n_sessions: float) -> int:
    """Count eigenvalues of a correlation matrix, ascending, above the edge of noise; at least one.

    The noise has the variance that the first component leaves.
    """
    left = 1 - values[-1] / values.sum()
    edge = left * (1 + np.sqrt(len(values) / n_sessions)) ** 2
    return max(1, int((values > edge).sum()))


def residual_shrinkage(residual: np.ndarray, n_sessions: float) -> float:
    """Share by which the covariances of a residual are best shrunk to zero, between 0 and 1.

    The sampling variance of ``e_ij`` is that of Gaussian returns, ``(e_ii e_jj + e_ij^2) / n``.
    """
    own = np.diagonal(residual)
    squares = (residual**2).sum() - (own**2).sum()
    if squares <= 0:
        return 1.0
    errors = (own.sum() ** 2 - (own**2).sum() + squares) / n_sessions
    return float(min(errors / squares, 1.0))
