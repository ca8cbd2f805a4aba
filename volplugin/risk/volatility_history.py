"""Volatility forecasts of past sessions by one model, in memory and in an optional folder.

Every part of the package that needs past forecasts reads them from a `VolatilityHistory`; nothing else stores them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from volplugin.data.panel import PricePanel, price_digest
from volplugin.storage.forecast_cache import (
    Arrays,
    ForecastCache,
    UncacheableError,
    described,
    forecast_key,
    frame_of,
    label_arrays,
)
from volplugin.storage.tensors import checksum
from volplugin.volatility.base import OnlinePredictor, VolatilityForecaster, without_events

Paths = dict[int, pd.DataFrame]
"""Daily volatilities by horizon, each a frame of sessions x assets."""


class VolatilityHistory:
    """Forecasts that one volatility model makes of past sessions, stored by session.

    The row of a session uses data up to that session. Another model, universe or horizon replaces what is stored.

    Parameters
    ----------
    cache : ForecastCache, optional
        Folder for forecasts of many sessions that are computed at once. The key is a digest of everything that they
        depend on: the prices to the last bit, the fitted numbers, and the code.
    """

    def __init__(self, cache: ForecastCache | None = None) -> None:
        self._cache = cache or ForecastCache()
        self._online_predictor: OnlinePredictor | None = None
        self._paths: Paths = {}
        self._event_free_from = pd.Timestamp.max

    def of(
        self,
        model: VolatilityForecaster,
        panel: PricePanel,
        rows: int,
        horizons: Iterable[int],
        event_free_rows: int | None = None,
    ) -> Paths:
        """Return forecasts for one session and for each horizon, at the last `rows` sessions of the panel.

        For an `event_aware` model the event-free forecast of each horizon is returned too, under minus the horizon.

        Parameters
        ----------
        model : VolatilityForecaster
            A vintage.
        panel : PricePanel
            The universe, with the `lookback` sessions before the first row.
        rows : int
        horizons : iterable of int
            In sessions.
        event_free_rows : int, optional
            Last rows that need event-free forecasts, all by default; these frames may begin there. Event-free
            forecasts take a second pass of the networks, and only the sessions that are forecast need them.

        Returns
        -------
        dict of int to DataFrame of shape (n_sessions, n_assets)
            Daily volatility by horizon, NaN without a forecast.
        """
        wanted = {1, *map(abs, horizons)}
        if model.event_aware:
            wanted |= {-horizon for horizon in wanted}
        sessions = panel.sessions[-rows:]
        predictor, begin = self._online_predictor, sessions[-min(event_free_rows or rows, len(sessions))]
        serves = wanted <= self._paths.keys() and (begin >= self._event_free_from or not model.event_aware)
        serves = serves and self._paths[1].columns.equals(panel.assets)
        if predictor is None or model is not predictor.model or not serves:
            self._online_predictor = predictor = model.online_predictor()
            self._paths = self._computed(predictor, panel, sessions, sorted(wanted), begin)
            self._event_free_from = begin
        known = self._paths[1].index
        missing = sessions[~sessions.isin(known)]
        if len(missing):
            fresh = predictor.predict_in_sample(panel, missing[0], sessions[-1], tuple(self._paths))
            # Rows from the first missing one on are replaced; older ones than the caller needs are dropped.
            earlier = {days: path.loc[sessions[0] : missing[0]] for days, path in self._paths.items()}
            self._paths = {days: pd.concat([path, fresh[days]]) for days, path in earlier.items()}
        if self._paths[1].index.equals(sessions):
            return self._paths
        return {days: path[path.index.isin(sessions)] for days, path in self._paths.items()}

    def _computed(
        self,
        predictor: OnlinePredictor,
        panel: PricePanel,
        sessions: pd.DatetimeIndex,
        horizons: list[int],
        begin: pd.Timestamp,
    ) -> Paths:
        """Compute the forecasts of all sessions, event-free ones from `begin` on; or load them."""
        model = predictor.model
        if self._cache.path is None or not model.requires_fit:
            return _predicted(predictor, panel, sessions, horizons, begin)
        rows = {"sessions": [str(sessions[0]), len(sessions)], "event free": str(begin)}
        try:
            metadata = _metadata(model) | rows | {"horizons": horizons}
        except UncacheableError:
            return _predicted(predictor, panel, sessions, horizons, begin)
        key = forecast_key(metadata, price_digest(panel))
        found = _paths_of(self._cache.load(key, key), horizons, sessions, panel.assets)
        if found is None:
            found = _predicted(predictor, panel, sessions, horizons, begin)
            self._cache.keep(key, key, _arrays_of(found))
        return found


def _predicted(
    predictor: OnlinePredictor,
    panel: PricePanel,
    sessions: pd.DatetimeIndex,
    horizons: list[int],
    begin: pd.Timestamp,
) -> Paths:
    """Forecast the sessions; event-free from `begin` on."""
    paths = predictor.predict_in_sample(panel, sessions[0], sessions[-1], [days for days in horizons if days > 0])
    event_free = without_events(horizons)
    return paths | (predictor.predict_in_sample(panel, begin, sessions[-1], event_free) if event_free else {})


def _metadata(model: VolatilityForecaster) -> dict[str, Any]:
    """Describe a fitted model by everything that its forecasts depend on."""
    named = {"assets": model.assets_, "universe": model.universe_, "trained_through": str(model.trained_through_)}
    return named | {"model": described(model), "state": checksum(model.get_state(), {})}


def _arrays_of(paths: Paths) -> Arrays:
    return label_arrays(paths[1]) | {f"values {days}": path.to_numpy(dtype=float) for days, path in paths.items()}


def _paths_of(
    arrays: Arrays | None, horizons: Iterable[int], sessions: pd.DatetimeIndex, assets: pd.Index
) -> Paths | None:
    if arrays is None:
        return None
    frames = {}
    for days in horizons:
        values = arrays[f"values {days}"]
        last = slice(len(sessions) - len(values), None)
        labelled = arrays | {"values": values, "sessions": arrays["sessions"][last]}
        frames[days] = frame_of(labelled, sessions[last], assets)
    return None if any(frame is None for frame in frames.values()) else frames
