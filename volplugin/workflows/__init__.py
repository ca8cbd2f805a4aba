"""Whole jobs. The daily ones: the risk of a portfolio now, and checks of prices, models and forecasts."""

from volplugin._deprecated import former_names
from volplugin.workflows.monitor import Check, Limits, check_health
from volplugin.workflows.portfolio_risk import PortfolioToday, portfolio_today
from volplugin.workflows.weights import read_weights

__all__ = ["PortfolioToday", "Check", "Limits", "portfolio_today", "check_health", "read_weights"]

__getattr__ = former_names(__name__)
