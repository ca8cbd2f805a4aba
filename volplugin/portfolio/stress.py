"""A limit on the volatility of a portfolio in a shock: volatilities and correlations jump together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from volplugin.errors import ParameterError
from volplugin.risk.covariance import CovarianceForecast
from volplugin.units import annualize, as_number


@dataclass(frozen=True)
class ShockLimit:
    """Limit on the volatility of a portfolio in a shock.

    In the shock every volatility is `volatility` times the forecast, and the correlation matrix R becomes
    ``(1 - correlation) R + correlation 11'``. The larger of the two volatilities counts: higher
    correlations hedge a long-short portfolio.

    Parameters
    ----------
    limit : float
        *Annual* volatility in the shock that the portfolio may have, in decimals.
    volatility : float, default 2.0
        Factor on every volatility.
    correlation : float, default 1.0
        Share, 0 to 1, of a correlation of one everywhere.

    References
    ----------
    Kim and Finger (2000), A Stress Test to Incorporate Correlation Breakdown, Journal of Risk 2.
    """

    limit: float
    volatility: float = 2.0
    correlation: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < as_number(self.limit) < np.inf:
            raise ParameterError(f"limit is {self.limit}; it is an annual volatility above zero, such as 0.25")
        if not 0 < as_number(self.volatility) < np.inf:
            raise ParameterError(f"volatility is {self.volatility}; pass a factor above zero, such as 2")
        if not 0 <= as_number(self.correlation) <= 1:
            raise ParameterError(f"correlation is {self.correlation}; pass a share between 0 and 1")

    def volatility_of(self, weights: pd.Series, forecast: CovarianceForecast, periods: float | None = None) -> float:
        """*Annual* volatility of a portfolio in the shock, by default by the sessions per year of the forecast.

        Raises
        ------
        MissingForecastError
            If an asset with a nonzero weight has no forecast.
        """
        calm = forecast.portfolio_volatility(weights)
        together = abs(float(forecast.align(weights) @ forecast.volatility.to_numpy()))
        mixed = float(np.hypot(np.sqrt(1 - self.correlation) * calm, np.sqrt(self.correlation) * together))
        return annualize(self.volatility * max(calm, mixed), periods or forecast.periods_per_year)
