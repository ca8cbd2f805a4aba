"""Which forecaster wrote a store, and the walk that its vintages make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from volplugin.errors import MissingVintageError, ParameterError, StoreCorruptError
from volplugin.storage import ModelStore
from volplugin.volatility import (
    EWMAVolatility,
    FallbackChain,
    GARCHVolatility,
    GeometricBlend,
    HARVolatility,
    RangesOrCloses,
    RollingVolatility,
    VolatilityForecaster,
)
from volplugin.volatility.lstm import LSTMVolatility
from volplugin.volatility.walk_forward import RefitSchedule, WalkForward

FORECASTERS: dict[str, type[VolatilityForecaster]] = {
    kind.__name__: kind
    for kind in (
        LSTMVolatility,
        HARVolatility,
        GARCHVolatility,
        EWMAVolatility,
        RollingVolatility,
        GeometricBlend,
        FallbackChain,
        RangesOrCloses,
    )
}
"""Forecasters that a store may hold, by class name."""


def stored_walk_forward(store: str | Path) -> WalkForward:
    """Return the walk whose vintages a folder holds, with the forecaster that wrote them.

    Raises
    ------
    MissingVintageError
        If the folder holds none, with the command that trains them.
    StoreCorruptError
        If its description names an unknown forecaster, parameter or schedule.
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
        raise StoreCorruptError(f"{folder.path}/store.json describes no forecaster known here: {error}") from error


def _described(metadata: dict[str, Any]) -> VolatilityForecaster:
    """Return the forecaster of a description that `walkforward.describe` wrote."""
    parameters = {name: _value(value) for name, value in metadata["parameters"].items()}
    return FORECASTERS[metadata["forecaster"]](**parameters)


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return [_value(item) for item in value]
    return _described(value) if isinstance(value, dict) else value
