"""Forecasts of the equal-weight portfolio: by several risk models, and by several volatilities with our correlation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from volplugin.adapters.zipline.implied_volatility import anchored
from volplugin.data.panel import PricePanel, price_digest
from volplugin.evaluation import EqualWeightPortfolios, PortfolioForecasts, portfolio_forecasts
from volplugin.evaluation.equal_weight import Portfolios
from volplugin.risk.covariance import CovarianceForecast
from volplugin.risk.defaults import correlation_named, ewma_covariance
from volplugin.risk.model import RiskModel
from volplugin.storage.forecast_cache import Arrays, ForecastCache, UncacheableError, described, forecast_key
from volplugin.volatility.walk_forward import WalkForward

OURS = "LSTM"
"""The risk model whose correlation every volatility model is combined with."""


@dataclass(frozen=True, eq=False)
class PortfolioForecastSet:
    """Forecasts of the equal-weight portfolio.

    Attributes
    ----------
    portfolios : dict of risk model to PortfolioForecasts
        Ours first.
    by_volatility : dict of horizon to dict of volatility model to PortfolioForecasts
        With the correlation of our risk model for all; empty where no volatilities were given.
    """

    portfolios: dict[str, PortfolioForecasts]
    by_volatility: Portfolios


def portfolio_models(
    walk_forward: WalkForward, panel: PricePanel | None = None, anchor: str | None = None
) -> dict[str, RiskModel]:
    """Return the risk models that are compared on one unlevered portfolio, ours first.

    With the name of an implied-volatility series, also ours with an `ImpliedVolatilityAnchor`, learned on the panel.
    """
    ours = RiskModel(walk_forward, correlation_named("default"))
    adjusted = {} if panel is None or anchor is None else {f"{OURS} + {anchor}": anchored(ours, panel, anchor)}
    return {
        OURS: ours,
        **adjusted,
        f"{OURS} + rolling correlation": RiskModel(walk_forward, correlation_named("rolling")),
        "EWMA94": ewma_covariance(),
    }


def evaluate_portfolios(
    panel: PricePanel,
    walk_forward: WalkForward,
    start: pd.Timestamp,
    end: pd.Timestamp,
    *,
    horizon: int = 21,
    jobs: int = 2,
) -> dict[str, PortfolioForecasts]:
    """Forecast the equal-weight portfolio from every session with several risk models."""
    return forecast_portfolios(panel, walk_forward, start, end, horizon=horizon, jobs=jobs).portfolios


def forecast_portfolios(
    panel: PricePanel,
    walk_forward: WalkForward,
    start: pd.Timestamp,
    end: pd.Timestamp,
    *,
    volatilities: pd.DataFrame | None = None,
    horizon: int = 21,
    jobs: int = 2,
    cache: ForecastCache | None = None,
    log: Callable[[str], None] | None = None,
    anchor: str | None = None,
) -> PortfolioForecastSet:
    """Forecast the equal-weight portfolio from every session.

    Parameters
    ----------
    panel : PricePanel
    walk_forward : WalkForward
        Trained.
    start, end : Timestamp
        First and last origin.
    volatilities : DataFrame, columns (model, horizon, asset), optional
        Of models that forecast the portfolio with the correlation of our risk model.
    horizon : int, default 21
        Sessions covered.
    jobs : int, default 2
        Processes, one risk model each.
    cache : ForecastCache, optional
        Stores forecasts and loads them again.
    log : callable, optional
        Called with a line that names the models whose forecasts were loaded.
    anchor : str, optional
        As of `portfolio_models`.
    """
    cache = cache if cache is not None else ForecastCache()
    models = portfolio_models(walk_forward, panel, anchor)
    prices = "" if cache.path is None else price_digest(panel)
    tables = {name: volatilities if name == OURS else None for name in models}
    keys = {
        name: _key(model, prices, start, end, horizon, tables[name]) if prices else "" for name, model in models.items()
    }
    kept = {name: cache.load(f"book {name} {horizon}", key) if key else None for name, key in keys.items()}
    missing = [name for name, arrays in kept.items() if arrays is None]
    made = Parallel(n_jobs=jobs, return_as="generator")(
        delayed(_portfolio_arrays)(models[name], panel, start, end, horizon, tables[name]) for name in missing
    )
    for name, arrays in zip(missing, made, strict=True):
        if keys[name]:
            cache.save(f"book {name} {horizon}", keys[name], arrays)
        kept[name] = arrays
    found = [name for name in models if name not in missing]
    if log is not None and found:
        log(f"found in {cache.path}, from the same prices, models and code: equal weight by {', '.join(found)}")
    arrays = {name: one for name, one in kept.items() if one is not None}
    periods = panel.periods_per_year
    portfolios = {name: _portfolio(one, horizon, periods) for name, one in arrays.items()}
    return PortfolioForecastSet(portfolios, _by_volatility(arrays[OURS], periods))


@dataclass
class _Forwarding:
    """A risk model that passes its correlations on as they are computed."""

    model: RiskModel
    portfolios: EqualWeightPortfolios

    def forecast_path(
        self, panel: PricePanel, sessions: pd.DatetimeIndex, horizon: int = 21
    ) -> Iterator[CovarianceForecast]:
        """Yield the model's forecasts; add each correlation to the portfolios."""
        for forecast in self.model.forecast_path(panel, sessions, horizon):
            self.portfolios.take(forecast.asof, forecast.correlation)
            yield forecast


