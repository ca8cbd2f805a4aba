"""Sample correlation over a trailing window."""

from __future__ import annotations

import numpy as np

from volplugin.correlation.moments import PairMoments
from volplugin.correlation.windowed import WindowedCorrelation


class RollingCorrelation(WindowedCorrelation):
    """Equal-weight correlation of the last `window` devolatilised returns.

    Parameters
    ----------
    window : int, default 252
        Sessions.
    """

    def __init__(self, window: int = 252) -> None:
        super().__init__(window)

    def _estimate(self, z: np.ndarray) -> PairMoments:
        return self._moments(z)
