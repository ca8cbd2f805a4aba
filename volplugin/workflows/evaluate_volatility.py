"""Forecasts of the models that are judged: trained where needed, made once, found again after that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from volplugin.data.panel import PricePanel, price_digest
from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation import VolatilityScores, forecast_table, volatility_scorecard
from volplugin.risk.defaults import VOLATILITIES, volatility_named
from volplugin.storage.forecast_cache import ForecastCache, forecast_key, frame_arrays, frame_of
from volplugin.volatility import VolatilityForecaster
from volplugin.volatility.walk_forward import WalkForward

EVALUATED = ("LSTM", "HAR", "EWMA94")
HORIZONS = (1, 5, 21)
ALL = "all"
"""Asks for every model that has a name."""

Paths = dict[int, pd.DataFrame]
Log = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class VolatilityForecasts:
    """Forecasts of models, and of what they are made of, from every session of a span.

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
    """Names of volatility models separated by commas, each once; every one there is for ``"all"``.

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
    zoo = {name: _Source(name, walk_forward, panel, start, end, jobs).ready for name in models}
    forecasts = forecast_table(zoo, panel, start, end, horizons)
    return volatility_scorecard(forecasts, panel, horizons, calibrated_through=known_before(start))


def known_before(start: pd.Timestamp) -> pd.Timestamp:
    """Last day that the scale of the range proxy may know: it is set before the judged span begins."""
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
    progress: bool = True,
    log: Log | None = None,
) -> VolatilityForecasts:
    """Forecast from every session between two dates, with models refitted every year.

    The vintages of a model are fitted in parallel; each of its forecasts is kept as soon as it is made.

    Parameters
    ----------
    panel : PricePanel
    walk : WalkForward
        Answers for ``"LSTM"``; trained.
    start, end : Timestamp
        First and last origin.
    models : sequence of str
        Names in `defaults.VOLATILITIES`.
    horizons : sequence of int
    jobs : int, default 2
        Processes.
    archive : ForecastCache, optional
        Where forecasts are kept and found.
    progress : bool, default True
        Show a bar of models and horizons, on a terminal.
    say : callable, optional
        Told which forecasts were found rather than made.

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
            for part in maker.ensemble_members(source):
                parts[f"{name} {part}"] = {horizon: maker.forecast(source, horizon, part) for horizon in days}
                parents[f"{name} {part}"] = name
    found = [name for name in models if name not in maker.made]
    if log is not None and found:
        log(f"found in {cache.path}, from the same prices, models and code: forecasts of {', '.join(found)}")
    return VolatilityForecasts(_table(wholes), _table(parts), parents)


class _Source:
    """A model by name, fitted when a forecast of it is first needed."""

    def __init__(
        self, name: str, walk_forward: WalkForward, panel: PricePanel, start: pd.Timestamp, end: pd.Timestamp, jobs: int
    ) -> None:
        self.name = name
        self.model = walk_forward if name == "LSTM" else volatility_named(name)
        self.metadata = self.model.identity(end)
        self._train = (panel, start, end, jobs) if self.model is not walk_forward else None

    @cached_property
    def ready(self) -> VolatilityForecaster:
        """The model, able to answer."""
        if self._train is not None:
            panel, start, end, jobs = self._train
            self.model.train(panel, start, end, n_jobs=jobs, progress=False)
        return self.model

    @cached_property
    def parts(self) -> dict[str, VolatilityForecaster]:
        """What it is made of, by name."""
        return self.ready.ensemble_members()


class _Maker:
    """Makes forecasts, or finds them in an archive."""

    def __init__(self, panel: PricePanel, start: pd.Timestamp, end: pd.Timestamp, cache: ForecastCache) -> None:
        self.panel = panel
        self.cache = cache
        self.origins = panel.sessions[panel.sessions.slice_indexer(start, end)]
        if len(self.origins) == 0:
            raise InsufficientHistoryError(f"no session between {start.date()} and {end.date()} in {panel!r}")
        # Of what is known at the last origin: later prices do not make a forecast stale.
        self.prices = price_digest(panel.asof(end)) if cache.path is not None else ""
        self.made: set[str] = set()
        """Names of the models of which something was not found."""

    def forecast(self, source: _Source, horizon: int, part: str | None = None) -> pd.DataFrame:
        """Forecasts of a model, or of a component, from every origin."""
        label = " ".join(filter(None, (source.name, part, f"{horizon}")))
        key = self._key(source.metadata | {"component": part, "horizon": horizon})
        kept = self.cache.load(label, key)
        path = None if kept is None else frame_of(kept, self.origins, self.panel.assets)
        if path is None:
            self.made.add(source.name)
            model = source.ready if part is None else source.parts[part]
            path = model.predict_path(self.panel, self.origins[0], self.origins[-1], horizon)
            self.cache.save(label, key, frame_arrays(path))
        return path

    def ensemble_members(self, source: _Source) -> list[str]:
        """Names of what a model is made of; to know them, a model must have been fitted once."""
        key = self._key(source.metadata)
        kept = self.cache.load(f"{source.name} components", key)
        if kept is None:
            kept = {"names": np.array(list(source.parts), dtype=str)}
            self.cache.save(f"{source.name} components", key, kept)
        return [str(name) for name in kept["names"]]

    def _key(self, metadata: dict[str, Any]) -> str:
        if self.cache.path is None:
            return ""
        span = {"first": str(self.origins[0].date()), "last": str(self.origins[-1].date())}
        return forecast_key(metadata | span, self.prices)


def _table(paths: dict[str, Paths]) -> pd.DataFrame:
    columns = {(name, horizon): path for name, by_horizon in paths.items() for horizon, path in by_horizon.items()}
    return pd.concat(columns, axis=1, names=["model", "horizon", "asset"]) if columns else pd.DataFrame()
