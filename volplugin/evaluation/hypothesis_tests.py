"""Statistical tests of variance forecasts: is one better, is one right, is its tail right.

Loss series are time series of one number a session. Forecasts of stocks are compared on the
*cross-sectional mean* loss, because stocks of one day are not independent observations.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from scipy import special, stats
from statsmodels.regression.linear_model import OLS

from volplugin.errors import InsufficientHistoryError, ParameterError

Values = TypeVar("Values", pd.Series, pd.DataFrame)


@dataclass(frozen=True)
class DieboldMariano:
    """Difference of two mean losses; negative where the first is better."""

    difference: float
    statistic: float
    pvalue: float
    lags: int
    sessions: int


@dataclass(frozen=True)
class MincerZarnowitz:
    """Weighted regression ``y/f = intercept/f + slope``; a right forecast has (0, 1).

    `intercept` is a daily variance; `pvalue` is that of the joint hypothesis.
    """

    intercept: float
    slope: float
    statistic: float
    pvalue: float
    sessions: int


@dataclass(frozen=True)
class Coverage:
    """Exceedances of a value-at-risk limit, with Kupiec's and Christoffersen's p-values."""

    level: float
    sessions: int
    exceedances: int
    expected: float
    kupiec_statistic: float
    kupiec_pvalue: float
    independence_statistic: float
    independence_pvalue: float
    christoffersen_statistic: float
    christoffersen_pvalue: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers by name."""
        return asdict(self)


def hac_lags(horizon: int, sessions: int) -> int:
    """Bartlett lags of a HAC variance: twice the horizon, or more where the series is long.

    Overlapping forecasts share ``horizon - 1`` sessions; a long series can afford to hear slower dependence, by
    the rule of Newey and West (1994), ``4 (n / 100)^(2/9)``.
    """
    return max(2 * horizon, math.ceil(4 * (sessions / 100) ** (2 / 9)))


def diebold_mariano(loss: pd.Series, benchmark: pd.Series, horizon: int, lags: int | None = None) -> DieboldMariano:
    """Test whether two forecasts of the same outcomes lose equally much.

    Parameters
    ----------
    loss, benchmark : Series of shape (n_sessions,)
        Loss a session; sessions where either is missing are left out.
    horizon : int
        Sessions that each forecast covers; neighbouring losses overlap by ``horizon - 1``.
    lags : int, optional
        Bartlett lags of the HAC variance; those of `hac_lags` if not given.

    Returns
    -------
    DieboldMariano
        The statistic carries the small-sample factor and is compared with Student's t; 0 where the losses
        differ by no more than rounding.

    Raises
    ------
    InsufficientHistoryError
        If too few sessions remain for the lags.

    References
    ----------
    Diebold and Mariano (1995), Journal of Business and Economic Statistics 13; Harvey, Leybourne and
    Newbold (1997), International Journal of Forecasting 13.
    """
    gap = (loss - benchmark).dropna()
    n = len(gap)
    lags = hac_lags(horizon, n) if lags is None else lags
    if n <= max(lags, 2 * horizon):
        raise InsufficientHistoryError(f"{n} common sessions are too few for {lags} lags, horizon {horizon}")
    fit = OLS(gap.to_numpy(), np.ones(n)).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False})
    correction = np.sqrt((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n)
    error = float(fit.bse[0])
    mean = float(gap.mean())
    same = _lose_the_same(loss[gap.index], benchmark[gap.index])
    statistic = correction * mean / error if error > 0 and not same else 0.0
    pvalue = 2 * float(stats.t.sf(abs(statistic), n - 1))
    return DieboldMariano(mean, float(statistic), pvalue, lags, n)


def model_confidence_set(
    losses: pd.DataFrame, horizon: int, size: float = 0.10, reps: int = 1000, seed: int = 0
) -> pd.Series:
    """P-value of each model for belonging to the set of best models (``>= size``: inside).

    Models that lost the same every session, to the last digits but a few, are one model to the test, and share
    its p-value; 1 if there is no other.

    Parameters
    ----------
    losses : DataFrame of shape (n_sessions, n_models)
        Loss a session; sessions with a missing loss are left out.
    horizon : int
        Sessions that each forecast covers; the bootstrap's blocks hold `hac_lags` sessions on average.
    size : float, default 0.10
        One minus the confidence: 0.10 gives the 90% set.
    reps : int, default 1000
        Bootstrap replications.
    seed : int, default 0
        Of the bootstrap.

    Raises
    ------
    ParameterError
        For fewer than two models.
    InsufficientHistoryError
        If there is no session on which every model has a loss.

    References
    ----------
    Hansen, Lunde and Nason (2011), Econometrica 79; computed by `arch.bootstrap.MCS`.
    """
    from arch.bootstrap import MCS

    complete = losses.dropna()
    if losses.shape[1] < 2:
        raise ParameterError("a model confidence set takes two models or more")
    if complete.empty:
        raise InsufficientHistoryError("no session on which every model has a loss")
    distinct, place = np.unique(_first_of_the_same(complete.to_numpy()), return_inverse=True)
    if len(distinct) == 1:
        return pd.Series(1.0, index=losses.columns, name="mcs_pvalue")
    block = hac_lags(horizon, len(complete))
    test = MCS(complete.to_numpy()[:, distinct], size=size, reps=reps, block_size=block, method="R", seed=seed)
    test.compute()
    # arch numbers the models and lists them from worst to best.
    pvalues = test.pvalues["Pvalue"].sort_index().to_numpy()
    return pd.Series(pvalues[place], index=losses.columns, name="mcs_pvalue")


def _first_of_the_same(losses: np.ndarray) -> list[int]:
    """Place of the first model with the losses of each: their differences have no variance to be tested with."""
    columns = losses.T
    return [next(first for first, other in enumerate(columns) if _lose_the_same(other, column)) for column in columns]


def _lose_the_same(one: np.ndarray | pd.Series, other: np.ndarray | pd.Series) -> bool:
    """Whether losses differ by no more than rounding, which is as regular as a real lead would have to be."""
    return np.allclose(one, other, rtol=1e-12, atol=0.0)


def mincer_zarnowitz(
    realized_variance: pd.Series, forecast_variance: pd.Series, horizon: int, lags: int | None = None
) -> MincerZarnowitz:
    """Test that forecasts are neither biased nor too timid or too bold, weighted for their noise.

    ``y/f`` is regressed on ``1/f`` and a constant, and (0, 1) tested jointly with HAC errors: the
    outcome's noise grows with its variance, so an unweighted fit would hear only the crises.

    Parameters
    ----------
    realized_variance, forecast_variance : Series of shape (n_sessions,)
        Daily variances of the same sessions.
    horizon : int
        Sessions that each forecast covers.
    lags : int, optional
        Bartlett lags; those of `hac_lags` if not given.

    Raises
    ------
    InsufficientHistoryError
        If too few sessions remain for the lags.

    References
    ----------
    Mincer and Zarnowitz (1969), The Evaluation of Economic Forecasts; the weighting as in Patton and
    Sheppard (2009), Evaluating Volatility and Correlation Forecasts.
    """
    pair = pd.DataFrame({"y": realized_variance, "f": forecast_variance}).dropna()
    lags = hac_lags(horizon, len(pair)) if lags is None else lags
    if len(pair) <= max(lags, 2 * horizon) + 2:
        raise InsufficientHistoryError(f"{len(pair)} sessions are too few for a regression with {lags} lags")
    # In units of the mean forecast, as 1/f is of the order of 1e4 beside a constant of 1.
    unit = float(pair["f"].mean())
    inverse = unit / pair["f"].to_numpy()
    design = np.column_stack([inverse, np.ones(len(pair))])
    fit = OLS((pair["y"] / pair["f"]).to_numpy(), design).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": True}
    )
    joint = fit.wald_test((np.eye(2), np.array([0.0, 1.0])), use_f=False, scalar=True)
    intercept, slope = (float(value) for value in fit.params)
    return MincerZarnowitz(intercept * unit, slope, float(joint.statistic), float(joint.pvalue), len(pair))


