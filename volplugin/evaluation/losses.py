"""Losses of variance forecasts, and the realised variances that they are scored against.

Variances are *daily* and in decimals squared: a forecast is a daily volatility squared, an outcome
the mean over the `horizon` sessions after the origin. Row labels are origins: the last completed
session that the forecast used.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import pandas as pd

from volplugin.data.checks import as_moment
from volplugin.data.panel import PricePanel
from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation.inputs import check_count, check_variances, checked
from volplugin.units import TRADING_DAYS, is_number

OUTCOME_FLOOR = 1e-7
"""Smallest realised variance that is scored: QLIKE is unbounded as the outcome nears zero."""

PROXY_CALIBRATION_END = "2009-12-31"
"""Last session whose returns set the scale of the range proxy, where no other date is given."""

Values = TypeVar("Values", float, np.ndarray, pd.Series, pd.DataFrame)
Frame = TypeVar("Frame", pd.Series, pd.DataFrame)


def qlike(realized_variance: Values, forecast_variance: Values, floor: float = OUTCOME_FLOOR) -> Values:
    """Quasi-likelihood loss ``y/f - ln(y/f) - 1``, zero for a perfect forecast.

    Parameters
    ----------
    realized_variance : float, ndarray, Series or DataFrame
        Realised daily variance, `y`; raised to `floor` where it is smaller.
    forecast_variance : same
        Daily variance that was forecast, `f`; NaN stays NaN.
    floor : float, default 1e-7
        Smallest `y`.

    Raises
    ------
    ParameterError
        If a forecast is zero or negative, or a variance infinite or negative; for repeated dates.

    References
    ----------
    Patton (2011), Volatility forecast comparison using imperfect volatility proxies, Journal of
    Econometrics 160.
    """
    if not is_number(floor) or not floor > 0:
        raise ParameterError(f"floor is {floor!r}; pass a variance above zero")
    realized_variance, forecast_variance = check_variances(realized_variance, forecast_variance)
    ratio = np.maximum(realized_variance, floor) / forecast_variance
    return ratio - np.log(ratio) - 1


def log_likelihood(realized_variance: Values, forecast_variance: Values) -> Values:
    """Mean Gaussian log density of the daily returns that a forecast covers, in nats per day.

    With `y` the mean square of the returns after the origin and `f` the daily variance forecast for all of
    them, the mean over these days of ``ln N(r; 0, f)`` is ``-(ln 2 pi + ln f + y/f) / 2``: of one return
    where the horizon is one session, of the daily returns that the forecast covers where it is longer.
    The outcome has no floor here, since a return of zero has a finite density. Higher is better.
    Parameters and errors as in `qlike`.
    """
    realized_variance, forecast_variance = check_variances(realized_variance, forecast_variance)
    return -0.5 * (np.log(2 * np.pi) + np.log(forecast_variance) + realized_variance / forecast_variance)


def mse(realized_variance: Values, forecast_variance: Values) -> Values:
    """Squared error of the variance, ``(y - f)^2``: besides QLIKE the one that ranks under noisy proxies.

    Parameters and errors as in `qlike`.
    """
    realized_variance, forecast_variance = check_variances(realized_variance, forecast_variance)
    return (realized_variance - forecast_variance) ** 2


def realized_variance(returns: Frame, horizon: int) -> Frame:
    """Mean squared return of the `horizon` sessions *after* each origin.

    Parameters
    ----------
    returns : Series or DataFrame of shape (n_sessions, n_assets)
        Daily returns in decimals, NaN where missing.
    horizon : int
        Sessions averaged.

    Returns
    -------
    same type as `returns`
        Row `t` averages rows ``t+1 .. t+horizon``; NaN where any of them is missing or not yet there.

    Raises
    ------
    ParameterError
        For a horizon that is no whole number from 1 on; naming the session of a repeated date or an infinite return.
    """
    return forward_mean(checked(returns, "returns") ** 2, horizon)


def range_variance(
    panel: PricePanel, horizon: int, through: str | pd.Timestamp = PROXY_CALIBRATION_END
) -> pd.DataFrame:
    """Mean range variance of the `horizon` sessions after each origin, scaled to close-to-close.

    The daily proxy (overnight squared plus Garman-Klass) is less noisy than a squared return but has
    another mean; each asset's is multiplied by its `proxy_scale`.

    Raises
    ------
    InsufficientHistoryError
        If the panel holds no returns up to `through`.
    """
    return forward_mean(panel.variance * proxy_scale(panel, through), horizon)


def proxy_scale(panel: PricePanel, through: str | pd.Timestamp = PROXY_CALIBRATION_END) -> pd.Series:
    """Ratio of the mean squared return to the mean range proxy up to `through`, by asset.

    An asset with less than a year of returns by then gets the ratio of all stock-days.
    """
    through = as_moment(through)
    squared = panel.returns.loc[:through] ** 2
    proxy = panel.variance.loc[:through].where(squared.notna())
    count = squared.notna().sum()
    if count.sum() == 0:
        raise InsufficientHistoryError(
            f"no returns up to {pd.Timestamp(through).date()} to scale the range proxy: the panel begins on "
            f"{panel.sessions[0].date()}; pass a later date"
        )
    pooled = float(squared.sum().sum() / proxy.sum().sum())
    return (squared.sum() / proxy.sum()).where(count >= TRADING_DAYS, pooled).rename("proxy_scale")


def forward_mean(daily: Frame, horizon: int) -> Frame:
    """Mean of the `horizon` rows after each row; NaN where any of them is missing."""
    check_count(horizon, "horizon")
    return daily.rolling(horizon, min_periods=horizon).mean().shift(-horizon)
