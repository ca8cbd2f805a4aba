"""Corrections of a forecast covariance by the errors of the same model's past forecasts."""

from volplugin._deprecated import former_names
from volplugin.risk.adjustments.asset_bias import AssetBias
from volplugin.risk.adjustments.base import (
    AdjustedForecast,
    CovarianceAdjustment,
    adjustment_list,
    apply_adjustments,
    extra_horizons,
    past_rows,
)
from volplugin.risk.adjustments.eigenvalue import EigenvalueAdjustment
from volplugin.risk.adjustments.forecast_history import PastForecasts, PastPortfolios
from volplugin.risk.adjustments.implied_volatility import ImpliedVolatilityAnchor
from volplugin.risk.adjustments.regime import VolatilityRegimeAdjustment

__all__ = [
    "AssetBias",
    "CovarianceAdjustment",
    "AdjustedForecast",
    "EigenvalueAdjustment",
    "ImpliedVolatilityAnchor",
    "PastPortfolios",
    "PastForecasts",
    "VolatilityRegimeAdjustment",
    "apply_adjustments",
    "adjustment_list",
    "extra_horizons",
    "past_rows",
]

__getattr__ = former_names(__name__)
