"""Forecasts of the equal-weight book by several risk models, and the correlations that ours makes on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from volplugin.archive import Arrays, ForecastArchive, forecast_key, price_digest
from volplugin.covariance import CovarianceForecast
from volplugin.defaults import correlation_named, ewma_covariance
from volplugin.evaluation import PortfolioForecasts, portfolio_forecasts
from volplugin.judging.volatility import identity
from volplugin.panel import PricePanel
from volplugin.risk_model import RiskModel
from volplugin.walkforward import WalkForward

OURS = "LSTM"
"""The risk model whose correlations are kept."""

Matrices = dict[pd.Timestamp, pd.DataFrame]


@dataclass(frozen=True, eq=False)
class BookForecasts:
    """Forecasts of the equal-weight book.

    Attributes
    ----------
    books : dict of risk model to PortfolioForecasts
        Ours first.
    correlations : dict of origin to DataFrame of shape (n_assets, n_assets)
        Of our risk model.
    """

    books: dict[str, PortfolioForecasts]
    correlations: Matrices


def book_models(walk: WalkForward) -> dict[str, RiskModel]:
    """Return the risk models that are compared on one unlevered book, ours first."""
    return {
        OURS: RiskModel(walk, correlation_named("default")),
        f"{OURS} + rolling correlation": RiskModel(walk, correlation_named("rolling")),
        "EWMA94": ewma_covariance(),
    }


def judge_books(
    panel: PricePanel,
    walk: WalkForward,
    start: pd.Timestamp,
    end: pd.Timestamp,
    *,
    horizon: int = 21,
    jobs: int = 2,
) -> dict[str, PortfolioForecasts]:
    """Forecast the equal-weight book from every session with several risk models."""
    return forecast_books(panel, walk, start, end, horizon=horizon, jobs=jobs).books


def forecast_books(
    panel: PricePanel,
    walk: WalkForward,
    start: pd.Timestamp,
    end: pd.Timestamp,
    *,
    horizon: int = 21,
    jobs: int = 2,
    archive: ForecastArchive | None = None,
    say: Callable[[str], None] | None = None,
) -> BookForecasts:
    """Forecast the equal-weight book from every session, and keep the correlations of our risk model.

    Parameters
    ----------
    panel : PricePanel
    walk : WalkForward
        Trained.
    start, end : Timestamp
        First and last origin.
    horizon : int, default 21
        Sessions covered.
    jobs : int, default 2
        Processes, a risk model each.
    archive : ForecastArchive, optional
        Where forecasts are kept and found.
    say : callable, optional
        Told which forecasts were found rather than made.
    """
    archive = archive if archive is not None else ForecastArchive()
    models = book_models(walk)
    prices = "" if archive.path is None else price_digest(panel)
    keys = {name: _key(model, prices, start, end, horizon) if prices else "" for name, model in models.items()}
    kept = {name: archive.load(f"book {name} {horizon}", key) for name, key in keys.items()}
    missing = [name for name, arrays in kept.items() if arrays is None]
    made = Parallel(n_jobs=jobs, return_as="generator")(
        delayed(_book_arrays)(models[name], panel, start, end, horizon, name == OURS) for name in missing
    )
    for name, arrays in zip(missing, made, strict=True):
        archive.save(f"book {name} {horizon}", keys[name], arrays)
        kept[name] = arrays
    found = [name for name in models if name not in missing]
    if say is not None and found:
        say(f"found in {archive.path}, from the same prices, models and code: the book by {', '.join(found)}")
    arrays = {name: one for name, one in kept.items() if one is not None}
    books = {name: _book(one, horizon) for name, one in arrays.items()}
    return BookForecasts(books, _matrices(arrays[OURS], panel.assets))


@dataclass
class _Recorder:
    """A risk model that remembers the correlations it gives out."""

    model: RiskModel
    seen: Matrices = field(default_factory=dict)

    def forecast_path(
        self, panel: PricePanel, sessions: pd.DatetimeIndex, horizon: int = 21
    ) -> Iterator[CovarianceForecast]:
        for forecast in self.model.forecast_path(panel, sessions, horizon):
            self.seen[forecast.asof] = forecast.correlation
            yield forecast


def _book_arrays(
    model: RiskModel, panel: PricePanel, start: pd.Timestamp, end: pd.Timestamp, horizon: int, recording: bool
) -> Arrays:
    """Forecasts and returns of the book as arrays, with the correlations where they are wanted."""
    recorder = _Recorder(model)
    book = portfolio_forecasts(recorder, panel, None, start, end, horizon)
    arrays = {
        "predicted": book.predicted.to_numpy(dtype=float),
        "origins": book.predicted.index.to_numpy("datetime64[D]"),
        "returns": book.returns.to_numpy(dtype=float),
        "sessions": book.returns.index.to_numpy("datetime64[D]"),
    }
    if recording:
        cube = [rho.reindex(index=panel.assets, columns=panel.assets).to_numpy() for rho in recorder.seen.values()]
        arrays["correlation"] = np.stack(cube)
    return arrays


def _book(arrays: Mapping[str, np.ndarray], horizon: int) -> PortfolioForecasts:
    predicted = pd.Series(arrays["predicted"], _dates(arrays["origins"]), name="predicted")
    returns = pd.Series(arrays["returns"], _dates(arrays["sessions"]), name="returns")
    return PortfolioForecasts(predicted, returns, horizon)


def _matrices(arrays: Mapping[str, np.ndarray], assets: pd.Index) -> Matrices:
    """Correlation matrix of each origin, of the assets that had one."""
    found = {}
    for origin, values in zip(_dates(arrays["origins"]), arrays["correlation"], strict=True):
        here = np.isfinite(np.diagonal(values))
        found[pd.Timestamp(origin)] = pd.DataFrame(values[np.ix_(here, here)], assets[here], assets[here])
    return found


def _dates(days: np.ndarray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(days.astype("datetime64[ns]"), name="date")


def _key(model: RiskModel, prices: str, start: pd.Timestamp, end: pd.Timestamp, horizon: int) -> str:
    parts = {name: repr(part) for name, part in model.get_params().items() if not name.startswith("volatility")}
    facts: dict[str, Any] = {
        "volatility": identity(model.volatility, end),
        "risk_model": parts,
        "first": str(start.date()),
        "last": str(end.date()),
        "horizon": horizon,
    }
    return forecast_key(facts, prices)
