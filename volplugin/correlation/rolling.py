"""Sample correlation over a trailing window."""

from __future__ import annotations

import numpy as np

from volplugin.correlation.base import CorrelationEstimator, PairMoments, weighted_moments
from volplugin.errors import ParameterError


class RollingCorrelation(CorrelationEstimator):
    """Equal-weight correlation of the last `window` devolatilised returns.

    Parameters
    ----------
    window : int, default 252
        Sessions.
    """

    def __init__(self, window: int = 252) -> None:
        self.window = window

    @property
    def lookback(self) -> int:
        """Rows of z that the estimate depends on."""
        if self.window < 2:
            raise ParameterError(f"window is {self.window}; pass at least 2 sessions")
        return self.window

    def _estimate(self, z: np.ndarray) -> PairMoments:
        return weighted_moments(z, np.ones(len(z)))
