"""Whole jobs. The daily ones: the risk of a portfolio now, and checks of prices, models and forecasts."""

from volplugin._deprecated import former_names
from volplugin.report.today import PortfolioToday, portfolio_text
from volplugin.workflows.monitor import Check, Limits, check_health
from volplugin.workflows.portfolio_risk import portfolio_today
from volplugin.workflows.weights import read_groups, read_weights

__all__ = [
    "PortfolioToday",
    "Check",
    "Limits",
    "portfolio_text",
    "portfolio_today",
    "check_health",
    "read_groups",
    "read_weights",
]

__getattr__ = former_names(__name__)
