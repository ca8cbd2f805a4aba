"""Backtests of value at risk and expected shortfall.

Limits are *returns* here (negative numbers), so that a session exceeds its limit if its return is below. A level is a
tail probability such as 0.01. Chi-square approximations are poor for the few exceedances of a tail, so that p-values
are exact or simulated: exceedances of a right limit are independent with a known probability.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation.inputs import aligned, check_count, check_tail, exceedance_flags
from volplugin.evaluation.tail_limits import SimulatedTails, StepLimits

SIMULATIONS = 2000
SAME_REGRESSOR = 1e-10
"""Share of a regressor's square below which rounding is all that other regressors leave of it."""
LAGGED = 4
"""Earlier exceedances in the dynamic quantile test."""


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


@dataclass(frozen=True)
class DynamicQuantile:
    """Whether exceedances can be predicted from earlier exceedances and from the limit itself."""

    statistic: float
    pvalue: float
    sessions: int


@dataclass(frozen=True)
class ShortfallTest:
    """Acerbi-Szekely test of expected shortfall.

    `ratio` is the mean loss of the exceedances over the mean expected shortfall forecast for them: above 1 losses
    beyond the limit were larger than forecast. `statistic` is Z2, zero for right forecasts, negative for too small a
    shortfall or too many exceedances.
    """

    level: float
    sessions: int
    exceedances: int
    ratio: float
    statistic: float
    pvalue: float


def coverage(exceeded: pd.Series | np.ndarray, level: float, simulated: np.ndarray | None = None) -> Coverage:
    """Kupiec's test of the number of exceedances and Christoffersen's of their clustering.

    Kupiec's p-value is exact, from the binomial law; the two others are simulated with independent exceedances. Numbers
    of exceedances whose statistic equals the observed one count half (mid-p), because the statistics are discrete.

    Parameters
    ----------
    exceeded : Series or ndarray of bool, shape (n_sessions,)
        Whether the return was below the limit, session by session; missing sessions are left out.
    level : float
        Tail probability of the limit.
    simulated : ndarray of bool, shape (n_series, n_sessions), optional
        Exceedances of right limits that follow the returns, from `simulate_tails`; p-values are shares of these series.

    Raises
    ------
    ParameterError
        For a level outside 0 to 0.5, and for exceedances that are not boolean.
    InsufficientHistoryError
        For fewer than two sessions.

    References
    ----------
    Kupiec (1995), Journal of Derivatives 3; Christoffersen (1998), International Economic Review 39; simulated
    p-values as in Christoffersen and Pelletier (2004), Journal of Financial Econometrics 2.
    """
    check_tail(level)
    hit = exceedance_flags(exceeded)
    n, count = len(hit), int(hit.sum())
    if n < 2:
        raise InsufficientHistoryError("exceedances need two sessions or more")
    before, after = hit[:-1], hit[1:]
    kupiec = float(_kupiec(count, n, level))
    independence = float(_independence((before & after).sum(), before.sum(), after.sum(), n))
    if simulated is None:
        of_count, free, both = _binomial_pvalue(kupiec, n, level), *_independent_statistics(n, level)
    else:
        of_number, free = _coverage_statistics(simulated, level)
        of_count, both = _mid_pvalue(kupiec, of_number), of_number + free
    return Coverage(
        level, n, count, level * n,
        kupiec, of_count,
        independence, _mid_pvalue(independence, free),
        kupiec + independence, _mid_pvalue(kupiec + independence, both),
    )  # fmt: skip


