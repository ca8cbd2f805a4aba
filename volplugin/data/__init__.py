"""Prices: the panel, the readers of files, the daily variance, and simulated markets."""

from volplugin.data.panel import FIELDS, MAX_GAP_SESSIONS, PricePanel, as_moment, price_digest
from volplugin.data.simulated import simulated_panel
from volplugin.data.variance import daily_variance

__all__ = ["FIELDS", "MAX_GAP_SESSIONS", "PricePanel", "as_moment", "daily_variance", "price_digest", "simulated_panel"]
