"""Statistical tests of variance forecasts: is one better, is one right.

Loss series hold one number per session. Forecasts of stocks are compared on the *cross-sectional mean* loss, because
the stocks of one day are not independent observations. The measured sizes of the tests are in `docs/evaluation.md`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation.inputs import aligned, check_count, check_variances, checked_frame
from volplugin.evaluation.long_run import combine_pvalues, cosine_averages, long_run_mean, smoothing_degrees

SAME_FORECAST = 1e-6
"""Relative spread of forecasts up to which they are constant to a regression."""


@dataclass(frozen=True)
class DieboldMariano:
    """Difference of two mean losses; negative where the first is better.

    `dof` are the degrees of freedom of the t statistic.
    """

    difference: float
    statistic: float
    pvalue: float
    dof: int
    sessions: int


@dataclass(frozen=True)
class MincerZarnowitz:
    """Weighted regression ``y/f = intercept/f + slope``; a right forecast has (0, 1).

    `intercept` is a daily variance. `pvalue` is for the joint hypothesis. `rank` is 2; it is 1 for a constant
    forecast, for which intercept and slope are not identified: both are NaN and the test is of the level alone.
    """

    intercept: float
    slope: float
    statistic: float
    pvalue: float
    sessions: int
    rank: int = 2


def diebold_mariano(loss: pd.Series, benchmark: pd.Series, horizon: int) -> DieboldMariano:
    """Test whether two forecasts of the same outcomes have the same mean loss.

    Parameters
    ----------
    loss, benchmark : Series of shape (n_sessions,)
        Loss per session; sessions where either is missing are left out.
    horizon : int
        Sessions that each forecast covers; neighbouring losses overlap by ``horizon - 1``.

    Returns
    -------
    DieboldMariano
        The variance of the mean difference comes from `long_run`, the p-value is Student's; the statistic is 0 and
        the p-value 1 where the losses differ by no more than rounding.

    Raises
    ------
    InsufficientHistoryError
        If fewer than twelve sessions, or than four horizons, remain.
    ParameterError
        Naming the session of an infinite loss or a repeated date.

    References
    ----------
    Diebold and Mariano (1995), Comparing Predictive Accuracy, Journal of Business and Economic Statistics 13; Lazarus,
    Lewis, Stock and Watson (2018), HAR Inference: Recommendations for Practice, ibid. 36.

    Examples
    --------
    >>> import pandas as pd
    >>> sessions = pd.bdate_range("2020-01-01", periods=100)
    >>> worse = pd.Series(1.0 + 0.1 * (sessions.day % 3), sessions)
    >>> diebold_mariano(worse, worse - 0.5 + 0.01 * (sessions.day % 2), horizon=1).difference > 0
    True
    """
    pair = aligned(loss=loss, benchmark=benchmark).dropna()
    gap = (pair["loss"] - pair["benchmark"]).to_numpy()
    found = long_run_mean(gap, horizon)
    same = _same_losses(pair["loss"], pair["benchmark"]) or found.error == 0
    statistic = 0.0 if same else found.mean / found.error
    return DieboldMariano(found.mean, statistic, found.pvalue(statistic), found.dof, found.sessions)


def model_confidence_set(losses: pd.DataFrame, horizon: int, reps: int = 1000, seed: int = 0) -> pd.Series:
    """P-value of each model for belonging to the set of best models: at least 0.10 inside the 90% set.

    The model with the largest t statistic against another one is removed, and the test repeated with the rest; the
    statistic is the largest t of all pairs. Its distribution under equal losses is simulated: means and cosine
    averages are drawn as Gaussian vectors with the estimated long-run covariance. (The block bootstrap of
    `arch.bootstrap.MCS` keeps three equal models with persistent losses together in 81% of samples instead of 90%,
    with the block length that `arch` selects from the data.)

    Models whose losses are equal up to rounding in every session are one model to the test, and share its p-value; 1
    if there is no other.

    Parameters
    ----------
    losses : DataFrame of shape (n_sessions, n_models)
        Loss per session; sessions with a missing loss are left out.
    horizon : int
        Sessions that each forecast covers.
    reps : int, default 1000
        Simulated statistics.
    seed : int, default 0
        Of the simulation.

    Raises
    ------
    ParameterError
        For fewer than two models, and for an infinite loss.
    InsufficientHistoryError
        If fewer than twelve sessions, or than four horizons, have a loss of every model.

    References
    ----------
    Hansen, Lunde and Nason (2011), The Model Confidence Set, Econometrica 79, section 3.1.2 (the range statistic).
    """
    check_count(reps, "reps")
    if not isinstance(losses, pd.DataFrame) or losses.shape[1] < 2:
        raise ParameterError("a model confidence set takes two models or more; pass a DataFrame with one column each")
    complete = checked_frame(losses, "loss").dropna()
    if complete.empty:
        raise InsufficientHistoryError("no session on which every model has a loss")
    distinct, place = np.unique(_first_of_the_same(complete.to_numpy()), return_inverse=True)
    degrees = smoothing_degrees(len(complete), horizon)
    if len(distinct) == 1:
        return pd.Series(1.0, index=losses.columns, name="mcs_pvalue")
    values = complete.to_numpy()[:, distinct]
    means = np.sqrt(len(values)) * values.mean(axis=0)
    averages = cosine_averages(values, degrees)
    # [reps, 1 + degrees, models]: Gaussian with covariance averages' averages / degrees; the first row is the mean.
    normal = np.random.default_rng(seed).standard_normal((reps, 1 + degrees, degrees))
    pvalues = _eliminate(means, averages, normal @ averages / np.sqrt(degrees))
    return pd.Series(pvalues[place], index=losses.columns, name="mcs_pvalue")


def _eliminate(means: np.ndarray, averages: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """P-value of each model: the largest of the tests up to the one that removes it."""
    left, highest = list(range(len(means))), 0.0
    pvalues = np.ones(len(means))
    while len(left) > 1:
        first, second = np.triu_indices(len(left), 1)
        gap = means[left][first] - means[left][second]
        statistic = gap / _root_mean_square(averages[:, left][:, first] - averages[:, left][:, second])
        pairs = drawn[:, :, left][:, :, first] - drawn[:, :, left][:, :, second]
        largest = np.abs(pairs[:, 0] / _root_mean_square(pairs[:, 1:], axis=1)).max(axis=1)
        highest = max(highest, float((largest >= np.abs(statistic).max()).mean()))
        # The worst model is on the losing side of the pair with the largest statistic.
        pair = int(np.abs(statistic).argmax())
        worst = left[first[pair] if statistic[pair] > 0 else second[pair]]
        pvalues[worst] = highest
        left.remove(worst)
    return pvalues


def _root_mean_square(values: np.ndarray, axis: int = 0) -> np.ndarray:
    return np.asarray(np.sqrt((values**2).mean(axis=axis)))


def _first_of_the_same(losses: np.ndarray) -> list[int]:
    """Place of the first model with the losses of each: their differences have no variance to be tested with."""
    columns = losses.T
    return [next(first for first, other in enumerate(columns) if _same_losses(other, column)) for column in columns]


def _same_losses(one: np.ndarray | pd.Series, other: np.ndarray | pd.Series) -> bool:
    """Whether losses differ by no more than rounding, which can be as regular as a real lead."""
    return np.allclose(one, other, rtol=1e-12, atol=0.0)


def mincer_zarnowitz(
    realized_variance: pd.Series, forecast_variance: pd.Series, horizon: int, simulated: np.ndarray | None = None
) -> MincerZarnowitz:
    """Test that forecasts have the right level and the right spread, weighted for their noise.

    ``y/f`` is regressed on ``1/f`` and a constant, and (0, 1) tested jointly. The outcome's noise grows with its
    variance, so that an unweighted fit would depend on the crises alone. See `pooled_mincer_zarnowitz`, of which this
    is the case of one series.

    Parameters
    ----------
    realized_variance, forecast_variance : Series of shape (n_sessions,)
        Daily variances of the same sessions.
    horizon : int
        Sessions that each forecast covers.
    simulated : ndarray of shape (n_series, n_sessions), optional
        Outcomes over forecasts of right one-session forecasts, such as squares of `bands.shuffled_returns`: the p-value
        is then the share of them with a larger statistic, not the chi-square one, which rejects too often where fat
        tails meet few sessions.

    Raises
    ------
    InsufficientHistoryError
        If fewer than twelve sessions, or than four horizons, remain.
    ParameterError
        Naming the session of an infinite value or a repeated date; for variances below zero, and forecasts of zero.

    References
    ----------
    Mincer and Zarnowitz (1969), The Evaluation of Economic Forecasts; the weighting as in Patton and
    Sheppard (2009), Evaluating Volatility and Correlation Forecasts.
    """
    pair = aligned(realized=realized_variance, forecast=forecast_variance).dropna()
    found = mincer_zarnowitz_of(pair[["realized"]].to_numpy(), pair[["forecast"]].to_numpy(), horizon)
    if simulated is None:
        return found
    # Moments are 1 and 1/f times the excess: their sums and products are sums over powers of 1/f.
    forecast, excess, powers = pair["forecast"].to_numpy(), simulated - 1, np.arange(2 * found.rank - 1)
    inverse = (forecast.mean() / forecast)[:, None] ** powers
    products = (excess**2 @ inverse)[:, np.add.outer(powers[: found.rank], powers[: found.rank])]
    statistics = _quadratic_forms(excess @ inverse[:, : found.rank], products)
    return replace(found, pvalue=float((statistics >= found.statistic).mean()))


def score_statistics(moments: np.ndarray) -> np.ndarray:
    """Return 1'G (G'G)^-1 G'1 of each series of moments G, shape (n_series, n_sessions, n_moments).

    The variance of the moments is taken under the hypothesis, without centring, so that a large outcome raises both
    the mean and its error.
    """
    return _quadratic_forms(moments.sum(axis=1), moments.transpose(0, 2, 1) @ moments)


def _quadratic_forms(total: np.ndarray, products: np.ndarray) -> np.ndarray:
    inverse = np.linalg.pinv(products, hermitian=True)
    return np.asarray(total[:, None, :] @ inverse @ total[:, :, None])[:, 0, 0]


def mincer_zarnowitz_of(realized: np.ndarray, forecast: np.ndarray, horizon: int) -> MincerZarnowitz:
    """Weighted regression and score test on arrays of shape (n_sessions, n_series), NaN where left out."""
    realized, forecast = check_variances(realized, forecast)
    ratio = realized / forecast
    here = np.isfinite(ratio)
    rows = np.flatnonzero(here.any(axis=1))
    smoothing_degrees(len(rows), horizon)  # raises where there are too few sessions
    # Between the first and the last session; sessions without a series contribute moments of zero.
    span = slice(rows[0], rows[-1] + 1)
    ratio, forecast, here = ratio[span], forecast[span], here[span]
    unit = float(forecast[here].mean())  # 1/f is of the order of 1e4, next to a constant of 1
    inverse = np.where(here, unit / np.where(here, forecast, 1.0), 0.0)
    rank = 2 if np.ptp(inverse[here]) > SAME_FORECAST * inverse[here].mean() else 1
    statistics, pvalues = _score_tests(np.where(here, ratio - 1, 0.0), inverse, horizon, rank)
    intercept = slope = float("nan")
    if rank == 2:
        design = np.column_stack([inverse[here], np.ones(int(here.sum()))])
        intercept, slope = (float(value) for value in np.linalg.lstsq(design, ratio[here])[0])
    statistic = float(np.median(statistics))
    return MincerZarnowitz(intercept * unit, slope, statistic, combine_pvalues(pvalues), len(rows), rank)


def _score_tests(residual: np.ndarray, inverse: np.ndarray, horizon: int, rank: int) -> tuple[list[float], list[float]]:
    """Score statistic and p-value of each phase: moments of right forecasts are uncorrelated within it."""
    moments = np.column_stack([residual.sum(axis=1), (residual * inverse).sum(axis=1)])[:, :rank]
    padded = np.pad(moments, ((0, -len(moments) % horizon), (0, 0)))  # moments of zero change no sum
    statistics = score_statistics(padded.reshape(-1, horizon, rank).swapaxes(0, 1)).tolist()
    return statistics, stats.chi2.sf(statistics, rank).tolist()
