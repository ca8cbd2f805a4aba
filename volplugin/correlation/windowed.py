"""What estimators over a trailing window share."""

from __future__ import annotations

import numpy as np

from volplugin.correlation.base import CorrelationEstimator
from volplugin.correlation.moments import PairMoments, session_weights, weighted_moments
from volplugin.errors import ParameterError


class WindowedCorrelation(CorrelationEstimator):
    """Base of estimators over the last `window` sessions, weighted equally or exponentially.

    Parameters
    ----------
    window : int, default 504
        Sessions.
    halflife : float, optional
        Sessions after which a session counts half; by default all of the window count the same.
    """

    def __init__(self, window: int = 504, halflife: float | None = None) -> None:
        self.window = window
        self.halflife = halflife

    @property
    def lookback(self) -> int:
        """Rows of z that the estimate depends on."""
        if not self.window >= 2:
            raise ParameterError(f"window is {self.window}; pass at least 2 sessions")
        if self.halflife is not None and not self.halflife > 0:
            raise ParameterError(f"halflife is {self.halflife}; pass a number of sessions above zero, or None")
        return self.window

    def _moments(self, z: np.ndarray) -> PairMoments:
        """Plain pairwise moments under the weights of the window."""
        return weighted_moments(z, session_weights(len(z), self.halflife))
