"""What is asked every day: the risk of a book now, and whether its forecasts can be trusted."""

from volplugin.workflows.monitor import Check, Limits, check_health
from volplugin.workflows.portfolio_risk import BookToday, book_today
from volplugin.workflows.weights import read_weights

__all__ = ["BookToday", "Check", "Limits", "book_today", "check_health", "read_weights"]
