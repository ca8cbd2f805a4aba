"""Volatility forecasts, correlation and forecast covariance for zipline strategies.

Units: a volatility is a daily standard deviation in decimals; only ``annualize`` and an explicit
``periods=`` change that. Timing: ``asof`` is the last completed session used; a forecast covers the
``horizon`` sessions after it.

The public names below load on first use, so importing the package loads neither torch nor zipline.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

logging.getLogger(__name__).addHandler(logging.NullHandler())

if TYPE_CHECKING:
    from volplugin.adapters.zipline.bundles import read_bundle
    from volplugin.adapters.zipline.provider import RiskProvider
    from volplugin.allocation import equal_weight, inverse_volatility, minimum_variance, risk_parity
    from volplugin.calibration import AssetBias, EigenvalueAdjustment, RegimeMultiplier
    from volplugin.correlation.dcc import DCCCorrelation
    from volplugin.correlation.estimator import EstimatorCorrelation
    from volplugin.correlation.ewma import EWMACorrelation
    from volplugin.correlation.factor import FactorCorrelation
    from volplugin.correlation.ledoit_wolf import LedoitWolfCorrelation
    from volplugin.correlation.nonlinear import NonlinearShrinkageCorrelation
    from volplugin.correlation.rolling import RollingCorrelation
    from volplugin.correlation.two_speed import TwoSpeedCorrelation
    from volplugin.covariance import CovarianceForecast
    from volplugin.defaults import default_risk_model
    from volplugin.errors import VolpluginError
    from volplugin.panel import PricePanel
    from volplugin.risk_model import RiskModel
    from volplugin.simulated import simulated_panel
    from volplugin.store import ModelStore
    from volplugin.targeting import VolatilityTarget
    from volplugin.units import annualize
    from volplugin.volatility.combined import FallbackChain, GeometricBlend
    from volplugin.volatility.garch import GARCHVolatility
    from volplugin.volatility.har import HARVolatility
    from volplugin.volatility.lstm import LSTMVolatility
    from volplugin.volatility.moving import EWMAVolatility, RollingVolatility
    from volplugin.walkforward import RefitSchedule, WalkForward

    __version__: str

__all__ = [
    "AssetBias",
    "CovarianceForecast",
    "DCCCorrelation",
    "EWMACorrelation",
    "EWMAVolatility",
    "EigenvalueAdjustment",
    "EstimatorCorrelation",
    "FactorCorrelation",
    "FallbackChain",
    "GARCHVolatility",
    "GeometricBlend",
    "HARVolatility",
    "LSTMVolatility",
    "LedoitWolfCorrelation",
    "ModelStore",
    "NonlinearShrinkageCorrelation",
    "PricePanel",
    "RefitSchedule",
    "RegimeMultiplier",
    "RiskModel",
    "RiskProvider",
    "RollingCorrelation",
    "RollingVolatility",
    "TwoSpeedCorrelation",
    "VolatilityTarget",
    "VolpluginError",
    "WalkForward",
    "annualize",
    "default_risk_model",
    "equal_weight",
    "inverse_volatility",
    "minimum_variance",
    "read_bundle",
    "risk_parity",
    "simulated_panel",
]

_HOMES = {
    "AssetBias": "calibration",
    "CovarianceForecast": "covariance",
    "DCCCorrelation": "correlation.dcc",
    "EWMACorrelation": "correlation.ewma",
    "EWMAVolatility": "volatility.moving",
    "EigenvalueAdjustment": "calibration",
    "EstimatorCorrelation": "correlation.estimator",
    "FactorCorrelation": "correlation.factor",
    "FallbackChain": "volatility.combined",
    "GARCHVolatility": "volatility.garch",
    "GeometricBlend": "volatility.combined",
    "HARVolatility": "volatility.har",
    "LSTMVolatility": "volatility.lstm",
    "LedoitWolfCorrelation": "correlation.ledoit_wolf",
    "ModelStore": "store",
    "NonlinearShrinkageCorrelation": "correlation.nonlinear",
    "PricePanel": "panel",
    "RefitSchedule": "walkforward",
    "RegimeMultiplier": "calibration",
    "RiskModel": "risk_model",
    "RiskProvider": "adapters.zipline.provider",
    "RollingCorrelation": "correlation.rolling",
    "RollingVolatility": "volatility.moving",
    "TwoSpeedCorrelation": "correlation.two_speed",
    "VolatilityTarget": "targeting",
    "VolpluginError": "errors",
    "WalkForward": "walkforward",
    "annualize": "units",
    "default_risk_model": "defaults",
    "equal_weight": "allocation",
    "inverse_volatility": "allocation",
    "minimum_variance": "allocation",
    "read_bundle": "adapters.zipline.bundles",
    "risk_parity": "allocation",
    "simulated_panel": "simulated",
}


def __getattr__(name: str) -> Any:
    """Load a public name from the module it lives in (PEP 562) and keep it for the next access."""
    value = _version() if name == "__version__" else _load(name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted([*__all__, "__version__"])


def _load(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def _version() -> str:
    from importlib.metadata import version

    return version("volplugin")