def value_at_risk(
    returns: Values, volatility: Values, level: float, method: str = "gaussian", minimum: int = 250
) -> Values:
    """Return that is undercut on a fraction `level` of sessions, if the forecasts are right.

    Parameters
    ----------
    returns, volatility : Series or DataFrame, a row a session
        Daily returns and the daily volatility forecast for the same sessions.
    level : float
        Tail probability, such as 0.01.
    method : {"gaussian", "historical"}
        Quantile of the normal law, or of the standardised returns of *earlier* sessions (filtered
        historical simulation).
    minimum : int, default 250
        Earlier sessions that the historical quantile needs; NaN before.
    """
    if not 0 < level < 0.5:
        raise ParameterError(f"level is {level}; it is a tail probability such as 0.01")
    if method == "gaussian":
        return volatility * float(stats.norm.ppf(level))
    if method == "historical":
        past = (returns / volatility).expanding(minimum).quantile(level).shift(1)
        return volatility * past
    raise ParameterError(f"method is {method!r}; choose 'gaussian' or 'historical'")


def coverage(exceeded: pd.Series | np.ndarray, level: float) -> Coverage:
    """Kupiec's test of the number of exceedances and Christoffersen's of their clustering.

    Parameters
    ----------
    exceeded : Series or ndarray of bool, shape (n_sessions,)
        Whether the loss went beyond the limit, session by session.
    level : float
        Probability with which it should.

    References
    ----------
    Kupiec (1995), Journal of Derivatives 3; Christoffersen (1998), International Economic Review 39.
    """
    hit = np.asarray(exceeded, dtype=bool)
    n, count = len(hit), int(hit.sum())
    if n < 2:
        raise InsufficientHistoryError("exceedances need two sessions or more")
    # Never below zero but for rounding.
    kupiec = max(0.0, 2 * (_bernoulli(count, n, count / n) - _bernoulli(count, n, level)))
    before, after = hit[:-1], hit[1:]
    from_calm, from_hit = int((~before).sum()), int(before.sum())
    calm_hit, hit_hit = int((~before & after).sum()), int((before & after).sum())
    pooled = (calm_hit + hit_hit) / (n - 1)
    free = _bernoulli(calm_hit, from_calm, calm_hit / max(from_calm, 1))
    free += _bernoulli(hit_hit, from_hit, hit_hit / max(from_hit, 1))
    independence = max(0.0, 2 * (free - _bernoulli(calm_hit + hit_hit, n - 1, pooled)))
    both = kupiec + independence
    return Coverage(
        level, n, count, level * n,
        kupiec, float(special.chdtrc(1, kupiec)),
        independence, float(special.chdtrc(1, independence)),
        both, float(special.chdtrc(2, both)),
    )  # fmt: skip


def _bernoulli(hits: int, n: int, probability: float) -> float:
    """Log-likelihood of `hits` in `n` draws, with 0 ln 0 = 0."""
    return float(special.xlogy(hits, probability) + special.xlog1py(n - hits, -probability))
