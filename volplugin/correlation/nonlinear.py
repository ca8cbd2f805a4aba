"""Analytical nonlinear shrinkage of the eigenvalues."""

from __future__ import annotations

import numpy as np

from volplugin.correlation.base import WindowedCorrelation
from volplugin.correlation.moments import PairMoments
from volplugin.correlation.repair import spectrum, to_unit_diagonal, typical_observations

FEWEST = 12
"""Observations that the formula needs."""

FAR = 50.0
"""Bandwidths beyond which the kernel's Hilbert transform is its series: the closed form would cancel."""

ROOT5 = np.sqrt(5.0)


class NonlinearShrinkageCorrelation(WindowedCorrelation):
    """Sample eigenvectors under eigenvalues shrunk each by its own amount.

    Parameters
    ----------
    window : int, default 504
        Sessions.
    halflife : float, optional
        Sessions after which a session counts half; by default all of the window count the same. The formula
        is then given the effective number of sessions (Kish), an approximation.

    Notes
    -----
    With unequal histories the eigenvalues come from the pairwise matrix, with the average for pairs never seen
    together, and the sample size is the median pair's; pairs seen less are then shrunk to the average.

    References
    ----------
    Ledoit and Wolf (2020), Analytical Nonlinear Shrinkage of Large-Dimensional Covariance Matrices, Annals of
    Statistics 48(5), equations 4.3, 4.7 to 4.9 and, for more assets than sessions, C.4, C.5 and C.8.
    """

    def shrink_moments(self, moments: PairMoments) -> PairMoments:
        """Shrink the eigenvalues of the pairwise matrix."""
        number = int(typical_observations(moments))
        if number < FEWEST:
            reason = f"{number} effective sessions are too few: correlations unshrunk"
            return moments._replace(fallbacks={"nonlinear shrinkage": reason})
        values, vectors = spectrum(moments)
        shrunk = to_unit_diagonal((vectors * shrink_eigenvalues(values, number)) @ vectors.T)
        return moments._replace(correlation=shrunk)


def shrink_eigenvalues(values: np.ndarray, n_sessions: int) -> np.ndarray:
    """Eigenvalues that the sample's should have been, of the same shape and order.

    Parameters
    ----------
    values : ndarray of shape (n_assets,)
        Ascending eigenvalues of a sample covariance matrix.
    n_sessions : int
        Sample size, at least `FEWEST`.
    """
    n_assets = len(values)
    spare = max(0, n_assets - n_sessions)
    # Eigenvalues that are zero by rank are shrunk apart; any others are kept away from zero.
    values = np.maximum(values[spare:], 1e-8 * values[-1])
    ratio, bandwidth = n_assets / n_sessions, n_sessions ** (-1 / 3)
    width = bandwidth * values
    distance = (values[:, None] - values) / width
    density = (epanechnikov(distance) / width).mean(axis=1)
    transform = (epanechnikov_hilbert(distance) / width).mean(axis=1)
    if spare == 0:
        real = 1 - ratio - np.pi * ratio * values * transform
        return values / ((np.pi * ratio * values * density) ** 2 + real**2)
    shrunk = 1 / (np.pi**2 * values * (density**2 + transform**2))
    at_zero = (1 / values).mean() * epanechnikov_hilbert(np.array(-1 / bandwidth)) / bandwidth
    return np.concatenate([np.full(spare, 1 / (np.pi * spare / n_sessions * at_zero)), shrunk])


def epanechnikov(x: np.ndarray) -> np.ndarray:
    """Epanechnikov's density of variance one."""
    return 3 / (4 * ROOT5) * np.maximum(1 - x**2 / 5, 0.0)


def epanechnikov_hilbert(x: np.ndarray) -> np.ndarray:
    """Hilbert transform of `epanechnikov`, the principal value of ``integral k(t) / (t - x) dt / pi``."""
    far = np.abs(x) > FAR
    near = np.where(far | (np.abs(x) == ROOT5), 0.0, x)
    edge = 3 / (4 * ROOT5) * (1 - near**2 / 5) * np.log(np.abs((ROOT5 - near) / (ROOT5 + near)))
    inverse = 1 / np.where(far, x, np.inf)
    # The density's even moments are 1, 15 / 7, 125 / 21.
    series = -inverse * (1 + inverse**2 * (1 + inverse**2 * (15 / 7 + inverse**2 * 125 / 21)))
    return np.where(far, series, -0.3 * x + edge) / np.pi
