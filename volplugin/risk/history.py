"""Forecasts over any range of dates, without a backtest: volatilities, Sigma, portfolio risk, and their export.

Prices come as a `PricePanel`, from a bundle (`read_bundle`) or from DataFrames. Units: daily, as everywhere, except
where `risk_history` says annual. Timing: the row of a session uses data up to its close, and covers the `horizon`
sessions after it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import pandas as pd

from volplugin.data.panel import PricePanel, as_moment
from volplugin.errors import (
    AssetMismatchError,
    InsufficientHistoryError,
    MissingLibraryError,
    ParameterError,
    WeightsError,
)
from volplugin.risk.covariance import CovarianceForecast, Weights, as_weights
from volplugin.storage.atomic import write_atomically
from volplugin.units import annualize, deannualize

Date: TypeAlias = str | pd.Timestamp


class ForecastsPath(Protocol):
    """Anything with the `forecast_path` of a `RiskModel`."""

    def forecast_path(
        self, panel: PricePanel, sessions: pd.DatetimeIndex, horizon: int = 21, view: str = "risk"
    ) -> Iterator[CovarianceForecast]:
        """One forecast a session, each made with data through it."""


def forecast_history(
    model: ForecastsPath,
    panel: PricePanel,
    start: Date | None = None,
    end: Date | None = None,
    horizon: int = 21,
    *,
    every: int = 1,
    view: str = "risk",
) -> Iterator[CovarianceForecast]:
    """Forecast from the sessions between two dates, one after the other.

    Parameters
    ----------
    model : RiskModel
        Fitted, or with a walk-forward, which uses each vintage at its own dates.
    panel : PricePanel
        Prices from well before `start`.
    start, end : date, optional
        First and last origin; the panel's own if not given.
    horizon : int, default 21
        Sessions that each forecast covers.
    every : int, default 1
        Sessions from one origin to the next: 21 for one a month.
    view : {"risk", "structure"}, default "risk"
        For total risk, or for an optimiser.

    Yields
    ------
    CovarianceForecast
        Of the assets that can be forecast at its session.

    Raises
    ------
    InsufficientHistoryError
        If no session lies between the dates.
    ParameterError
        If `every` is less than one.
    """
    if not isinstance(every, int | np.integer) or every < 1:
        raise ParameterError(f"every is {every}; pass the sessions from one forecast to the next, 1 or more")
    bounds = [None if date is None else as_moment(date) for date in (start, end)]
    origins = panel.sessions[panel.sessions.slice_indexer(*bounds)][::every]
    if origins.empty:
        raise InsufficientHistoryError(f"no session between {start} and {end} in {panel!r}; move the dates")
    return model.forecast_path(panel, origins, horizon, view)


def volatility_history(
    model: ForecastsPath,
    panel: PricePanel,
    start: Date | None = None,
    end: Date | None = None,
    horizon: int = 21,
    *,
    every: int = 1,
) -> pd.DataFrame:
    """Forecast volatility of every asset; arguments and errors as of `forecast_history`.

    Returns
    -------
    DataFrame of shape (n_origins, n_assets)
        *Daily* volatility, NaN where an asset cannot be forecast.
    """
    rows = {f.asof: f.volatility for f in forecast_history(model, panel, start, end, horizon, every=every)}
    return _by_session(rows, panel.assets)


def covariance_history(
    model: ForecastsPath,
    panel: PricePanel,
    start: Date | None = None,
    end: Date | None = None,
    horizon: int = 21,
    *,
    every: int = 1,
    view: str = "risk",
) -> pd.DataFrame:
    """Sigma at every origin; arguments and errors as of `forecast_history`.

    Returns
    -------
    DataFrame of shape (n_origins * n_assets, n_assets)
        *Daily* covariance by session and asset; ``history.loc["2010-01-29"]`` is the matrix of one session. An asset
        that cannot be forecast at a session has no row there, and NaN in its column.
    """
    forecasts = forecast_history(model, panel, start, end, horizon, every=every, view=view)
    matrices = {f.asof: f.covariance for f in forecasts}
    history = pd.concat(matrices, names=["session", "asset"])
    return history[[asset for asset in panel.assets if asset in history]]


def risk_history(
    model: ForecastsPath,
    panel: PricePanel,
    weights: Weights | pd.DataFrame | None = None,
    start: Date | None = None,
    end: Date | None = None,
    horizon: int = 21,
    *,
    every: int = 1,
    view: str = "risk",
    periods: float | None = None,
) -> pd.DataFrame:
    """Forecast portfolio risk and its split over the assets; other arguments as in `forecast_history`.

    Parameters
    ----------
    weights : Series, mapping or DataFrame, optional
        One portfolio for all dates, or a row for each date on which it changes, which holds until the next row.
        If None, equal weights of the assets that can be forecast.
    periods : float, optional
        Sessions per year; by default of the panel's calendar.

    Returns
    -------
    DataFrame, columns (what, asset)
        ``("book", "predicted_vol")`` is the *annual* volatility forecast of the portfolio;
        ``history["contribution"]`` splits it over the assets, and sums to it; ``history["weight"]`` has the weights.
        With ``horizon=1`` and ``every=1`` also ``("book", "returns")``, the simple return in the row's session of the
        portfolio decided at the session before, and ``("book", "volatility")``, its *daily* volatility forecast then:
        ``history["book"]`` is the ``history=`` of `CovarianceForecast.value_at_risk`.

    Raises
    ------
    MissingForecastError
        If an asset with a nonzero weight has no forecast.
    AssetMismatchError
        If the panel does not have an asset with a weight.
    InsufficientHistoryError
        If no session lies between the dates, or the first origin lies before the first portfolio.
    """
    portfolios, contributions, periods = {}, {}, periods or panel.periods_per_year
    for forecast in forecast_history(model, panel, start, end, horizon, every=every, view=view):
        portfolio = _portfolio(weights, forecast, panel)
        portfolios[forecast.asof] = portfolio
        contributions[forecast.asof] = annualize(forecast.risk_contributions(portfolio), periods)
    parts = {"contribution": contributions, "weight": portfolios}
    tables = {name: _by_session(rows, panel.assets).fillna(0.0) for name, rows in parts.items()}
    total = tables["contribution"].sum(axis=1).to_frame("predicted_vol")
    if horizon == every == 1:
        held = tables["weight"].shift(1)
        earned = np.expm1(panel.returns.reindex(index=held.index, columns=held.columns))
        total["returns"] = (held * earned).where(held != 0, 0.0).where(held.notna()).sum(axis=1, skipna=False)
        total["volatility"] = deannualize(total["predicted_vol"], periods).shift(1)
    return pd.concat({"book": total, **tables}, axis=1, names=["what", "asset"])


def write_parquet(history: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write a history as a Parquet file, whole or not at all; ``pandas.read_parquet`` gives the same frame back.

    Raises
    ------
    MissingLibraryError
        If pyarrow is not installed, with what to install.
    """
    content = BytesIO()
    try:
        history.to_parquet(content, engine="pyarrow")
    except ImportError as error:
        raise MissingLibraryError(
            f"{path}: writing Parquet takes pyarrow; pip install 'volplugin[parquet]', or use to_csv or to_pickle"
        ) from error
    return write_atomically(path, content.getvalue())


