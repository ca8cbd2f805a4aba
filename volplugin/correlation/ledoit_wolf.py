"""Shrinkage to constant correlation by as much as the data ask for."""

from __future__ import annotations

import numpy as np

from volplugin.correlation.base import WindowedCorrelation
from volplugin.correlation.moments import PairMoments, joint_weights, session_weights, to_unit_variance
from volplugin.correlation.repair import shrink_to_constant


class LedoitWolfCorrelation(WindowedCorrelation):
    """Sample correlation shrunk to the constant one with the intensity of least expected squared error.

    Parameters
    ----------
    window : int, default 504
        Sessions.
    halflife : float, optional
        Sessions after which a session counts half; by default all of the window count the same.

    Notes
    -----
    Each asset is scaled to mean square one, so that the variances that Ledoit and Wolf leave alone are ones. The
    sampling error of a pair is taken over the sessions it was seen; pairs seen less than half as often as
    the most seen, which are shrunk further, do not enter the intensity. The diagnostics hold it as ``chosen``.

    References
    ----------
    Ledoit and Wolf (2004), Honey, I Shrunk the Sample Covariance Matrix, appendix B.
    """

    def _estimate(self, z: np.ndarray) -> PairMoments:
        moments = self._moments(z)
        share = shrinkage_intensity(z, session_weights(len(z), self.halflife), moments)
        return moments._replace(
            correlation=shrink_to_constant(moments.correlation, share), estimated_params={"shrinkage": share}
        )


def shrinkage_intensity(z: np.ndarray, weights: np.ndarray, moments: PairMoments) -> float:
    """Share of the constant-correlation matrix that minimises the expected squared error, between 0 and 1.

    Parameters
    ----------
    z : ndarray of shape (n_sessions, n_assets)
        NaN where missing.
    weights : ndarray of shape (n_sessions,)
    moments : PairMoments
        Of z under these weights.
    """
    number = moments.observations
    counted = (number > 0) & (number >= number.max() / 2) & ~np.eye(len(number), dtype=bool)
    if not counted.any():
        return 0.0
    mean = float(moments.correlation[counted].mean())
    variance, covariance = _sampling_moments(z, weights)
    error = ((variance - mean * covariance) / np.where(counted, number, 1.0))[counted].sum()
    distance = ((moments.correlation - mean)[counted] ** 2).sum()
    return float(np.clip(error / distance, 0.0, 1.0)) if distance > 0 else 1.0


def _sampling_moments(z: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Asymptotic variance of each s_ij (pi of the paper), and its covariance with s_ii (theta)."""
    here = np.isfinite(z)
    known = np.where(here, to_unit_variance(z, weights), 0.0)
    total = joint_weights(here, weights)
    total = np.where(total > 0, total, 1.0)
    weighted = weights[:, None] * known
    first = weighted.T @ known / total
    variance = (weighted * known).T @ known**2 / total - first**2
    covariance = known.T**3 @ weighted / total - first
    return variance, covariance
