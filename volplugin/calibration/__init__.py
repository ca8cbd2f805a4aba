"""Corrections of a forecast covariance by what the same model's past forecasts were worth."""

from volplugin.calibration.asset import AssetBias
from volplugin.calibration.base import Calibration, Draft
from volplugin.calibration.eigenvalue import EigenvalueAdjustment
from volplugin.calibration.past import PastBooks, PastForecasts
from volplugin.calibration.regime import RegimeMultiplier
from volplugin.calibration.sequence import calibrate, calibrations, past_rows

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
