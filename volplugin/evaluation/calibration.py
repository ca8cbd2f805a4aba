"""Is the level of a risk forecast right? Statistics of returns divided by their forecast volatility."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from scipy import stats

from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation.losses import qlike

Frame = TypeVar("Frame", pd.Series, pd.DataFrame)


@dataclass(frozen=True)
class BiasStatistic:
    """Standard deviation of standardised returns: 1 is right, above 1 risk was under-predicted.

    `lower` and `upper` bound it with 95% (or `level`) probability where the forecasts are right and
    standardised returns are Gaussian; fat tails make the true band wider.
    """

    value: float
    lower: float
    upper: float
    sessions: int

    @property
    def within(self) -> bool:
        """Whether the statistic lies in its band."""
        return self.lower <= self.value <= self.upper


def bias_statistic(standardized: pd.Series, level: float = 0.95, sessions: int | None = None) -> BiasStatistic:
    """Return the standard deviation of ``r / sigma`` with its chi-square band.

    Parameters
    ----------
    standardized : Series or ndarray
        Daily returns divided by the volatility that was forecast for them; NaN is left out.
    level : float, default 0.95
        Probability of the band.
    sessions : int, optional
        Independent sessions behind the band, where a session counts more than once.

    References
    ----------
    Menchero, Orr and Wang (2011), The Barra US Equity Model (USE4), Methodology Notes; the band here
    is the exact one of a Gaussian sample.
    """
    z = np.asarray(standardized, dtype=float)
    z = z[np.isfinite(z)]
    if len(z) < 2:
        raise InsufficientHistoryError("a bias statistic needs two standardised returns or more")
    n = len(z) if sessions is None else sessions
    lower, upper = sampling_band(n, level)
    return BiasStatistic(float(z.std(ddof=1)), lower, upper, n)


def sampling_band(sessions: int, level: float = 0.95) -> tuple[float, float]:
    """Bounds of the standard deviation of `sessions` independent standard normal numbers."""
    if sessions < 2 or not 0 < level < 1:
        raise ParameterError(f"no band for {sessions} sessions at level {level}")
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    lower, upper = np.sqrt(stats.chi2.ppf(tails, sessions - 1) / (sessions - 1))
    return float(lower), float(upper)


def rolling_bias(standardized: Frame, window: int) -> Frame:
    """Bias statistic of the last `window` standardised returns, labelled with the last of them."""
    return standardized.rolling(window, min_periods=window).std()


def mrad(standardized: pd.Series, window: int = 21) -> float:
    """Mean rolling absolute deviation: how far the bias statistic of `window` sessions is from 1.

    With right forecasts 0.126 for Gaussian returns over 21 sessions, about 0.17 for Student-t(6).

    References
    ----------
    Menchero, Orr and Wang (2011), The Barra US Equity Model (USE4), Methodology Notes.
    """
    return float((rolling_bias(standardized, window) - 1).abs().mean())


def q_statistic(returns: pd.Series, volatility: pd.Series) -> float:
    """Mean of ``z^2 - ln z^2``: one more than the mean QLIKE, 2.27 where forecasts are right."""
    return float(qlike(returns**2, volatility**2).mean()) + 1
