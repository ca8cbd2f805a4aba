"""Moving averages of squared returns: the benchmarks everybody knows."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from volplugin.data.panel import PricePanel
from volplugin.errors import ParameterError
from volplugin.volatility.base import CONTEXT_SESSIONS, State, VolatilityForecaster
from volplugin.volatility.bias_correction import close_to_close_ratio, forward_variance, rescale
from volplugin.volatility.rolling import ew_mean, rolling_mean
from volplugin.volatility.term_structure import FITTED_HORIZONS, interpolate_variance

MINIMUM = 20
"""Returns an asset needs for a moving average."""

FORGOTTEN = 1e-8
"""Weight, relative to today's, at which an exponential average forgets a session."""


class RollingVolatility(VolatilityForecaster):
    """Root mean squared log return over a trailing window, the same for every horizon.

    Parameters
    ----------
    window : int, default 60
        Sessions averaged; an asset needs at least 20 returns, or the window if that is shorter.
    """

    def __init__(self, window: int = 60) -> None:
        self.window = window

    @property
    def lookback(self) -> int:
        """Sessions up to `asof` that a forecast depends on."""
        return self.window + CONTEXT_SESSIONS

    @property
    def requires_fit(self) -> bool:
        """Nothing is learned."""
        return False

    def _check_parameters(self) -> None:
        if self.window < 2:
            raise ParameterError(f"window is {self.window}; pass at least 2 sessions")

    def _predict_path(self, panel: PricePanel, horizon: int, first: int) -> pd.DataFrame:
        variance = rolling_mean(panel.returns.to_numpy() ** 2, self.window, min(MINIMUM, self.window))
        return self._volatility_frame(positive(variance), panel)


class EWMAVolatility(VolatilityForecaster):
    """Exponentially weighted mean squared log return: RiskMetrics with ``decay=0.94``.

    Parameters
    ----------
    decay : float, default 0.94
        Weight of a session relative to the one after it.
    calibrated : bool, default False
        Multiply the variance of each horizon by a constant learned from all assets together, so that
        realised over forecast variance averages one on the training data.

    References
    ----------
    J.P. Morgan/Reuters (1996), RiskMetrics Technical Document, 4th ed., section 5.2.
    """

    def __init__(self, decay: float = 0.94, calibrated: bool = False) -> None:
        self.decay = decay
        self.calibrated = calibrated

    @property
    def lookback(self) -> int:
        """Sessions up to `asof` that a forecast depends on."""
        return self._window + CONTEXT_SESSIONS

    @property
    def requires_fit(self) -> bool:
        """Only the calibrated variant learns, one factor a horizon."""
        return self.calibrated

    @property
    def _window(self) -> int:
        return math.ceil(math.log(FORGOTTEN) / math.log(self.decay))

    def _check_parameters(self) -> None:
        if not 0 < self.decay < 1:
            raise ParameterError(f"decay is {self.decay}; pass a number between 0 and 1, such as 0.94")

    def _fit(self, panel: PricePanel) -> None:
        if self.calibrated:
            target = forward_variance(panel, FITTED_HORIZONS, close_to_close_ratio(panel))
            self.factor_ = rescale(target, self._variance(panel)[..., None])

    def _predict_path(self, panel: PricePanel, horizon: int, first: int) -> pd.DataFrame:
        variance = self._variance(panel)
        if self.calibrated:
            variance = interpolate_variance(variance[..., None] * self.factor_, FITTED_HORIZONS, horizon)
        return self._volatility_frame(variance, panel)

    def _variance(self, panel: PricePanel) -> np.ndarray:
        return positive(ew_mean(panel.returns.to_numpy() ** 2, self.decay, self._window, MINIMUM))

    def get_state(self) -> State:
        """Return the factor by horizon, if calibrated."""
        return {"factor": self.factor_} if self.calibrated else {}

    def set_state(self, state: State) -> None:
        """Take the factor back."""
        if self.calibrated:
            self.factor_ = state["factor"]


def positive(variance: np.ndarray) -> np.ndarray:
    """Prices that never moved have no forecast of zero: the smallest variance that can be told apart."""
    return np.maximum(variance, 1e-10)
