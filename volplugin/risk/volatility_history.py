"""What a volatility model forecast of the sessions gone by, remembered between questions and between runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
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
from volplugin.volatility.base import OnlinePredictor, VolatilityForecaster

Paths = dict[int, pd.DataFrame]


class PastVolatility:
    """Forecasts, by horizon, that one volatility model makes of the sessions up to the last asked about.

    Parameters
    ----------
    archive : ForecastCache, optional
        Where forecasts of many sessions, made in one go, are kept under a digest of all that they were made of:
        the prices to the last bit, what the model learned, and the code.
    """

    def __init__(self, cache: ForecastCache | None = None) -> None:
        self._cache = cache or ForecastCache()
        self._online_predictor: OnlinePredictor | None = None
        self._known = _Record({}, pd.DatetimeIndex([]), pd.Index([]))

    def of(self, model: VolatilityForecaster, panel: PricePanel, rows: int, horizon: int) -> Paths:
        """Forecasts for one session and for `horizon` ones, at the last `rows` sessions of the panel."""
        sessions = panel.sessions[-rows:]
        known = self._known
        if (
            self._online_predictor is None
            or model is not self._online_predictor.model
            or not {1, horizon} <= known.values.keys()
            or not known.assets.equals(panel.assets)
        ):
            self._online_predictor = model.online_predictor()
            paths = self._afresh(self._online_predictor, panel, sessions, sorted({1, horizon}))
            self._known = known = _Record.of(paths)
        unknown = known.lacks(sessions)
        if len(unknown):
            known.add(self._online_predictor.predict_in_sample(panel, unknown[0], sessions[-1], tuple(known.values)))
        return known.rows(sessions)

    def _afresh(
        self, online_predictor: OnlinePredictor, panel: PricePanel, sessions: pd.DatetimeIndex, horizons: list[int]
    ) -> Paths:
        """Replay all of the sessions, or find them kept."""
        model = online_predictor.model
        if self._cache.path is None or not model.requires_fit:
            return online_predictor.predict_in_sample(panel, sessions[0], sessions[-1], horizons)
        try:
            metadata = _metadata(model) | {"sessions": [str(sessions[0]), len(sessions)], "horizons": horizons}
        except UncacheableError:
            return online_predictor.predict_in_sample(panel, sessions[0], sessions[-1], horizons)
        key = forecast_key(metadata, price_digest(panel))
        found = _paths_of(self._cache.load(key, key), horizons, sessions, panel.assets)
        if found is None:
            found = online_predictor.predict_in_sample(panel, sessions[0], sessions[-1], horizons)
            self._cache.keep(key, key, _arrays_of(found))
        return found


class _Record:
    """Rows by session that grow at the end without being copied each time."""

    def __init__(self, values: dict[int, np.ndarray], sessions: pd.DatetimeIndex, assets: pd.Index) -> None:
        # Copies, for rows are written in place.
        self.values, self.assets = {days: kept.copy() for days, kept in values.items()}, assets
        self._sessions = sessions.to_numpy().copy()
        self._count = len(sessions)

    @classmethod
    def of(cls, paths: Paths) -> _Record:
        """Begin with these rows."""
        first = next(iter(paths.values()))
        return cls({days: path.to_numpy() for days, path in paths.items()}, first.index, first.columns)

    def lacks(self, sessions: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """Those of the sessions that there is no row of."""
        begin = self._begin(sessions)
        known = self._sessions[begin : min(self._count, begin + len(sessions))]
        if np.array_equal(known, sessions[: len(known)]):
            return sessions[len(known) :]
        return sessions[~sessions.isin(self._sessions[: self._count])]

    def add(self, paths: Paths) -> None:
        """Take rows in; those from the first of them on are replaced."""
        fresh = next(iter(paths.values())).index.to_numpy()
        begin = int(self._sessions[: self._count].searchsorted(fresh[0]))
        self._count = begin + len(fresh)
        self._sessions = _written(self._sessions, begin, fresh)
        self.values = {days: _written(kept, begin, paths[days].to_numpy()) for days, kept in self.values.items()}

    def rows(self, sessions: pd.DatetimeIndex) -> Paths:
        """Return the rows of sessions that are all known."""
        begin = self._begin(sessions)
        place: Any = slice(begin, begin + len(sessions))
        if not np.array_equal(self._sessions[place], sessions):
            place = self._sessions[: self._count].searchsorted(sessions)
        return {days: pd.DataFrame(kept[place], sessions, self.assets) for days, kept in self.values.items()}

    def _begin(self, sessions: pd.DatetimeIndex) -> int:
        return int(self._sessions[: self._count].searchsorted(sessions[0].to_datetime64()))


def _written(kept: np.ndarray, begin: int, fresh: np.ndarray) -> np.ndarray:
    """Write rows at a place, into twice the room where there is too little."""
    if begin + len(fresh) > len(kept):
        room = np.empty((2 * (begin + len(fresh)), *kept.shape[1:]), dtype=kept.dtype)
        room[:begin] = kept[:begin]
        kept = room
    kept[begin : begin + len(fresh)] = fresh
    return kept


def _metadata(model: VolatilityForecaster) -> dict[str, Any]:
    """Describe a fitted model by everything that its forecasts depend on."""
    digest = hashlib.sha256()
    for name, array in sorted(model.get_state().items()):
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode() + np.ascontiguousarray(array).tobytes())
    named = {"assets": model.assets_, "universe": model.universe_, "trained_through": str(model.trained_through_)}
    return named | {"model": described(model), "state": digest.hexdigest()}


def _arrays_of(paths: Paths) -> Arrays:
    labels = label_arrays(next(iter(paths.values())))
    return labels | {f"values {days}": path.to_numpy(dtype=float) for days, path in paths.items()}


def _paths_of(
    arrays: Arrays | None, horizons: Iterable[int], sessions: pd.DatetimeIndex, assets: pd.Index
) -> Paths | None:
    if arrays is None:
        return None
    frames = {days: frame_of(arrays | {"values": arrays[f"values {days}"]}, sessions, assets) for days in horizons}
    return None if any(frame is None for frame in frames.values()) else frames
