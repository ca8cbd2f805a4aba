"""The recommended recipe: the one place that names concrete parts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from sklearn.base import clone

from volplugin.correlation import CorrelationEstimator, EWMACorrelation, RollingCorrelation
from volplugin.errors import MissingVintageError, ParameterError, StoreCorruptError
from volplugin.risk_model import RiskModel
from volplugin.store import ModelStore
from volplugin.volatility import (
    EWMAVolatility,
    FallbackChain,
    GARCHVolatility,
    GeometricBlend,
    HARVolatility,
    RollingVolatility,
    VolatilityForecaster,
)
from volplugin.volatility.lstm import LSTMVolatility
from volplugin.walkforward import RefitSchedule, WalkForward

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
    )
}
"""Forecasters that a store may hold, by class name."""

CORRELATIONS: dict[str, type[CorrelationEstimator]] = {"ewma": EWMACorrelation, "rolling": RollingCorrelation}
"""Correlation estimators by the name that strategies and commands use."""


VOLATILITIES: dict[str, VolatilityForecaster] = {
    "LSTM": LSTMVolatility(),
    "log-linear": HARVolatility(terms="lstm"),
    "HAR-market": HARVolatility(terms="market"),
    "HAR": HARVolatility(),
    "HAR-own": HARVolatility(pooled=False),
    "GJR": GARCHVolatility(asymmetric=True),
    "GARCH": GARCHVolatility(),
    "EWMA94-calibrated": EWMAVolatility(calibrated=True),
    "EWMA94": EWMAVolatility(),
    "rolling60": RollingVolatility(),
}
"""Volatility models by the name that commands and tables use; unfitted."""


def default_volatility() -> VolatilityForecaster:
    """Return our best volatility forecaster, to be fitted."""
    return LSTMVolatility()


def default_correlation() -> CorrelationEstimator:
    """Return our best correlation estimator."""
    return EWMACorrelation(halflife=252, shrinkage=0.2)


def default_risk_model(store: str | Path | None = None) -> RiskModel:
    """Our best composition.

    Parameters
    ----------
    store : str or Path, optional
        Folder of trained vintages, each used from its date on; without it the model is to be fitted.
    """
    volatility = default_volatility() if store is None else load_walk(store)
    return RiskModel(volatility=volatility, correlation=default_correlation())


def default_walk(store: str | Path | None = None) -> WalkForward:
    """Our best volatility forecaster on yearly vintages, to be trained into `store`."""
    return WalkForward(
        default_volatility(),
        schedule=RefitSchedule("yearly"),
        store=None if store is None else ModelStore(store),
    )


def load_walk(store: str | Path) -> WalkForward:
    """Return the walk whose vintages a folder holds, with the forecaster that wrote them.

    Raises
    ------
    MissingVintageError
        If the folder holds none, with the command that trains them.
    StoreCorruptError
        If its description names an unknown forecaster, parameter or schedule.
    """
    folder = ModelStore(store)
    facts = folder.configuration
    if facts is None:
        raise MissingVintageError(
            f"{folder.path} holds no trained models; train them: volplugin train --store {folder.path}"
        )
    return _build(facts, folder)


def correlation_named(name: str) -> CorrelationEstimator:
    """Return the estimator of that name with its defaults; ``"default"`` for the recommended one."""
    if name == "default":
        return default_correlation()
    if name not in CORRELATIONS:
        raise ParameterError(f"correlation is {name!r}; pass one of default, {', '.join(CORRELATIONS)}")
    return CORRELATIONS[name]()


def volatility_named(name: str) -> VolatilityForecaster:
    """Return the model of that name on yearly vintages in memory, or itself where it learns nothing."""
    if name not in VOLATILITIES:
        raise ParameterError(f"model is {name!r}; pass one of {', '.join(VOLATILITIES)}")
    model = clone(VOLATILITIES[name])
    return WalkForward(model) if model.learns else model


def ewma_covariance(decay: float = 0.94) -> RiskModel:
    """RiskMetrics: one exponential decay for variances and covariances of plain returns."""
    halflife = math.log(0.5) / math.log(decay)
    return RiskModel(EWMAVolatility(decay), EWMACorrelation(halflife), devolatilise=False)


def _build(facts: dict[str, Any], folder: ModelStore) -> WalkForward:
    try:
        schedule = RefitSchedule(facts.get("schedule", "yearly"))
        return WalkForward(_described(facts), schedule=schedule, store=folder)
    except (KeyError, TypeError, AttributeError, ParameterError) as error:
        raise StoreCorruptError(f"{folder.path}/store.json describes no forecaster known here: {error}") from error


def _described(facts: dict[str, Any]) -> VolatilityForecaster:
    """Return the forecaster of a description that `walkforward.describe` wrote."""
    parameters = {name: _value(value) for name, value in facts["parameters"].items()}
    return FORECASTERS[facts["forecaster"]](**parameters)


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return [_value(item) for item in value]
    return _described(value) if isinstance(value, dict) else value
