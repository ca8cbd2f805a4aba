"""Covariance forecasters of other libraries, each a generator over origins, with the forecast at the close of each.

A peer is a function of daily *simple* returns (sessions x assets, decimals, NaN before a listing) and of the origins,
which yields an origin and the daily covariance in decimals squared that it forecasts with the rows up to it. Means are
zero if the library allows it. Nothing is filled: a library that cannot handle missing returns, or fills them with
zeros, gets the sessions from the last listing on.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

Forecasts = Iterator[tuple[pd.Timestamp, pd.DataFrame]]

PERCENT = 100.0
"""Scale of the returns that `arch` is given: its optimiser is lost among numbers as small as daily variances."""
YEAR = 252
EXPERTS = ((10, 21), (21, 63), (63, 125))
"""Half-lives of volatility and correlation of CM-IEWMA's experts, those of cvxcovariance's own example."""
SLOW_EXPERTS = ((125, 250), (250, 500))


def complete(returns: pd.DataFrame) -> pd.DataFrame:
    """Return the sessions since all assets have returns."""
    return returns.loc[returns.apply(pd.Series.first_valid_index).max() :]


def ewma(returns: pd.DataFrame, origins: pd.DatetimeIndex, decay: float = 0.94) -> Forecasts:
    """RiskMetrics: one exponential decay for variances and covariances."""
    rows = complete(returns)
    wanted, sigma = set(origins), np.zeros((rows.shape[1],) * 2)
    for count, (session, r) in enumerate(zip(rows.index, rows.to_numpy(), strict=True), start=1):
        sigma = decay * sigma + (1 - decay) * np.outer(r, r)
        if session in wanted:
            yield session, _labelled(sigma / (1 - decay**count), rows.columns)


def ledoit_wolf(returns: pd.DataFrame, origins: pd.DatetimeIndex, window: int = YEAR) -> Forecasts:
    """Ledoit-Wolf shrinkage of the last year's sample covariance (scikit-learn)."""
    from sklearn.covariance import LedoitWolf

    rows = complete(returns)
    for origin in origins:
        past = rows.loc[:origin].to_numpy()[-window:]
        yield origin, _labelled(LedoitWolf(assume_centered=True).fit(past).covariance_, rows.columns)


def skfolio_ew(returns: pd.DataFrame, origins: pd.DatetimeIndex) -> Forecasts:
    """EWCovariance of skfolio with its default half-life."""
    from skfolio.moments import EWCovariance

    yield from _online(EWCovariance(assume_centered=True), returns, origins)


def skfolio_regime(returns: pd.DataFrame, origins: pd.DatetimeIndex) -> Forecasts:
    """RegimeAdjustedEWCovariance of skfolio, half-lives 21 (variance) and 63 (correlation)."""
    from skfolio.moments import RegimeAdjustedEWCovariance

    yield from _online(RegimeAdjustedEWCovariance(half_life=21, corr_half_life=63), returns, origins)


def iewma(returns: pd.DataFrame, origins: pd.DatetimeIndex) -> Forecasts:
    """IEWMA of cvxcovariance, half-lives 21 and 63."""
    from cvx.covariance.ewma import iterated_ewma

    wanted = set(origins)
    for result in iterated_ewma(complete(returns), vola_halflife=21, cov_halflife=63):
        if result.time in wanted:
            yield result.time, result.covariance


def cm_iewma_slow(returns: pd.DataFrame, origins: pd.DatetimeIndex) -> Forecasts:
    """CM-IEWMA of cvxcovariance with the experts of its example and two slower ones."""
    yield from cm_iewma(returns, origins, [*EXPERTS, *SLOW_EXPERTS])


def cm_iewma(
    returns: pd.DataFrame, origins: pd.DatetimeIndex, experts: Sequence[tuple[int, int]] = EXPERTS
) -> Forecasts:
    """CM-IEWMA: iterated EWMAs combined, weights found anew each session over the last ten (cvxcovariance)."""
    from cvx.covariance.combination import from_ewmas

    rows = complete(returns)
    count = rows.shape[1]
    combinator = from_ewmas(rows, list(experts), min_periods_vola=count, min_periods_cov=3 * count)
    sessions = rows.index[rows.index.slice_indexer(origins[0], origins[-1])]
    wanted = set(origins)
    for result in combinator.solve(window=10, times=sessions):
        if result is None:
            raise RuntimeError("cvxcovariance's solver did not converge")
        if result.time in wanted:
            yield result.time, result.covariance


def precise_dcc(returns: pd.DataFrame, origins: pd.DatetimeIndex) -> Forecasts:
    """DCCCovariance of precise with its default decays."""
    yield from _precise({}, returns, origins)


def precise_dcc_slow(returns: pd.DataFrame, origins: pd.DatetimeIndex) -> Forecasts:
    """DCCCovariance of precise, half-lives 21 (variance) and 63 (correlation)."""
    yield from _precise({"r": 1 - 0.5 ** (1 / 63), "vol_r": 1 - 0.5 ** (1 / 21)}, returns, origins)