def _portfolio(weights: Weights | pd.DataFrame | None, forecast: CovarianceForecast, panel: PricePanel) -> pd.Series:
    if weights is None:
        return pd.Series(1 / len(forecast.assets), index=forecast.assets)
    if isinstance(weights, pd.DataFrame):
        weights = _standing(weights, forecast.asof)
    portfolio = as_weights(weights)
    strange = portfolio.index.difference(panel.assets)
    if len(strange):
        raise AssetMismatchError(f"the portfolio holds {strange[0]}, which {panel!r} does not have")
    return portfolio


def _standing(portfolios: pd.DataFrame, asof: pd.Timestamp) -> pd.Series:
    """Return the newest portfolio decided by a date; an asset without a weight in it is not held."""
    if not isinstance(portfolios.index, pd.DatetimeIndex):
        raise WeightsError("the rows of the weights are no dates; pass a Series by asset, or sessions x assets")
    decided = portfolios.index[portfolios.index <= asof]
    if decided.empty:
        raise InsufficientHistoryError(
            f"no portfolio by {asof.date()}: the first is of {portfolios.index.min().date()}"
        )
    return portfolios.loc[decided.max()].fillna(0.0)


def _by_session(rows: dict[pd.Timestamp, pd.Series], assets: pd.Index) -> pd.DataFrame:
    return pd.DataFrame.from_dict(rows, orient="index").reindex(columns=assets).rename_axis(index="session")
