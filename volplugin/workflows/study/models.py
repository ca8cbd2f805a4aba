"""Covariance forecasts from the seed's volatilities, Sigma = diag(sigma) rho diag(sigma), for several rho."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd

from volplugin.correlation import CorrelationEstimator
from volplugin.evaluation import realized_variance
from volplugin.risk.covariance import CovarianceForecast
from volplugin.volatility.base import State
from volplugin.volatility.lstm.seed import forward_volatility
from volplugin.workflows.study.result import CURRENT, KNOWN, SEED
from volplugin.workflows.study.sample import Sample

CorrelationAt = Callable[[pd.Timestamp], pd.DataFrame]


def seed_volatility(sample: Sample, networks: Mapping[str, State]) -> tuple[pd.DataFrame, int]:
    """Return the forecasts of all networks at all origins, and the number of raised ones.

    A linear output can be negative: values below the smallest target of a stock's training part are raised to it.

    Returns
    -------
    volatility : DataFrame of shape (n_origins, n_assets)
        Daily.
    raised : int
    """
    raw = pd.DataFrame({name: networks[name]["forecast"] for name in sample.returns}, index=sample.origins)
    targets = forward_volatility(sample.returns.to_numpy(), sample.settings.horizon)
    training, _ = sample.settings.split(len(targets))
    least = pd.Series(targets[training].min(axis=0), index=raw.columns)
    return raw.clip(lower=least, axis=1), int((raw < least).to_numpy().sum())


def level(sample: Sample, volatility: pd.DataFrame) -> pd.Series:
    """Return the factor per stock that sets the mean of realised over forecast variance to 1 on the training part.

    Only origins whose outcome is complete at the first test origin are used.
    """
    known = sample.training[: 1 - sample.settings.horizon]
    outcome = realized_variance(sample.returns, sample.settings.horizon).loc[known]
    return np.sqrt((outcome / volatility.loc[known] ** 2).mean())


def seed_forecasts(
    volatility: pd.DataFrame, correlation: CorrelationAt, origins: pd.DatetimeIndex, horizon: int
) -> Iterator[CovarianceForecast]:
    """Yield Sigma for each origin, from its row of `volatility` and from ``correlation(origin)``."""
    for origin in origins:
        yield CovarianceForecast(origin, horizon, volatility.loc[origin], correlation(origin))


def correlations(sample: Sample, estimator: CorrelationEstimator) -> dict[str, CorrelationAt]:
    """Return three correlations as functions of the origin: of the whole sample, and two of the sessions so far.

    Parameters
    ----------
    sample : Sample
    estimator : CorrelationEstimator
        The causal model's estimator, applied to plain returns.
    """
    returns = sample.returns
    whole = returns.corr()
    return {
        SEED: lambda origin: whole,
        KNOWN: lambda origin: returns.loc[:origin].corr(),
        CURRENT: lambda origin: estimator.estimate(returns.loc[:origin]),
    }
