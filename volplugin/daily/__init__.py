"""What is asked every day: the risk of a book now, and whether its forecasts can be trusted."""

from volplugin.daily.book import BookToday, book_today
from volplugin.daily.health import Check, Limits, check_health
from volplugin.daily.weights import read_weights

__all__ = ["BookToday", "Check", "Limits", "book_today", "check_health", "read_weights"]
