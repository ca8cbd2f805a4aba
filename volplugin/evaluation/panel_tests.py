"""Tests over all stocks at once that do not take the stocks of one session for independent.

Shocks to volatility are common: thirty stocks of a day are worth a few observations, not thirty. Moments are
therefore added up over the stocks of a session first, and the variance is computed from the sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from volplugin.errors import AssetMismatchError, ParameterError
from volplugin.evaluation.hypothesis_tests import MincerZarnowitz, mincer_zarnowitz_of
from volplugin.evaluation.inputs import check_zones, checked_frame, checked_series
from volplugin.evaluation.long_run import LongRunMean, long_run_mean


@dataclass(frozen=True)
class LevelTest:
    """Test that realised over forecast variance averages one.

    A positive `statistic` means that risk was under-predicted. `lower` and `upper` bound the root of the mean ratio,
    which is the bias statistic, with 95% probability where forecasts are right.
    """

    ratio: float
    statistic: float
    pvalue: float
    sessions: int
    lower: float
    upper: float


def level_test(ratio: pd.Series, horizon: int) -> LevelTest:
    """Test that ``y/f`` averages one, whatever its distribution and the overlap of the outcomes.

    The mean of ``y/f`` is the mean square of the returns over the forecasts in force. Its logarithm is tested, since
    it is less skewed than the mean itself.

    Parameters
    ----------
    ratio : Series of shape (n_sessions,)
        Realised over forecast variance by origin; of many stocks, their mean of each session.
    horizon : int
        Sessions that each forecast covers.

    Raises
    ------
    InsufficientHistoryError
        If fewer than twelve sessions, or than four horizons, remain.
    ParameterError
        Naming the session of an infinite ratio or a repeated date; for negative ratios, and zeros alone.
    """
    values = checked_series(ratio, "ratio").dropna().to_numpy()
    if (values < 0).any() or not values.any():
        raise ParameterError("ratios are negative, or all zero; pass realised over forecast variances")
    found = long_run_mean(values, horizon)
    # Delta method: the error of ln m is the error of m over m.
    statistic = float(np.log(found.mean) / relative_error(found))
    lower, upper = bias_band(found)
    return LevelTest(found.mean, statistic, found.pvalue(statistic), found.sessions, lower, upper)


def bias_band(ratio: LongRunMean, level: float = 0.95) -> tuple[float, float]:
    """Bounds around 1 of the root of a mean ratio, where forecasts are right."""
    half = float(stats.t.ppf((1 + level) / 2, ratio.dof)) * relative_error(ratio) / 2
    return float(np.exp(-half)), float(np.exp(half))


def relative_error(ratio: LongRunMean) -> float:
    """Return the standard error of the logarithm of a mean."""
    return ratio.error / ratio.mean


def pooled_mincer_zarnowitz(
    realized_variance: pd.DataFrame, forecast_variance: pd.DataFrame, horizon: int
) -> MincerZarnowitz:
    """One weighted Mincer-Zarnowitz regression over all stock-days, tested on sums over the stocks of a session.

    ``y/f`` of every stock-day is regressed on ``1/f`` and a constant. The joint hypothesis (0, 1) is tested by the
    moments ``(y/f - 1)`` and ``(y/f - 1) / f``, summed over the stocks of each session, whatever the dependence among
    stocks. Outcomes of neighbouring origins overlap; origins that are `horizon` sessions apart do not. Each such phase
    is tested separately and the p-values are combined by `combine_pvalues`.

    Parameters
    ----------
    realized_variance, forecast_variance : DataFrame of shape (n_sessions, n_assets)
        Daily variances, NaN on stock-days that are left out; one row per session, in order.
    horizon : int
        Sessions that each forecast covers.

    Returns
    -------
    MincerZarnowitz
        ``sessions`` counts sessions with at least one stock; ``statistic`` is the median of the phases.

    Raises
    ------
    InsufficientHistoryError
        If fewer than twelve sessions, or than four horizons, remain.
    AssetMismatchError
        For an asset that one of the two lacks.
    ParameterError
        As in `mincer_zarnowitz`.

    References
    ----------
    Driscoll and Kraay (1998), Consistent Covariance Matrix Estimation with Spatially Dependent Panel Data,
    Review of Economics and Statistics 80 (the sums over a session); Patton and Sheppard (2009), Evaluating Volatility
    and Correlation Forecasts (the weights).
    """
    realized, forecast = checked_frame(realized_variance, "realized"), checked_frame(forecast_variance, "forecast")
    check_zones(realized=realized, forecast=forecast)
    odd = realized.columns.symmetric_difference(forecast.columns)
    if len(odd):
        raise AssetMismatchError(f"{odd[0]} is in one of the two tables; pass the same assets in both")
    sessions = realized.index.union(forecast.index)
    realized, forecast = (frame.reindex(sessions, columns=realized.columns) for frame in (realized, forecast))
    return mincer_zarnowitz_of(realized.to_numpy(), forecast.to_numpy(), horizon)
