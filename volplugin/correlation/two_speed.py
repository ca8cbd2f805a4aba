"""A slow correlation structure under a fast average correlation."""

from __future__ import annotations

import math

import numpy as np

from volplugin.correlation.base import average
from volplugin.correlation.ewma import HALF_LIVES, EWMACorrelation
from volplugin.errors import ParameterError


class TwoSpeedCorrelation(EWMACorrelation):
    """Slow, shrunk structure whose average is moved to a fast estimate of the average correlation.

    What two assets have in common changes slowly, how much everything moves together changes fast, and
    the risk of a long-only book hangs on the second. With R the slow matrix of average c_s, and c_f the fast
    average, ``R' = (1 - a) R + a 11'`` with ``a = (c_f - c_s) / (1 - c_s)`` where c_f is above c_s, and
    ``R' = (1 - a) R + a I`` with ``a = 1 - c_f / c_s`` where it is below. Both are convex combinations of
    correlation matrices, so that R' is one.

    Parameters
    ----------
    halflife : float, default 252
        Of the structure, in sessions.
    shrinkage : float, default 0.2
        Share of the constant-correlation matrix in the structure.
    fast_halflife : float, default 10
        Of the average correlation, in sessions.

    Notes
    -----
    The fast average is ``EW[((sum z)^2 - sum z^2) / (n (n - 1))] / EW[mean z^2]`` across the assets.
    The view "structure" is the slow matrix alone: the fast average does not help an optimiser.
    """

    def __init__(self, halflife: float = 252, shrinkage: float = 0.2, fast_halflife: float = 10) -> None:
        super().__init__(halflife, shrinkage)
        self.fast_halflife = fast_halflife

    @property
    def lookback(self) -> int:
        """Rows of z that the estimate depends on."""
        if not self.fast_halflife > 0:
            raise ParameterError(f"fast_halflife is {self.fast_halflife}; pass a number of sessions above zero")
        return max(super().lookback, math.ceil(HALF_LIVES * self.fast_halflife))

    def _adjust(self, correlation: np.ndarray, z: np.ndarray) -> np.ndarray:
        slow, fast = average(correlation), fast_average(to_unit_variance(z), self.fast_halflife)
        if len(correlation) < 2 or not np.isfinite(fast) or slow <= 0:
            return correlation
        if fast >= slow:
            share = (min(fast, 1.0) - slow) / (1 - slow) if slow < 1 else 0.0
            return (1 - share) * correlation + share
        share = 1 - max(fast, 0.0) / slow
        return (1 - share) * correlation + share * np.eye(len(correlation))


def to_unit_variance(z: np.ndarray) -> np.ndarray:
    """Scale each asset to mean square one, so that none weighs more for a biased forecast of its volatility."""
    here = np.isfinite(z)
    number = np.maximum(here.sum(axis=0), 1)
    scale = np.sqrt((np.where(here, z, 0.0) ** 2).sum(axis=0) / number)
    return z / np.where(scale > 0, scale, 1.0)


def fast_average(z: np.ndarray, halflife: float) -> float:
    """Average correlation of the recent past, from how much all assets move together.

    Parameters
    ----------
    z : ndarray of shape (n_sessions, n_assets)
        Devolatilised returns, NaN where missing.
    halflife : float
        In sessions.
    """
    number = np.isfinite(z).sum(axis=1)
    usable = number >= 2
    z, number = z[usable], number[usable]
    if len(z) == 0:
        return float("nan")
    squares = np.nansum(z**2, axis=1)
    together = (np.nansum(z, axis=1) ** 2 - squares) / (number * (number - 1))
    weights = 0.5 ** (np.arange(len(z))[::-1] / halflife)
    scale = float(weights @ (squares / number))
    return float(weights @ together) / scale if scale > 0 else float("nan")
