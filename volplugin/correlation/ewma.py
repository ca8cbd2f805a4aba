"""Exponentially weighted correlation."""

from __future__ import annotations

import math

from volplugin.correlation.base import MomentsCorrelation, WindowedCorrelation
from volplugin.correlation.moments import PairMoments
from volplugin.correlation.repair import shrink_to_constant
from volplugin.errors import ParameterError
from volplugin.units import as_number

HALF_LIVES = 6
"""Half-lives in the look-back: weights fall to a sixty-fourth at its end, and are zero beyond."""


class EWMACorrelation(MomentsCorrelation):
    """Exponentially weighted correlation of standardized returns, optionally shrunk to a constant one.

    Parameters
    ----------
    halflife : float, default 126
        Sessions after which a session counts half.
    shrinkage : float, default 0.0
        Share of the constant-correlation matrix (the average correlation everywhere) mixed in.

    References
    ----------
    Johansson, Ogut, Pelger, Schmelzer and Boyd (2023), A Simple Method for Predicting Covariance Matrices of
    Financial Returns, on estimating volatility and correlation at two speeds; Ledoit and Wolf (2004),
    Honey, I Shrunk the Sample Covariance Matrix, for the constant-correlation target.

    Raises
    ------
    ParameterError
        At the first estimate, if the half-life is not positive or `shrinkage` is outside 0 to 1.

    Examples
    --------
    >>> from volplugin import EWMACorrelation
    >>> EWMACorrelation(halflife=126, shrinkage=0.2).lookback
    756
    """

    _stacked = True

    def __init__(self, halflife: float = 126, shrinkage: float = 0.0) -> None:
        self.halflife = halflife
        self.shrinkage = shrinkage

    @property
    def lookback(self) -> int:
        """Rows of z that the estimate depends on."""
        if not 0 < as_number(self.halflife) < math.inf:
            raise ParameterError(f"halflife is {self.halflife}; pass a number of sessions above zero")
        return math.ceil(HALF_LIVES * self.halflife)

    @property
    def _halflife(self) -> float:
        return self.halflife

    def shrink_moments(self, moments: PairMoments) -> PairMoments:
        """Mix in the constant-correlation matrix."""
        if not 0 <= as_number(self.shrinkage) <= 1:
            raise ParameterError(f"shrinkage is {self.shrinkage}; pass a share between 0 and 1")
        if self.shrinkage == 0:
            return moments
        return moments._replace(correlation=shrink_to_constant(moments.correlation, self.shrinkage))


class RollingCorrelation(WindowedCorrelation):
    """Equal-weight correlation of the last `window` standardized returns.

    Parameters
    ----------
    window : int, default 252
        Sessions.

    Examples
    --------
    >>> from volplugin import RollingCorrelation
    >>> RollingCorrelation(window=126).lookback
    126
    """

    _stacked = True

    def __init__(self, window: int = 252) -> None:
        super().__init__(window)
