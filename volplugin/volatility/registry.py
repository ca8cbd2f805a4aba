"""Forecaster classes by the name in ``store.json``, and the `WalkForward` of a stored folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from volplugin.errors import MissingVintageError, ParameterError, StoreCorruptError
from volplugin.storage import ModelStore
from volplugin.volatility.base import VolatilityForecaster
from volplugin.volatility.combination import FallbackChain, GeometricBlend
from volplugin.volatility.garch import GARCHVolatility
from volplugin.volatility.har import HARVolatility
from volplugin.volatility.moving_average import EWMAVolatility, RollingVolatility
from volplugin.volatility.prices import RangesOrCloses
from volplugin.volatility.recalibrated import RecalibratedVolatility
from volplugin.volatility.walk_forward import RefitSchedule, WalkForward


def forecaster_classes() -> dict[str, type[VolatilityForecaster]]:
    """Return the forecasters that a store may hold, by class name; loads torch."""
    from volplugin.volatility.lstm.forecaster import LSTMVolatility

    kinds: tuple[type[VolatilityForecaster], ...] = (
        LSTMVolatility,
        HARVolatility,
        GARCHVolatility,
        EWMAVolatility,
        RollingVolatility,
        GeometricBlend,
        FallbackChain,
        RangesOrCloses,
        RecalibratedVolatility,
    )
    return {kind.__name__: kind for kind in kinds}


def stored_walk_forward(store: str | Path) -> WalkForward:
    """Return the `WalkForward` of the vintages in a folder, with the forecaster named in its ``store.json``.

    Raises
    ------
    MissingVintageError
        If the folder holds none, with the command that trains them.
    StoreCorruptError
        If ``store.json`` names an unknown forecaster, parameter or schedule.
    """
    folder = ModelStore(store)
    metadata = folder.configuration
    if metadata is None:
        raise MissingVintageError(
            f"{folder.path} holds no trained models; train them: volplugin train --store {folder.path}"
        )
    return _build(metadata, folder)


def _build(metadata: dict[str, Any], folder: ModelStore) -> WalkForward:
    try:
        schedule = RefitSchedule(metadata.get("schedule", "yearly"))
        return WalkForward(_described(metadata), schedule=schedule, store=folder)
    except (KeyError, TypeError, AttributeError, ParameterError) as error:
        raise StoreCorruptError(
            f"{folder.path}/store.json names an unknown forecaster, parameter or schedule: {error}; "
            "install the version that wrote it, or train again into another folder"
        ) from error


def _described(metadata: dict[str, Any]) -> VolatilityForecaster:
    """Return the unfitted forecaster from a description that `volatility.vintages.describe` made."""
    parameters = {name: _value(value) for name, value in metadata["parameters"].items()}
    return forecaster_classes()[metadata["forecaster"]](**parameters)


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return [_value(item) for item in value]
    return _described(value) if isinstance(value, dict) else value
