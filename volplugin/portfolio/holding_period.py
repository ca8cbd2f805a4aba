"""Sessions in which a position earns, and the forecast for them.

An order placed at the close of t is filled at the close of t+1 and earns from t+2 on. A forecast made at t
for the sessions t+1 to t+h is therefore a session early; see `holding_horizon` and `forward_forecast`.
"""

from __future__ import annotations

import numpy as np

from volplugin.errors import AssetMismatchError, ParameterError
from volplugin.risk.covariance import CovarianceForecast
from volplugin.units import as_number

LEAST_SHARE = 0.01
"""Lower bound of the variance after the fill, as a share of the far forecast's variance."""


def holding_horizon(sessions: int, lag: int = 1) -> int:
    """Horizon that ends with the last session that a position earns.

    Parameters
    ----------
    sessions : int
        Sessions between two rebalances: 1 for daily, 5 for weekly, 21 for monthly.
    lag : int, default 1
        Sessions from the order to its fill; one in zipline's daily mode.

    Returns
    -------
    int
        ``lag + sessions``.
    """
    if not as_number(sessions) >= 1:
        raise ParameterError(f"sessions is {sessions}; a position is held for one session or more")
    if not as_number(lag) >= 0:
        raise ParameterError(f"lag is {lag}; pass the sessions from an order to its fill, 0 or more")
    return lag + sessions


def forward_forecast(near: CovarianceForecast, far: CovarianceForecast) -> CovarianceForecast:
    """Forecast of the sessions after the near horizon, up to the far one.

    Total variance adds up over sessions, so that with horizons n and f each asset's variance beyond the fill is
    ``(f far ** 2 - n near ** 2) / (f - n)``, at least a hundredth of the far forecast's. The correlation is the far
    forecast's.

    Parameters
    ----------
    near : CovarianceForecast
        Up to the fill: of horizon 1 in zipline's daily mode.
    far : CovarianceForecast
        At the same `asof`, of the same assets, with a longer horizon: `holding_horizon`.

    Returns
    -------
    CovarianceForecast
        Its `horizon` is the number of sessions covered, ``f - n``, of which the first is the one after the fill.

    Raises
    ------
    ParameterError
        If the forecasts are of different dates, or the far horizon is not longer.
    AssetMismatchError
        If they are of different assets.
    """
    if near.asof != far.asof:
        raise ParameterError(f"forecasts of {near.asof.date()} and {far.asof.date()}; pass two made at one session")
    if far.horizon <= near.horizon:
        raise ParameterError(f"horizons {near.horizon} and {far.horizon}; the far one must be longer")
    if not near.assets.equals(far.assets):
        odd = near.assets.symmetric_difference(far.assets)
        raise AssetMismatchError(
            f"{odd[0] if len(odd) else far.assets[0]}: the two forecasts are of different assets, or in another order"
        )
    sessions = far.horizon - near.horizon
    total = far.horizon * far.volatility**2 - near.horizon * near.volatility**2
    variance = np.maximum(total / sessions, LEAST_SHARE * far.volatility**2)
    return CovarianceForecast(far.asof, sessions, np.sqrt(variance), far.correlation, far.diagnostics)