def _portfolio_arrays(
    model: RiskModel,
    panel: PricePanel,
    start: pd.Timestamp,
    end: pd.Timestamp,
    horizon: int,
    volatilities: pd.DataFrame | None,
) -> Arrays:
    """Forecasts and returns of the portfolio as arrays; those by other volatilities under ``horizon/model/``."""
    if volatilities is None:
        return _arrays_of(portfolio_forecasts(model, panel, None, start, end, horizon))
    portfolios = EqualWeightPortfolios(volatilities, panel)
    arrays = _arrays_of(portfolio_forecasts(_Forwarding(model, portfolios), panel, None, start, end, horizon))
    for days, models in portfolios.by_horizon().items():
        for name, portfolio in models.items():
            arrays |= {f"{days}/{name}/{part}": values for part, values in _arrays_of(portfolio).items()}
    return arrays


def _arrays_of(portfolio: PortfolioForecasts) -> Arrays:
    return {
        "predicted": portfolio.predicted.to_numpy(dtype=float),
        "origins": portfolio.predicted.index.to_numpy("datetime64[D]"),
        "returns": portfolio.returns.to_numpy(dtype=float),
        "sessions": portfolio.returns.index.to_numpy("datetime64[D]"),
    }


def _portfolio(arrays: Mapping[str, np.ndarray], horizon: int, periods: float, prefix: str = "") -> PortfolioForecasts:
    values = {part: arrays[f"{prefix}{part}"] for part in ("predicted", "origins", "returns", "sessions")}
    predicted = pd.Series(values["predicted"], _dates(values["origins"]), name="predicted")
    returns = pd.Series(values["returns"], _dates(values["sessions"]), name="returns")
    return PortfolioForecasts(predicted, returns, horizon, periods=periods)


def _by_volatility(arrays: Mapping[str, np.ndarray], periods: float) -> Portfolios:
    found: Portfolios = {}
    for name in arrays:
        if name.endswith("/predicted"):
            days, model = name.removesuffix("/predicted").split("/", 1)
            found.setdefault(int(days), {})[model] = _portfolio(arrays, int(days), periods, f"{days}/{model}/")
    return found


def _dates(days: np.ndarray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(days.astype("datetime64[ns]"), name="date")


def _key(
    model: RiskModel,
    prices: str,
    start: pd.Timestamp,
    end: pd.Timestamp,
    horizon: int,
    volatilities: pd.DataFrame | None,
) -> str:
    parameters = model.get_params(deep=False)
    forecaster = parameters.pop("volatility")
    forecaster = getattr(forecaster, "forecaster", forecaster)
    try:
        parts = {name: described(part) for name, part in (parameters | {"forecaster": forecaster}).items()}
    except UncacheableError:
        return ""
    metadata: dict[str, Any] = {
        "volatility": model.volatility.identity(end),
        "risk_model": parts,
        "first": str(start.date()),
        "last": str(end.date()),
        "horizon": horizon,
    }
    if volatilities is not None:
        names = repr(volatilities.columns.tolist()).encode()
        metadata["volatilities"] = sha256(names + volatilities.to_numpy(dtype=float).tobytes()).hexdigest()
    return forecast_key(metadata, prices)