def dynamic_quantile(
    returns: pd.Series,
    limit: pd.Series,
    level: float,
    reps: int = 499,
    seed: int = 0,
    simulated: SimulatedTails | None = None,
) -> DynamicQuantile:
    """Test that exceedances depend neither on the last four of them nor on the limit.

    The exceedances less their probability are regressed on a constant, four lags and the limit. The p-value is
    simulated with independent exceedances and the same limits; the chi-square law rejects too often.

    Parameters
    ----------
    returns, limit : Series of shape (n_sessions,)
        Daily returns and the value at risk of the same sessions, as a return; missing sessions are left out.
    level : float
        Tail probability of the limit.
    reps : int, default 499
        Simulated statistics.
    seed : int, default 0
        Of the simulation.
    simulated : SimulatedTails, optional
        Of right limits that follow the returns, from `simulate_tails`, in place of the `reps` simulations.

    Raises
    ------
    InsufficientHistoryError
        For fewer than 63 sessions.

    References
    ----------
    Engle and Manganelli (2004), CAViaR: Conditional Autoregressive Value at Risk by Regression Quantiles, Journal of
    Business & Economic Statistics 22, eq. 15 (out of sample).
    """
    check_tail(level)
    check_count(reps, "reps")
    pair = aligned(returns=returns, limit=limit).dropna()
    if len(pair) < 63:
        raise InsufficientHistoryError(f"{len(pair)} sessions are too few for the dynamic quantile test; pass 63")
    unit = float(pair["limit"].abs().mean()) or 1.0
    standard = StepLimits(np.ones((1, 1)), np.zeros(len(pair), dtype=int), pair["limit"].to_numpy() / unit)
    observed = (pair["returns"] < pair["limit"]).to_numpy()[None]
    statistic = float(_dynamic_statistic(observed, standard, level)[0])
    if simulated is None:
        random = np.random.default_rng(seed)
        drawn = [
            _dynamic_statistic(random.random((min(100, reps - begin), len(pair))) < level, standard, level)
            for begin in range(0, reps, 100)
        ]
    else:
        limits = simulated.limit._replace(volatility=simulated.limit.volatility / unit)
        drawn = [_dynamic_statistic(simulated.exceeded, limits, level)]
    return DynamicQuantile(statistic, _mid_pvalue(statistic, np.concatenate(drawn)), len(pair))


def acerbi_szekely(
    returns: pd.Series,
    limit: pd.Series,
    shortfall: pd.Series,
    level: float,
    reps: int = SIMULATIONS,
    seed: int = 0,
    simulated: SimulatedTails | None = None,
) -> ShortfallTest:
    """Test expected shortfall by Z2: the mean of the losses beyond the limit over the shortfall forecast for them.

    The p-value is simulated: a binomial number of exceedances, and losses resampled from the observed ones after
    division by their mean, so that the simulated shortfall is right and has the tails of the returns.

    Parameters
    ----------
    returns, limit, shortfall : Series of shape (n_sessions,)
        Daily returns, value at risk and expected shortfall of the same sessions, all as returns (limits are negative).
    level : float
        Tail probability of the limit.
    reps : int, default 2000
        Simulated statistics.
    seed : int, default 0
        Of the simulation.
    simulated : SimulatedTails, optional
        Of right limits that follow the returns, from `simulate_tails`, in place of the `reps` simulations.

    Raises
    ------
    ParameterError
        For limits or shortfalls that are not negative, and shortfalls above their limit.
    InsufficientHistoryError
        For fewer than two sessions.

    References
    ----------
    Acerbi and Szekely (2014), Back-testing Expected Shortfall, Risk, eq. 6. Their p-value takes a model of the whole
    tail; the one here takes the observed losses.
    """
    check_tail(level)
    check_count(reps, "reps")
    known = aligned(returns=returns, limit=limit, shortfall=shortfall).dropna()
    if len(known) < 2:
        raise InsufficientHistoryError("a test of expected shortfall needs two sessions or more")
    _check_limits(known)
    beyond = known[known["returns"] < known["limit"]]
    losses = (beyond["returns"] / beyond["shortfall"]).to_numpy()
    expected = level * len(known)
    statistic = 1 - float(losses.sum()) / expected
    sums = _resampled_sums(losses, len(known), level, reps, seed) if simulated is None else simulated.losses.sum(axis=1)
    drawn = 1 - sums / expected
    below, above = _mid_pvalue(-statistic, -drawn), _mid_pvalue(statistic, drawn)
    ratio = float(beyond["returns"].mean() / beyond["shortfall"].mean()) if len(beyond) else float("nan")
    return ShortfallTest(level, len(known), len(beyond), ratio, statistic, min(1.0, 2 * min(below, above)))


