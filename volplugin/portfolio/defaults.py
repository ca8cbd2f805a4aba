"""Horizon and view of the forecast for volatility targeting, and former names of the recommended parts."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from volplugin.correlation import CorrelationEstimator
from volplugin.portfolio.volatility_target import VolatilityTarget
from volplugin.risk.defaults import default_correlation, default_risk_model
from volplugin.risk.model import RiskModel

TARGETING_HORIZON = 1
"""Sessions that a forecast for volatility targeting covers. The position ordered on it earns from the second session
on; on 2005 to 2009 the forecast for the next session nevertheless held the target best."""

TARGETING_VIEW = "targeting"
"""View of a forecast for volatility targeting."""


def targeting_correlation() -> CorrelationEstimator:
    """Return `default_correlation` (deprecated): its view "targeting" is the one for volatility targeting."""
    _deprecate("targeting_correlation()", 'default_correlation() and view="targeting"')
    return default_correlation()


def targeting_risk_model(store: str | Path | None = None) -> RiskModel:
    """Return `default_risk_model` (deprecated): its view "targeting" is the one for volatility targeting."""
    _deprecate("targeting_risk_model()", 'default_risk_model() and view="targeting"')
    return default_risk_model(store)


def targeting_rule(target: float, max_leverage: float = 1.5, **changes: Any) -> VolatilityTarget:
    """Return a `VolatilityTarget` (deprecated): its defaults are the recommended rule."""
    _deprecate("targeting_rule()", "VolatilityTarget()")
    return VolatilityTarget(target, max_leverage, **changes)


def _deprecate(former: str, current: str) -> None:
    warnings.warn(f"{former} is deprecated; use {current}", DeprecationWarning, stacklevel=3)
