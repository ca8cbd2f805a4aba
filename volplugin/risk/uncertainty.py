"""How far a forecast of portfolio volatility may be from the one that more data would give.

Three sources, as standard deviations of the logarithm of the volatility: the seeds of the network, the vintages (the
training sample), and the estimation error of the correlation. The realised volatility varies more, by chance and by
the path of volatility: its interval is `CovarianceForecast.realized_interval`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import stats

from volplugin.errors import ParameterError
from volplugin.units import is_number

KURTOSIS_FACTOR = 1.5
"""Variance of correlations under Student-t(8) over the Gaussian one: one more than a third of the excess kurtosis."""
EARLIER_VINTAGES = 2


@dataclass(frozen=True, eq=False)
class ForecastUncertainty:
    """Other forecasts of the same sessions, and the observations behind the correlation.

    Attributes
    ----------
    seeds, vintages : DataFrame of shape (n_forecasts, n_assets)
        Daily volatility by each seed of the vintage, and by the vintage and the ones before it; empty where the model
        has no seeds or one vintage.
    observations : float
        Effective number of sessions behind the average correlation; infinite for a known correlation.
    """

    seeds: pd.DataFrame = field(default_factory=pd.DataFrame)
    vintages: pd.DataFrame = field(default_factory=pd.DataFrame)
    observations: float = math.inf

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ForecastUncertainty)
            and self.seeds.equals(other.seeds)
            and self.vintages.equals(other.vintages)
            and self.observations == other.observations
        )

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class VolatilityInterval:
    """Interval of a portfolio's forecast volatility, and the logarithmic standard deviation of each source."""

    lower: float
    upper: float
    volatility: float
    seeds: float
    vintages: float
    correlation: float


def volatility_interval(
    known: ForecastUncertainty, assets: pd.Index, w: np.ndarray, sigma: np.ndarray, rho: np.ndarray, level: float
) -> VolatilityInterval:
    """Return the interval of the daily volatility of weights `w`; see `CovarianceForecast.volatility_interval`."""
    _, upper = central_tails(level)
    x = w * sigma
    volatility = math.sqrt(max(float(x @ rho @ x), 0.0))
    # The forecast averages the seeds, and uses one vintage.
    seeds = _spread(known.seeds, assets, w, rho) / math.sqrt(max(1, len(known.seeds)))
    vintages = _spread(known.vintages, assets, w, rho)
    correlation = correlation_error(x, rho, known.observations)
    width = float(stats.norm.ppf(upper)) * math.hypot(seeds, vintages, correlation)
    return VolatilityInterval(
        volatility * math.exp(-width), volatility * math.exp(width), volatility, seeds, vintages, correlation
    )


def central_tails(level: float) -> tuple[float, float]:
    """Return the probabilities of the bounds of a central interval, such as 0.05 and 0.95 of 0.9."""
    if not is_number(level) or not 0 < level < 1:
        raise ParameterError(f"level is {level!r}; pass a probability between 0 and 1, such as 0.9")
    return (1 - level) / 2, (1 + level) / 2


def _spread(volatilities: pd.DataFrame, assets: pd.Index, w: np.ndarray, rho: np.ndarray) -> float:
    """Return the standard deviation of log portfolio volatility over other forecasts of its assets."""
    if len(volatilities) < 2:
        return 0.0
    x = volatilities.reindex(columns=assets).to_numpy() * w
    held = w != 0
    variance = np.einsum("fi,ij,fj->f", x[:, held], rho[np.ix_(held, held)], x[:, held])
    return float(np.log(variance[variance > 0]).std(ddof=1) / 2) if (variance > 0).sum() > 1 else 0.0


def correlation_error(x: np.ndarray, rho: np.ndarray, observations: float) -> float:
    """Return the standard error of the logarithm of ``sqrt(x' rho x)`` from the estimation of rho.

    The influence of one session with standardised returns z on ``p = x' rho x`` is ``(x'z)^2 - sum c_i z_i^2`` with
    ``c_i = x_i (rho x)_i``; its variance under Gaussian z is ``2 (p^2 - 2 sum c_i (rho x)_i^2 + c' (rho o rho) c)``.

    Parameters
    ----------
    x : ndarray of shape (n_assets,)
        Weight times volatility.
    rho : ndarray of shape (n_assets, n_assets)
    observations : float
        Effective number of sessions.

    References
    ----------
    Neudecker and Wesselman (1990), The Asymptotic Variance Matrix of the Sample Correlation Matrix, Linear Algebra and
    its Applications 127; elliptical returns as in Muirhead (1982), Aspects of Multivariate Statistical Theory, 5.1.3.
    """
    reach = rho @ x
    variance, c = float(x @ reach), x * reach
    if not variance > 0:
        return 0.0
    spread = 2 * (variance**2 - 2 * float(c @ reach**2) + float(c @ (rho**2) @ c))
    return math.sqrt(max(0.0, KURTOSIS_FACTOR * spread / observations)) / (2 * variance)
