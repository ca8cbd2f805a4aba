"""Correlation estimators behind one interface."""

from volplugin.correlation.base import CorrelationEstimator
from volplugin.correlation.dcc import DCCCorrelation
from volplugin.correlation.estimator import EstimatorCorrelation
from volplugin.correlation.ewma import EWMACorrelation, RollingCorrelation
from volplugin.correlation.factor import FactorCorrelation
from volplugin.correlation.ledoit_wolf import LedoitWolfCorrelation
from volplugin.correlation.nonlinear import NonlinearShrinkageCorrelation
from volplugin.correlation.two_speed import TwoSpeedCorrelation

__all__ = [
    "CorrelationEstimator",
    "DCCCorrelation",
    "EWMACorrelation",
    "EstimatorCorrelation",
    "FactorCorrelation",
    "LedoitWolfCorrelation",
    "NonlinearShrinkageCorrelation",
    "RollingCorrelation",
    "TwoSpeedCorrelation",
]
