"""Forecasts from every session between two dates, and the returns over which each forecast is in force."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import pandas as pd

from volplugin.data.checks import as_moment
from volplugin.data.panel import PricePanel
from volplugin.errors import AssetMismatchError, InsufficientHistoryError, ParameterError, require_type
from volplugin.evaluation.inputs import check_zones, checked_frame
from volplugin.units import TRADING_DAYS

if TYPE_CHECKING:
    from volplugin.risk.covariance import CovarianceForecast


ReturnKind = Literal["simple", "log"]
Step = Callable[[str], None]
"""Called with the label of the step just finished, for a progress bar."""


class PredictsVolatilityPath(Protocol):
    """Anything with the `predict_path` of a volatility forecaster."""

    def predict_path(
        self, panel: PricePanel, start: str | pd.Timestamp, end: str | pd.Timestamp, horizon: int = 21
    ) -> pd.DataFrame:
        """Forecasts, sessions x assets; each row made with data through its session."""


class PredictsCovariancePath(Protocol):
    """Anything with the `forecast_path` of a risk model."""

    def forecast_path(
        self, panel: PricePanel, sessions: pd.DatetimeIndex, horizon: int = 21
    ) -> Iterator[CovarianceForecast]:
        """One forecast a session, each made with data through it."""


@dataclass(frozen=True, eq=False)
class PortfolioForecasts:
    """Forecast volatility of one portfolio from every origin, and the returns that followed.

    Attributes
    ----------
    predicted : Series of shape (n_origins,)
        *Daily* volatility over the `horizon` sessions after each origin.
    returns : Series of shape (n_sessions,)
        The portfolio's daily returns by session, from the session after the first origin on.
    horizon : int
        Sessions that each forecast covers.
    kind : {"simple", "log"}
        Of the returns.
    periods : float
        Sessions per year, for annual figures.
    """

    predicted: pd.Series
    returns: pd.Series
    horizon: int
    kind: ReturnKind = "simple"
    periods: float = TRADING_DAYS


def forecast_table(
    models: Mapping[str, PredictsVolatilityPath],
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
        Fitted by `start`; each walk-forward vintage forecasts at its own dates.
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
    require_type(models, Mapping, "models")
    require_type(panel, PricePanel, "panel")
    if isinstance(horizons, int):
        raise ParameterError(f"horizons is {horizons}; pass a list such as [1, 5, 21]")
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
    model: PredictsCovariancePath,
    panel: PricePanel,
    weights: pd.Series | None = None,
    start: str | pd.Timestamp | None = None,
    end: str | pd.Timestamp | None = None,
    horizon: int = 21,
    kind: ReturnKind = "simple",
) -> PortfolioForecasts:
    """Forecast one portfolio's volatility from every session between two dates.

    Parameters
    ----------
    model : RiskModel
        Anything with its `forecast_path`.
    panel : PricePanel
        Prices; prices after an origin enter the portfolio's returns only.
    weights : Series, optional
        Weight by asset, restored each session. Equal weight in every asset with a forecast if not given.
    start, end : date, optional
        First and last origin; the panel's own if not given.
    horizon : int, default 21
        Sessions covered.
    kind : {"simple", "log"}, default "simple"
        Whether the portfolio's returns are simple, or the logarithm of one plus the simple return.

    Raises
    ------
    MissingForecastError
        If an asset with a given nonzero weight has no forecast.
    InsufficientHistoryError
        If no session lies between the dates.
    """
    require_type(panel, PricePanel, "panel")
    if not hasattr(model, "forecast_path"):
        raise ParameterError(f"model is of type {type(model).__name__}; pass a RiskModel, such as default_risk_model()")
    span = (None if date is None else as_moment(date) for date in (start, end))
    origins = panel.sessions[panel.sessions.slice_indexer(*span)]
    if len(origins) == 0:
        raise InsufficientHistoryError(f"no session between {start} and {end} in {panel!r}")
    predicted, held = {}, {}
    for forecast in model.forecast_path(panel, origins, horizon):
        portfolio = weights if weights is not None else equal_weights(forecast.assets)
        predicted[forecast.asof] = forecast.portfolio_volatility(portfolio)
        held[forecast.asof] = portfolio
    portfolios = pd.DataFrame.from_dict(held, orient="index").reindex(columns=panel.assets).fillna(0.0)
    returns = portfolio_returns(panel.returns, portfolios, kind)
    daily = pd.Series(predicted, name="predicted")
    return PortfolioForecasts(daily, returns, horizon, kind, panel.periods_per_year)


def portfolio_returns(log_returns: pd.DataFrame, portfolios: pd.DataFrame, kind: ReturnKind = "simple") -> pd.Series:
    """Daily returns of portfolios rebalanced at each session's close; the last weights hold from then on.

    Parameters
    ----------
    log_returns : DataFrame of shape (n_sessions, n_assets)
        Daily log returns, NaN where missing.
    portfolios : DataFrame of shape (n_origins, n_assets)
        Weights decided at the close of each origin; they earn from the next session on.
    kind : {"simple", "log"}
        Of the result.

    Returns
    -------
    Series
        From the session after the first origin; NaN where an asset held has no return.

    Raises
    ------
    AssetMismatchError
        For an asset that the returns lack.
    ParameterError
        For weights that are infinite, repeated, or of a date that is no session of the returns.
    InsufficientHistoryError
        Without any weights.
    """
    portfolios = checked_frame(portfolios, "portfolios")
    check_zones(portfolios=portfolios, returns=log_returns)
    if portfolios.empty:
        raise InsufficientHistoryError("there is no portfolio; pass the weights of one session or more")
    odd = portfolios.index.difference(log_returns.index)
    if len(odd):
        raise ParameterError(f"{odd[0]} has weights and is no session of the returns; pass the weights of sessions")
    missing = portfolios.columns.difference(log_returns.columns)
    if len(missing):
        raise AssetMismatchError(f"the portfolio holds {missing[0]}, which the panel lacks; remove it from the weights")
    if kind not in ("simple", "log"):
        raise ParameterError(f"kind is {kind!r}; choose 'simple' or 'log'")
    sessions = log_returns.index
    held = portfolios.reindex(sessions).ffill().shift(1).loc[sessions > portfolios.index[0]]
    weights = held.to_numpy()
    earned = np.expm1(log_returns.loc[held.index, portfolios.columns].to_numpy())
    # A missing return of an asset with zero weight does not matter; of any other it makes the portfolio's unknown.
    total = np.where(weights == 0, 0.0, weights * earned).sum(axis=1)
    return pd.Series(np.log1p(total) if kind == "log" else total, index=held.index, name="returns")


def equal_weights(assets: Iterable[str]) -> pd.Series:
    """Fully invested portfolio with the same weight in each asset."""
    names = list(assets)
    return pd.Series(1.0 / len(names), index=names)


@dataclass(frozen=True, eq=False)
class ForecastsInForce:
    """Daily returns and the forecasts in force over them.

    Forecasts renewed every `horizon` sessions can be renewed on `horizon` different days: the phases.

    Attributes
    ----------
    returns : ndarray of shape (n_sessions, n_series)
        Daily returns of the sessions after the first origin.
    volatility : ndarray of shape (n_phases, n_sessions, n_series)
        Daily volatility in force over each of them; NaN where there is none.
    """

    returns: np.ndarray
    volatility: np.ndarray

    @property
    def standardized(self) -> np.ndarray:
        """Returns over the volatility in force, phases x sessions x series."""
        return self.returns / self.volatility


def align_to_returns(volatility: pd.DataFrame, returns: pd.DataFrame, horizon: int) -> ForecastsInForce:
    """Align each forecast with the returns of the `horizon` sessions after its origin.

    Parameters
    ----------
    volatility : DataFrame of shape (n_origins, n_series)
        Daily volatility by origin; consecutive sessions. NaN where a forecast is left out.
    returns : DataFrame of shape (n_sessions, n_series)
        Daily returns, with every origin among the sessions, or the first of them directly before.
    horizon : int
        Sessions that each forecast covers.

    Raises
    ------
    ParameterError
        If the origins are not consecutive sessions.
    """
    require_type(volatility, pd.DataFrame, "volatility")
    require_type(returns, pd.DataFrame, "returns")
    sessions = returns.index.union(volatility.index)
    begin, count = sessions.get_loc(volatility.index[0]), len(volatility)
    if not sessions[begin : begin + count].equals(volatility.index):
        raise ParameterError("the origins are not consecutive sessions; pass a row for each, NaN without a forecast")
    after = returns.reindex(index=sessions[begin + 1 : begin + count + horizon], columns=volatility.columns)
    # [origins, horizon, series]: the same forecast on each session that it covers.
    held = np.repeat(volatility.to_numpy()[:, None, :], horizon, axis=1)
    in_force = np.full((horizon, *after.shape), np.nan)
    for phase, (_, _, series) in enumerate(by_phase(held, np.arange(count))):
        in_force[phase] = series[: len(after)]
    return ForecastsInForce(after.to_numpy(), in_force)


def returns_after(returns: np.ndarray, places: np.ndarray, horizon: int) -> np.ndarray:
    """Daily returns of the `horizon` sessions after each origin.

    Parameters
    ----------
    returns : ndarray of shape (n_sessions, n_series)
    places : ndarray of int, shape (n_origins,)
        Row of each origin in `returns`.
    horizon : int
        Sessions after each origin.

    Returns
    -------
    ndarray of shape (n_origins, horizon, n_series)
        NaN beyond the last session.
    """
    beyond = np.full((horizon, returns.shape[1]), np.nan)
    return np.asarray(np.concatenate([returns, beyond])[places[:, None] + np.arange(1, horizon + 1)])


def by_phase(values: np.ndarray, places: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Lay values of the sessions after each origin out by session, one phase at a time.

    Origins that are a multiple of the horizon apart belong to one phase: their sessions follow one another without
    overlap.

    Parameters
    ----------
    values : ndarray of shape (n_origins, horizon, n_series)
    places : ndarray of int, shape (n_origins,)
        Number of each origin's session, increasing.

    Yields
    ------
    rows : ndarray of int, shape (n_own,)
        Origins of the phase.
    days : ndarray of int, shape (n_own, horizon)
        Row of each of their values in `series`; row 0 is the session after the first origin.
    series : ndarray of shape (n_days, n_series)
        NaN where the phase has no value.
    """
    horizon, series_count = values.shape[1:]
    first = places[0]
    for phase in range(horizon):
        rows = np.flatnonzero((places - first) % horizon == phase)
        days = (places[rows] - first)[:, None] + np.arange(horizon)
        series = np.full((int(places[-1] - first) + horizon, series_count), np.nan)
        series[days] = values[rows]
        yield rows, days, series
