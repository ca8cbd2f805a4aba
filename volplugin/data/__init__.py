"""Prices: the panel, the readers of files and frames, calendars, the daily variance, and simulated markets."""

from volplugin.data.checks import FIELDS, PRICES, as_moment
from volplugin.data.panel import MAX_GAP_SESSIONS, PricePanel, price_digest
from volplugin.data.readers import PriceTables, read_frames, read_prices
from volplugin.data.simulated import simulated_panel
from volplugin.data.suspects import suspect_prices
from volplugin.data.variance import VARIANCE_FLOOR, daily_variance

__all__ = [
    "FIELDS",
    "MAX_GAP_SESSIONS",
    "PRICES",
    "PricePanel",
    "PriceTables",
    "VARIANCE_FLOOR",
    "as_moment",
    "daily_variance",
    "price_digest",
    "read_frames",
    "read_prices",
    "simulated_panel",
    "suspect_prices",
]
