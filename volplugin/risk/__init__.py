"""The risk model: Sigma = D rho D, its adjustments, and the forecasts it returns."""

from volplugin.risk.covariance import CovarianceForecast
from volplugin.risk.model import RiskModel

__all__ = ["CovarianceForecast", "RiskModel"]