def gjr_constant_correlation(returns: pd.DataFrame, origins: pd.DatetimeIndex, horizon: int = 21) -> Forecasts:
    """GJR-GARCH(1,1,1)-t of each asset (arch) and the constant correlation of its standardised residuals.

    Estimated at the end of each year on all returns so far, mean zero; between, parameters are constant and variances
    move. The variance is the mean forecast over the horizon.
    """
    years = origins.to_period("Y")
    for year in years.unique():
        own = origins[years == year]
        known = returns.loc[: own[-1]]
        fits = {asset: _gjr(known[asset].dropna(), own[0], horizon) for asset in known}
        variance = pd.DataFrame({asset: fit[0] for asset, fit in fits.items()})
        residuals = pd.DataFrame({asset: fit[1] for asset, fit in fits.items()})
        rho = _correlation(residuals[residuals.index < own[0]])
        for origin in own:
            sigma = np.sqrt(variance.loc[origin].to_numpy()) / PERCENT
            yield origin, _labelled(rho * np.outer(sigma, sigma), returns.columns)


@dataclass(frozen=True)
class Peer:
    """A generator of forecasts, and its library: the name of the distribution and of a module.

    If `by_horizon`, its forecasts depend on the horizon, its third argument.
    """

    walk_forward: Callable[..., Forecasts]
    library: str
    module: str
    by_horizon: bool = False

    def forecasts(self, returns: pd.DataFrame, origins: pd.DatetimeIndex, horizon: int) -> Forecasts:
        """Walk over the origins."""
        return self.walk_forward(returns, origins, horizon) if self.by_horizon else self.walk_forward(returns, origins)


PEERS: dict[str, Peer] = {
    "EWMA94": Peer(ewma, "numpy", "numpy"),
    "Ledoit-Wolf 252 (scikit-learn)": Peer(ledoit_wolf, "scikit-learn", "sklearn"),
    "EWCovariance (skfolio)": Peer(skfolio_ew, "skfolio", "skfolio"),
    "RegimeAdjustedEW 21/63 (skfolio)": Peer(skfolio_regime, "skfolio", "skfolio"),
    "IEWMA 21/63 (cvxcovariance)": Peer(iewma, "cvxcovariance", "cvx"),
    "CM-IEWMA (cvxcovariance)": Peer(cm_iewma, "cvxcovariance", "cvx"),
    "CM-IEWMA, 5 experts (cvxcovariance)": Peer(cm_iewma_slow, "cvxcovariance", "cvx"),
    "DCC (precise)": Peer(precise_dcc, "precise", "precise"),
    "DCC 21/63 (precise)": Peer(precise_dcc_slow, "precise", "precise"),
    "GJR-t + constant correlation (arch)": Peer(gjr_constant_correlation, "arch", "arch", by_horizon=True),
}


def _labelled(sigma: np.ndarray, assets: pd.Index) -> pd.DataFrame:
    return pd.DataFrame(sigma, index=assets, columns=assets)


def _online(estimator, returns: pd.DataFrame, origins: pd.DatetimeIndex) -> Forecasts:
    """Update a skfolio estimator, which handles late listings, session by session."""
    begin = returns.index.get_loc(origins[0])
    estimator.fit(returns.iloc[: begin + 1])
    wanted = set(origins)
    yield origins[0], _labelled(estimator.covariance_, returns.columns)
    for place in range(begin + 1, returns.index.get_loc(origins[-1]) + 1):
        estimator.partial_fit(returns.iloc[place : place + 1])
        if returns.index[place] in wanted:
            yield returns.index[place], _labelled(estimator.covariance_, returns.columns)


def _precise(settings: dict[str, float], returns: pd.DataFrame, origins: pd.DatetimeIndex) -> Forecasts:
    from precise import DCCCovariance

    rows, estimator, wanted = complete(returns), DCCCovariance(**settings), set(origins)
    for session, r in zip(rows.index, rows.to_numpy(), strict=True):
        estimator.partial_fit(r)
        if session in wanted:
            yield session, _labelled(estimator.covariance_, rows.columns)


def _gjr(returns: pd.Series, start: pd.Timestamp, horizon: int) -> tuple[pd.Series, pd.Series]:
    """Mean variance forecast by origin from `start` on, and standardised residuals, of one asset in percent."""
    from arch import arch_model

    settings = {"mean": "Zero", "vol": "GARCH", "p": 1, "o": 1, "q": 1, "dist": "t", "rescale": False}
    past = returns[returns.index < start] * PERCENT
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # convergence is seen in the figures
        fit = arch_model(past, **settings).fit(disp="off")
    fixed = arch_model(returns * PERCENT, **settings).fix(fit.params)
    ahead = fixed.forecast(horizon=horizon, start=start, reindex=False).variance
    return ahead.mean(axis=1), fixed.resid / fixed.conditional_volatility


def _correlation(residuals: pd.DataFrame) -> np.ndarray:
    """Pairwise correlation, repaired where unequal histories made it indefinite."""
    values, vectors = np.linalg.eigh(residuals.corr().to_numpy())
    repaired = (vectors * np.maximum(values, 1e-6)) @ vectors.T
    scale = np.sqrt(np.diagonal(repaired))
    return repaired / np.outer(scale, scale)
