"""Corrections of a forecast covariance by what the same model's past forecasts were worth."""

from volplugin.risk.adjustments.asset_bias import AssetBias
from volplugin.risk.adjustments.base import Calibration, Draft, calibrate, calibrations, past_rows
from volplugin.risk.adjustments.eigenvalue import EigenvalueAdjustment
from volplugin.risk.adjustments.forecast_history import PastBooks, PastForecasts
from volplugin.risk.adjustments.regime import RegimeMultiplier

__all__ = [
    "AssetBias",
    "Calibration",
    "Draft",
    "EigenvalueAdjustment",
    "PastBooks",
    "PastForecasts",
    "RegimeMultiplier",
    "calibrate",
    "calibrations",
    "past_rows",
]