def _resampled_sums(losses: np.ndarray, sessions: int, level: float, reps: int, seed: int) -> np.ndarray:
    """Draw sums of a binomial number of losses, resampled from the observed ones over their mean."""
    random = np.random.default_rng(seed)
    counts = random.binomial(sessions, level, reps)
    # Without an exceedance there is no loss to resample; each then counts as the shortfall itself.
    pool = losses / losses.mean() if len(losses) else np.ones(1)
    drawn = random.choice(pool, (reps, int(counts.max(initial=1))))
    return np.asarray(np.where(np.arange(drawn.shape[1]) < counts[:, None], drawn, 0.0).sum(axis=1))


def fissler_ziegel(returns: pd.Series, limit: pd.Series, shortfall: pd.Series, level: float) -> pd.Series:
    """Loss of a pair of value at risk and expected shortfall; lower is better, compare by `diebold_mariano`.

    Parameters
    ----------
    returns, limit, shortfall : Series of shape (n_sessions,)
        Daily returns, value at risk and expected shortfall of the same sessions, all as returns (limits are negative).
    level : float
        Tail probability of the limit.

    Returns
    -------
    Series of shape (n_sessions,)
        NaN where any of the three is missing.

    Raises
    ------
    ParameterError
        For limits or shortfalls that are not negative, and shortfalls above their limit.

    References
    ----------
    Fissler and Ziegel (2016), Annals of Statistics 44; the homogeneous form of Patton, Ziegel and Chen (2019), Dynamic
    Semiparametric Models for Expected Shortfall (and Value-at-Risk), Journal of Econometrics 211, eq. 6.
    """
    check_tail(level)
    known = aligned(returns=returns, limit=limit, shortfall=shortfall)
    _check_limits(known)
    beyond = (known["limit"] - known["returns"]).clip(lower=0)
    loss = -beyond / (level * known["shortfall"]) + known["limit"] / known["shortfall"]
    return (loss + np.log(-known["shortfall"]) - 1).rename("fissler_ziegel")


def _check_limits(known: pd.DataFrame) -> None:
    if (known[["limit", "shortfall"]] >= 0).to_numpy().any():
        raise ParameterError("limit and shortfall are returns below zero; change their signs")
    if (known["shortfall"] > known["limit"]).any():
        raise ParameterError("a shortfall is a smaller loss than its limit; pass the mean return beyond the limit")


def _kupiec(count: Any, n: int, level: float) -> np.ndarray:
    """Likelihood ratio of a number of exceedances; never below zero but for rounding."""
    count = np.asarray(count)
    return np.maximum(0.0, 2 * (_bernoulli(count, n, count / n) - _bernoulli(count, n, level)))


def _independence(both: Any, before: Any, after: Any, n: int) -> np.ndarray:
    """Likelihood ratio of the transitions: `both` exceedances in a row, `before` and `after` over all pairs."""
    both, before, after = (np.asarray(count) for count in (both, before, after))
    calm, calm_hit = n - 1 - before, after - both
    free = _bernoulli(calm_hit, calm, calm_hit / np.maximum(calm, 1))
    free = free + _bernoulli(both, before, both / np.maximum(before, 1))
    return np.maximum(0.0, 2 * (free - _bernoulli(after, n - 1, after / (n - 1))))


def _bernoulli(hits: np.ndarray, n: Any, probability: Any) -> np.ndarray:
    """Log-likelihood of `hits` in `n` draws, with 0 ln 0 = 0."""
    return np.asarray(special.xlogy(hits, probability) + special.xlog1py(n - hits, -np.asarray(probability)))


def _binomial_pvalue(statistic: float, n: int, level: float) -> float:
    counts = np.arange(n + 1)
    weights = stats.binom.pmf(counts, n, level)
    return _mid_pvalue(statistic, _kupiec(counts, n, level), weights)


