"""Walk forecasters and risk models over dates: every session an origin, each seeing only its past."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import pandas as pd

from volplugin.errors import AssetMismatchError, InsufficientHistoryError, ParameterError
from volplugin.panel import PricePanel

if TYPE_CHECKING:
    from volplugin.covariance import CovarianceForecast

ReturnKind = Literal["simple", "log"]
Step = Callable[[str], None]
"""Told what was just finished, for a progress bar."""


class WalksVolatility(Protocol):
    """Anything with the `predict_path` of a volatility forecaster."""

    def predict_path(
        self, panel: PricePanel, start: str | pd.Timestamp, end: str | pd.Timestamp, horizon: int = 21
    ) -> pd.DataFrame:
        """Forecasts, sessions x assets; each row made with data through its session."""


class WalksCovariance(Protocol):
    """Anything with the `forecast_path` of a risk model."""

    def forecast_path(
        self, panel: PricePanel, sessions: pd.DatetimeIndex, horizon: int = 21
    ) -> Iterator[CovarianceForecast]:
        """One forecast a session, each made with data through it."""


@dataclass(frozen=True, eq=False)
class PortfolioForecasts:
    """Forecast volatility of one book from every origin, and the returns that followed.

    Attributes
    ----------
    predicted : Series of shape (n_origins,)
        *Daily* volatility over the `horizon` sessions after each origin.
    returns : Series of shape (n_sessions,)
        The book's daily returns by session, from the session after the first origin on.
    horizon : int
        Sessions that each forecast covers.
    kind : {"simple", "log"}
        Of the returns.
    """

    predicted: pd.Series
    returns: pd.Series
    horizon: int
    kind: ReturnKind = "simple"


def forecast_table(
    models: Mapping[str, WalksVolatility],
    panel: PricePanel,
    start: str | pd.Timestamp,
    end: str | pd.Timestamp,
    horizons: Iterable[int] = (1, 5, 21),
    step: Step | None = None,
) -> pd.DataFrame:
    """Forecasts of several models from every session between two dates.

    Parameters
    ----------
    models : mapping of name to forecaster
        Ready to answer at `start`; walk-forward vintages answer each at their own dates.
    panel : PricePanel
        Prices through `end` or later; the row of session `t` uses data through `t` only.
    start, end : date
        First and last origin.
    horizons : iterable of int, default (1, 5, 21)
        Sessions covered.
    step : callable, optional
        Called with a label after each model and horizon.

    Returns
    -------
    DataFrame of shape (n_origins, n_models * n_horizons * n_assets)
        Daily volatility in decimals, columns (model, horizon, asset); NaN without a forecast.
    """
    columns: dict[tuple[str, int], pd.DataFrame] = {}
    for horizon in horizons:
        for name, model in models.items():
            columns[name, horizon] = model.predict_path(panel, start, end, horizon)
            if step is not None:
                step(f"{name}, {horizon} sessions")
    if not columns:
        raise ParameterError("nothing to forecast: pass at least one model and one horizon")
    return pd.concat(columns, axis=1, names=["model", "horizon", "asset"])


def portfolio_forecasts(
    model: WalksCovariance,
    panel: PricePanel,
    weights: pd.Series | None = None,
    start: str | pd.Timestamp | None = None,
    end: str | pd.Timestamp | None = None,
    horizon: int = 21,
    kind: ReturnKind = "simple",
) -> PortfolioForecasts:
    """Forecast one book's volatility from every session between two dates.

    Parameters
    ----------
    model : RiskModel
        Asked through `forecast_path`.
    panel : PricePanel
        Prices; those after an origin serve the book's returns only.
    weights : Series, optional
        Weight by asset, restored each session. Equal weight in every asset with a forecast if not given.
    start, end : date, optional
        First and last origin; the panel's own if not given.
    horizon : int, default 21
        Sessions covered.
    kind : {"simple", "log"}, default "simple"
        Whether the book's returns are simple or the logarithm of one plus that.

    Raises
    ------
    MissingForecastError
        If a given nonzero weight stands on an asset without a forecast.
    InsufficientHistoryError
        If no session lies between the dates.
    """
    origins = panel.sessions[panel.sessions.slice_indexer(start, end)]
    if len(origins) == 0:
        raise InsufficientHistoryError(f"no session between {start} and {end} in {panel!r}")
    predicted, held = {}, {}
    for forecast in model.forecast_path(panel, origins, horizon):
        book = weights if weights is not None else equal_weights(forecast.assets)
        predicted[forecast.asof] = forecast.portfolio_volatility(book)
        held[forecast.asof] = book
    books = pd.DataFrame.from_dict(held, orient="index").reindex(columns=panel.assets).fillna(0.0)
    returns = book_returns(panel.returns, books, kind)
    return PortfolioForecasts(pd.Series(predicted, name="predicted"), returns, horizon, kind)


def book_returns(log_returns: pd.DataFrame, books: pd.DataFrame, kind: ReturnKind = "simple") -> pd.Series:
    """Daily returns of books restored at each session's close; the last one stands from then on.

    Parameters
    ----------
    log_returns : DataFrame of shape (n_sessions, n_assets)
        Daily log returns, NaN where missing.
    books : DataFrame of shape (n_origins, n_assets)
        Weights decided at the close of each origin; they earn from the next session on.
    kind : {"simple", "log"}
        Of the result.

    Returns
    -------
    Series
        From the session after the first origin; NaN where an asset held has no return.
    """
    missing = books.columns.difference(log_returns.columns)
    if len(missing):
        raise AssetMismatchError(f"the book holds {missing[0]}, which the panel does not have")
    if kind not in ("simple", "log"):
        raise ParameterError(f"kind is {kind!r}; choose 'simple' or 'log'")
    sessions = log_returns.index
    held = books.reindex(sessions).ffill().shift(1).loc[sessions > books.index[0]]
    weights = held.to_numpy()
    earned = np.expm1(log_returns.loc[held.index, books.columns].to_numpy())
    # An asset that is not held may miss its return; one that is held makes the book's return unknown.
    total = np.where(weights == 0, 0.0, weights * earned).sum(axis=1)
    return pd.Series(np.log1p(total) if kind == "log" else total, index=held.index, name="returns")


def equal_weights(assets: Iterable[str]) -> pd.Series:
    """Fully invested book with the same weight in each asset."""
    names = list(assets)
    return pd.Series(1.0 / len(names), index=names)
