"""Forecasts of the models under evaluation: fitted where needed, computed once, then loaded from a cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from volplugin.data.panel import PricePanel, price_digest
from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation import VolatilityScores, volatility_scorecard
from volplugin.risk.defaults import VOLATILITIES, volatility_named
from volplugin.storage.forecast_cache import (
    ForecastCache,
    UncacheableError,
    described,
    forecast_key,
    frame_arrays,
    frame_of,
)
from volplugin.volatility import VolatilityForecaster
from volplugin.volatility.walk_forward import WalkForward

EVALUATED = ("LSTM", "HAR", "EWMA94")
HORIZONS = (1, 5, 21)
ALL = "all"
"""Selects every model that has a name."""

Paths = dict[int, pd.DataFrame]
Log = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class VolatilityForecasts:
    """Forecasts of models and of their members, from every session of a span.

    Attributes
    ----------
    table : DataFrame, columns (model, horizon, asset)
        Daily volatility by origin.
    components : DataFrame, columns (model, horizon, asset)
        The same of components, each named after its model and itself, such as ``LSTM seed 0``.
    parents : dict of component to model
    """

    table: pd.DataFrame
    components: pd.DataFrame
    parents: dict[str, str]


def model_names(text: str) -> list[str]:
    """Split names of volatility models separated by commas, each once; ``"all"`` selects every model.

    Raises
    ------
    ParameterError
        For a name that no model has.
    """
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    if names == [ALL]:
        return list(VOLATILITIES)
    for name in names:
        if name not in VOLATILITIES:
            raise ParameterError(f"model is {name!r}; pass all, or some of {', '.join(VOLATILITIES)}")
    return names


def evaluate_volatility(
    panel: PricePanel,
    walk_forward: WalkForward,
    start: pd.Timestamp,
    end: pd.Timestamp,
    *,
    models: Iterable[str] = EVALUATED,
    horizons: Iterable[int] = HORIZONS,
    jobs: int = 2,
) -> VolatilityScores:
    """Score volatility models on the same stock-days, each refitted every year."""
    days = list(horizons)
    made = forecast_volatility(
        panel, walk_forward, start, end, models=list(models), horizons=days, jobs=jobs, members=False
    )
    return volatility_scorecard(made.table, panel, days, calibrated_through=known_before(start))


def known_before(start: pd.Timestamp) -> pd.Timestamp:
    """Last day whose prices may set the scale of the range proxy: the day before the first origin."""
    return start - pd.Timedelta(days=1)


def forecast_volatility(
    panel: PricePanel,
    walk_forward: WalkForward,
    start: pd.Timestamp,
    end: pd.Timestamp,
    *,
    models: Sequence[str] = EVALUATED,
    horizons: Sequence[int] = HORIZONS,
    jobs: int = 2,
    cache: ForecastCache | None = None,
    members: bool = True,
    progress: bool = True,
    log: Log | None = None,
) -> VolatilityForecasts:
    """Forecast from every session between two dates, with models refitted every year.

    The vintages of a model are fitted in parallel; each of its forecasts is cached as soon as it is computed. Forecasts
    of a model that cannot be described completely (a class without readable source, a parameter that is a function) are
    not cached.

    Parameters
    ----------
    panel : PricePanel
    walk_forward : WalkForward
        The model named ``"LSTM"``; trained.
    start, end : Timestamp
        First and last origin.
    models : sequence of str
        Names in `defaults.VOLATILITIES`.
    horizons : sequence of int
    jobs : int, default 2
        Processes.
    cache : ForecastCache, optional
        Stores forecasts and loads them again.
    members : bool, default True
        Also forecast with each member of an ensemble.
    progress : bool, default True
        Show a bar of models and horizons, on a terminal.
    log : callable, optional
        Called with a line that names the models whose forecasts were loaded.

    Raises
    ------
    InsufficientHistoryError
        If no session lies between the dates.
    """
    cache = cache if cache is not None else ForecastCache()
    maker = _Maker(panel, start, end, cache)
    days = list(dict.fromkeys(horizons))
    wholes: dict[str, Paths] = {}
    parts: dict[str, Paths] = {}
    parents: dict[str, str] = {}
    with tqdm(total=len(models) * len(days), desc="forecasting", disable=None if progress else True) as bar:
        for name in models:
            bar.set_postfix_str(name)
            source = _Source(name, walk_forward, panel, start, end, jobs)
            wholes[name] = {}
            for horizon in days:
                wholes[name][horizon] = maker.forecast(source, horizon)
                bar.update()
            for part in maker.ensemble_members(source) if members else []:
                parts[f"{name} {part}"] = {horizon: maker.forecast(source, horizon, part) for horizon in days}
                parents[f"{name} {part}"] = name
    found = [name for name in models if name not in maker.made]
    if log is not None and found:
        log(f"found in {cache.path}, from the same prices, models and code: forecasts of {', '.join(found)}")
    return VolatilityForecasts(_table(wholes), _table(parts), parents)


class _Source:
    """A model by name, fitted when a forecast of it is first needed.

    `metadata` is everything that its forecasts depend on but prices and dates; None if it cannot be described
    completely, so that its forecasts are not cached.
    """

    def __init__(
        self, name: str, walk_forward: WalkForward, panel: PricePanel, start: pd.Timestamp, end: pd.Timestamp, jobs: int
    ) -> None:
        self.name = name
        self.model = walk_forward if name == "LSTM" else volatility_named(name)
        self.metadata: dict[str, Any] | None = None
        forecaster = getattr(self.model, "forecaster", self.model)
        with suppress(UncacheableError):
            self.metadata = self.model.identity(end) | {"model": described(forecaster)}
        self._train = (panel, start, end, jobs) if self.model is not walk_forward else None

    @cached_property
    def ready(self) -> VolatilityForecaster:
        """The fitted model."""
        if self._train is not None:
            panel, start, end, jobs = self._train
            self.model.train(panel, start, end, n_jobs=jobs, progress=False)
        return self.model

    @cached_property
    def members(self) -> dict[str, VolatilityForecaster]:
        """Members of an ensemble, by name."""
        return self.ready.ensemble_members()


class _Maker:
    """Computes forecasts, or loads them from a cache."""

    def __init__(self, panel: PricePanel, start: pd.Timestamp, end: pd.Timestamp, cache: ForecastCache) -> None:
        self.panel = panel
        self.cache = cache
        self.origins = panel.sessions[panel.sessions.slice_indexer(start, end)]
        if len(self.origins) == 0:
            raise InsufficientHistoryError(f"no session between {start.date()} and {end.date()} in {panel!r}")
        # Prices through the last origin only: later prices do not make a forecast stale. Volume is part of them.
        self.prices = price_digest(panel.asof(end)) if cache.path is not None else ""
        self.made: set[str] = set()
        """Names of the models with a forecast that was not in the cache."""

    def forecast(self, source: _Source, horizon: int, member: str | None = None) -> pd.DataFrame:
        """Forecasts of a model, or of a member of it, from every origin."""
        label = " ".join(filter(None, (source.name, member, f"{horizon}")))
        key = self._key(source, {"component": member, "horizon": horizon})
        kept = self.cache.load(label, key) if key else None
        path = None if kept is None else frame_of(kept, self.origins, self.panel.assets)
        if path is None:
            self.made.add(source.name)
            model = source.ready if member is None else source.members[member]
            path = model.predict_path(self.panel, self.origins[0], self.origins[-1], horizon)
            if key:
                self.cache.save(label, key, frame_arrays(path))
        return path

    def ensemble_members(self, source: _Source) -> list[str]:
        """Names of a model's members; they are cached, because only a fitted model has them."""
        key = self._key(source, {})
        kept = self.cache.load(f"{source.name} components", key) if key else None
        if kept is None:
            kept = {"names": np.array(list(source.members), dtype=str)}
            if key:
                self.cache.save(f"{source.name} components", key, kept)
        return [str(name) for name in kept["names"]]

    def _key(self, source: _Source, request: dict[str, Any]) -> str:
        """Key of a forecast in the cache; empty where it is not cached."""
        if self.cache.path is None or source.metadata is None:
            return ""
        span = {"first": str(self.origins[0].date()), "last": str(self.origins[-1].date())}
        return forecast_key(source.metadata | request | span, self.prices)


def _table(paths: dict[str, Paths]) -> pd.DataFrame:
    columns = {(name, horizon): path for name, by_horizon in paths.items() for horizon, path in by_horizon.items()}
    return pd.concat(columns, axis=1, names=["model", "horizon", "asset"]) if columns else pd.DataFrame()
