"""Moving averages of squared returns, the standard benchmarks."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from volplugin.data.panel import PricePanel
from volplugin.errors import ParameterError
from volplugin.units import is_number
from volplugin.volatility.base import CONTEXT_SESSIONS, State, VolatilityForecaster
from volplugin.volatility.bias_correction import close_to_close_ratio, forward_variance, rescale
from volplugin.volatility.rolling import ew_mean, rolling_mean
from volplugin.volatility.term_structure import FITTED_HORIZONS, interpolate_variance

MINIMUM = 20
"""Least number of returns for a moving average."""

FORGOTTEN = 1e-8
"""Weight, relative to the last session's, below which an exponential average drops a session."""


class RollingVolatility(VolatilityForecaster):
    """Root mean squared log return over a trailing window, the same for every horizon.

    Units: a volatility is a daily standard deviation in decimals; only `annualize` and ``periods=`` change that.
    Timing: `asof` is the last completed session used; the forecast covers the `horizon` sessions after it.

    Parameters
    ----------
    window : int, default 60
        Sessions averaged; an asset needs at least 20 returns, or a whole window if that is shorter.

    Raises
    ------
    ParameterError
        If the window is shorter than 2 sessions.

    References
    ----------
    Figlewski (1997), Forecasting Volatility, Financial Markets, Institutions & Instruments 6, on trailing windows.

    Examples
    --------
    >>> from volplugin import RollingVolatility, simulated_panel
    >>> panel = simulated_panel(3, "2012-01-03", "2014-06-30")
    >>> RollingVolatility(window=60).predict(panel, horizon=21).shape  # no fit needed
    (3,)
    """

    def __init__(self, window: int = 60) -> None:
        self.window = window

    @property
    def lookback(self) -> int:
        """Sessions up to `asof` that a forecast depends on."""
        return self.window + CONTEXT_SESSIONS

    @property
    def requires_fit(self) -> bool:
        """False: no parameter is learned."""
        return False

    def _check_parameters(self) -> None:
        if not isinstance(self.window, int | np.integer) or self.window < 2:
            raise ParameterError(f"window is {self.window!r}; pass at least 2 sessions")

    def _predict_path(self, panel: PricePanel, horizon: int, first: int) -> pd.DataFrame:
        variance = rolling_mean(panel.returns.to_numpy() ** 2, self.window, min(MINIMUM, self.window))
        return self._volatility_frame(positive(variance), panel)


class EWMAVolatility(VolatilityForecaster):
    """Exponentially weighted mean squared log return: RiskMetrics with ``decay=0.94``.

    Units: a volatility is a daily standard deviation in decimals; only `annualize` and ``periods=`` change that.
    Timing: `asof` is the last completed session used; the forecast covers the `horizon` sessions after it.

    Parameters
    ----------
    decay : float, default 0.94
        Weight of a session relative to the session after it, between 0 and 1.
    calibrated : bool, default False
        Multiply the variance of each horizon by a constant estimated from all assets together, so that
        realised over forecast variance averages one on the training data.

    Raises
    ------
    ParameterError
        If the decay lies outside 0 to 1.

    References
    ----------
    J.P. Morgan/Reuters (1996), RiskMetrics Technical Document, 4th ed., section 5.2.

    Examples
    --------
    >>> from volplugin import EWMAVolatility, simulated_panel
    >>> panel = simulated_panel(3, "2012-01-03", "2014-06-30")
    >>> EWMAVolatility().predict(panel, horizon=21).shape  # no fit needed
    (3,)
    >>> model = EWMAVolatility(0.97, calibrated=True).fit(panel.asof("2013-12-31"))
    >>> model.factor_.shape  # one factor per fitted horizon: 1, 5 and 21 sessions
    (3,)
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
        """Whether the variance is calibrated by one factor per fitted horizon."""
        return self.calibrated

    @property
    def _window(self) -> int:
        return math.ceil(math.log(FORGOTTEN) / math.log(self.decay))

    def _check_parameters(self) -> None:
        if not is_number(self.decay) or not 0 < self.decay < 1:
            raise ParameterError(f"decay is {self.decay!r}; pass a number between 0 and 1, such as 0.94")

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
        """Set the factor."""
        if self.calibrated:
            self.factor_ = state["factor"]


def positive(variance: np.ndarray) -> np.ndarray:
    """Bound the variance from below, so that constant prices do not give a forecast of zero."""
    return np.maximum(variance, 1e-10)
