"""Correlation estimators behind one interface."""

from volplugin.correlation.base import CorrelationEstimator
from volplugin.correlation.ewma import EWMACorrelation
from volplugin.correlation.rolling import RollingCorrelation
from volplugin.correlation.two_speed import TwoSpeedCorrelation

__all__ = ["CorrelationEstimator", "EWMACorrelation", "RollingCorrelation", "TwoSpeedCorrelation"]
