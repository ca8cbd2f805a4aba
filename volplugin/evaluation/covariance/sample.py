"""The sample of a covariance evaluation: the same origins, assets and returns for all models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from volplugin.data.panel import PricePanel
from volplugin.errors import AssetMismatchError, InsufficientHistoryError, ParameterError
from volplugin.evaluation.covariance.path import CovariancePath
from volplugin.evaluation.forecasts import ReturnKind, returns_after
from volplugin.units import TRADING_DAYS

MIN_ASSETS = 2
"""Fewest assets of an origin that is evaluated."""


@dataclass(frozen=True, eq=False)
class EvaluationSample:
    """Origins with the returns that followed.

    Attributes
    ----------
    origins : DatetimeIndex of shape (n_origins,)
    places : ndarray of int, shape (n_origins,)
        Number of each origin's session in the panel.
    assets : Index of shape (n_assets,)
    here : ndarray of bool, shape (n_origins, n_assets)
        Assets with a forecast of every model and all returns of the horizon.
    returns : ndarray of shape (n_origins, horizon, n_assets)
        Daily returns of the sessions after each origin; zero for assets that take no part.
    left_out : int
        Asset-origins with an outcome that some models, but not all, had a forecast for.
    periods : float
        Sessions per year, for annual figures.
    """

    origins: pd.DatetimeIndex
    places: np.ndarray
    assets: pd.Index
    here: np.ndarray
    returns: np.ndarray
    left_out: int
    periods: float = TRADING_DAYS

    @property
    def horizon(self) -> int:
        """Sessions that each forecast covers."""
        return self.returns.shape[1]


def evaluation_sample(
    paths: Mapping[str, CovariancePath], panel: PricePanel, horizon: int, kind: ReturnKind = "simple"
) -> EvaluationSample:
    """Select the origins and assets that all paths have, with the returns that followed.

    Parameters
    ----------
    paths : mapping of model name to CovariancePath
    panel : PricePanel
        Prices through the last origin's horizon; origins whose outcome is not complete are left out.
    horizon : int
        Sessions that each forecast covers.
    kind : {"simple", "log"}, default "simple"
        Of the returns; a portfolio's return is a weighted mean of simple ones.

    Raises
    ------
    AssetMismatchError
        If the paths have no two assets in common with each other and the panel.
    InsufficientHistoryError
        If no origin common to all has a forecast and an outcome of two assets.
    """
    if not paths:
        raise ParameterError("nothing to evaluate: pass at least one path of covariances")
    if horizon < 1 or kind not in ("simple", "log"):
        raise ParameterError(f"horizon is {horizon}, kind {kind!r}; pass sessions from 1 on, and 'simple' or 'log'")
    assets, origins = panel.assets, panel.sessions
    for path in paths.values():
        assets, origins = assets[assets.isin(path.assets)], origins[origins.isin(path.origins)]
    if len(assets) < MIN_ASSETS:
        raise AssetMismatchError(f"{', '.join(paths)} and the panel have {len(assets)} assets in common")
    places = panel.sessions.get_indexer(origins)
    returns = returns_after(panel.returns[assets].to_numpy(), places, horizon)
    if kind == "simple":
        returns = np.expm1(returns)
    complete = np.isfinite(returns).all(axis=1)
    known = [path.known(origins, assets) & complete for path in paths.values()]
    here = np.logical_and.reduce(known)
    rows = here.sum(axis=1) >= MIN_ASSETS
    if not rows.any():
        raise InsufficientHistoryError(
            f"no origin has forecasts of {', '.join(paths)} and all {horizon} returns after it, for two assets"
        )
    left_out = int((np.logical_or.reduce(known) & ~(here & rows[:, None])).sum())
    returns = np.where(here[:, None, :], returns, 0.0)
    each = origins[rows], places[rows], assets, here[rows], returns[rows]
    return EvaluationSample(*each, left_out, panel.periods_per_year)