def _mid_pvalue(statistic: float, simulated: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Share of the statistics that are larger, plus half the share that is equal up to rounding."""
    equal = np.isclose(simulated, statistic, rtol=1e-9, atol=1e-9)
    counted = np.where(equal, 0.5, simulated > statistic)
    share = counted.mean() if weights is None else counted @ weights
    return float(min(1.0, share))


@lru_cache(maxsize=512)
def _independent_statistics(n: int, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Statistics of independence, and of both together, of independent exceedances."""
    random = np.random.default_rng(0)
    chunks = [random.random((min(250, SIMULATIONS - begin), n)) < level for begin in range(0, SIMULATIONS, 250)]
    number, free = np.concatenate([_coverage_statistics(chunk, level) for chunk in chunks], axis=1)
    return free, free + number


def _coverage_statistics(hit: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Statistics of the number and of the independence of each row of exceedances."""
    (series, n), places = hit.shape, np.flatnonzero(hit)
    number = np.bincount(places // n, minlength=series)
    # Few are exceeded: what follows an exceedance is looked up, not summed over all sessions.
    inner = places[places % n < n - 1]
    both = np.bincount(inner // n, hit.ravel()[inner + 1], minlength=series)
    free = _independence(both, number - hit[:, -1], number - hit[:, 0], n)
    return _kupiec(number, n, level), free


def _dynamic_statistic(hit: np.ndarray, limit: StepLimits, level: float) -> np.ndarray:
    """Wald statistic of each row of exceedances, shape (n_series, n_sessions); limits of all rows or of each."""
    (series, n), flags, exceeded = hit.shape, hit.ravel(), np.flatnonzero(hit)
    number, session = np.divmod(exceeded, n)
    length, is_shared = n - LAGGED, len(limit.quantile) == 1
    total, squares = limit.sums(LAGGED)
    # Regressors and the outcome in this order: a constant, the limit, exceedances of four sessions before, and of now.
    lags = [*range(1, LAGGED + 1), 0]
    products = np.zeros((series, len(lags) + 2, len(lags) + 2))  # above the diagonal, and on it
    products[:, 0, 0], products[:, 0, 1], products[:, 1, 1] = length, total, squares
    # Sums over the exceedances, which are few, in place of all sessions; their mean is subtracted from the sums.
    follows = np.diff(exceeded, prepend=-n, append=2 * hit.size) <= LAGGED
    near = follows[1:] | follows[:-1]  # the others are no product of two
    for row, lag in enumerate(lags, 2):
        inside = (session >= LAGGED - lag) & (session < n - lag)
        by, now = number[inside], session[inside] + lag
        count = np.bincount(by, minlength=series)
        products[:, 0, row] = count - level * length
        products[:, 1, row] = np.bincount(by, limit.at(0 if is_shared else by, now), series) - level * total
        inside &= near
        at, by = exceeded[inside] + lag, number[inside]
        for column, other in enumerate(lags[: row - 1], 2):
            both = count if other == lag else np.bincount(by[flags[at - other]], minlength=series)
            shift = level * (products[:, 0, row] + products[:, 0, column] + level * length)
            products[:, column, row] = both - shift
    # Gaussian elimination of the regressors from the outcome, of all series at once.
    explained, sizes = np.zeros(series), np.einsum("rkk->rk", products).copy()
    for row in range(len(lags) + 1):
        pivot, line = products[:, row, row], products[:, row, row + 1 :]
        # A constant limit, or no exceedance among the lags, leaves a regressor that the others explain: it is left out.
        is_free = pivot > SAME_REGRESSOR * sizes[:, row]
        scaled = np.divide(line, pivot[:, None], out=np.zeros_like(line), where=is_free[:, None])
        explained += scaled[:, -1] * line[:, -1]
        products[:, row + 1 :, row + 1 :] -= scaled[:, :, None] * line[:, None, :]
    return explained / (level * (1 - level))
