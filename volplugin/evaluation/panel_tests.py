"""Tests over all stocks at once that do not take the stocks of one session for independent.

Shocks to volatility are common: thirty stocks of a day are worth a few observations, not thirty. Moments are
therefore added up over the stocks of a session first, and the long-run variance is that of the sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.regression.linear_model import OLS

from volplugin.errors import InsufficientHistoryError
from volplugin.evaluation.hypothesis_tests import MincerZarnowitz, hac_lags


@dataclass(frozen=True)
class LevelTest:
    """Whether realised over forecast variance averages one; a positive `statistic` says risk was under-predicted."""

    ratio: float
    statistic: float
    pvalue: float
    sessions: int


def level_test(ratio: pd.Series, horizon: int, lags: int | None = None) -> LevelTest:
    """Test that ``y/f`` averages one, whatever its distribution and the overlap of the outcomes.

    The robust companion of the bias statistic, whose band holds for independent Gaussian returns: the mean of
    ``y/f`` is the mean square of the returns over the standing forecasts.

    Parameters
    ----------
    ratio : Series of shape (n_sessions,)
        Realised over forecast variance by origin; of many stocks, their mean of each session.
    horizon : int
        Sessions that each forecast covers.
    lags : int, optional
        Bartlett lags; those of `hac_lags` if not given.

    Raises
    ------
    InsufficientHistoryError
        If too few sessions remain for the lags.
    """
    known = ratio.dropna()
    n = len(known)
    lags = hac_lags(horizon, n) if lags is None else lags
    if n <= max(lags, 2 * horizon):
        raise InsufficientHistoryError(f"{n} sessions are too few for {lags} lags, horizon {horizon}")
    fit = OLS(known.to_numpy() - 1, np.ones(n)).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": True})
    statistic = float(fit.params[0] / fit.bse[0])
    return LevelTest(float(known.mean()), statistic, 2 * float(stats.t.sf(abs(statistic), n - 1)), n)


def pooled_mincer_zarnowitz(
    realized_variance: pd.DataFrame, forecast_variance: pd.DataFrame, horizon: int, lags: int | None = None
) -> MincerZarnowitz:
    """One weighted Mincer-Zarnowitz regression over all stock-days, with the errors of Driscoll and Kraay.

    ``y/f`` of every stock-day is regressed on ``1/f`` and a constant. The moments (regressors times
    residuals) are summed over the stocks of each session and the Bartlett-weighted long-run variance of the
    sums taken: consistent in the number of sessions, for any dependence among stocks and for fading dependence
    in time.

    Parameters
    ----------
    realized_variance, forecast_variance : DataFrame of shape (n_sessions, n_assets)
        Daily variances, NaN on stock-days that are left out; a row a session, in order.
    horizon : int
        Sessions that each forecast covers.
    lags : int, optional
        Bartlett lags; those of `hac_lags` if not given.

    Returns
    -------
    MincerZarnowitz
        ``sessions`` counts those with at least one stock.

    Raises
    ------
    InsufficientHistoryError
        If too few sessions remain for the lags.

    References
    ----------
    Driscoll and Kraay (1998), Consistent Covariance Matrix Estimation with Spatially Dependent Panel Data,
    Review of Economics and Statistics 80; Patton and Sheppard (2009), Evaluating Volatility and Correlation
    Forecasts.
    """
    forecast = forecast_variance.to_numpy()
    ratio = realized_variance.to_numpy() / forecast
    here = np.isfinite(ratio)
    rows = np.flatnonzero(here.any(axis=1))
    sessions = len(rows)
    lags = hac_lags(horizon, sessions) if lags is None else lags
    if sessions <= max(lags, 2 * horizon):
        raise InsufficientHistoryError(f"{sessions} sessions are too few for a regression with {lags} lags")
    # Between the first and the last session: those without a stock are moments of zero, not gaps closed up.
    span = slice(rows[0], rows[-1] + 1)
    time = np.nonzero(here[span])[0]
    chosen = forecast[span][here[span]]
    unit = float(chosen.mean())
    design = np.column_stack([unit / chosen, np.ones(len(chosen))])
    fit = OLS(ratio[span][here[span]], design).fit(
        cov_type="hac-groupsum", cov_kwds={"time": time, "maxlags": lags, "use_correction": False}
    )
    joint = fit.wald_test((np.eye(2), np.array([0.0, 1.0])), use_f=False, scalar=True)
    intercept, slope = (float(value) for value in fit.params)
    return MincerZarnowitz(intercept * unit, slope, float(joint.statistic), float(joint.pvalue), sessions)
