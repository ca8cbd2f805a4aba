"""Portfolios: weights from a forecast, and weights scaled to a volatility target."""

from volplugin.portfolio.allocation import equal_weight, inverse_volatility, minimum_variance, risk_parity
from volplugin.portfolio.holding_period import forward_forecast, holding_horizon
from volplugin.portfolio.stress import ShockLimit
from volplugin.portfolio.track_record import TrackRecord
from volplugin.portfolio.volatility_target import VolatilityTarget

__all__ = [
    "ShockLimit",
    "TrackRecord",
    "VolatilityTarget",
    "forward_forecast",
    "equal_weight",
    "holding_horizon",
    "inverse_volatility",
    "minimum_variance",
    "risk_parity",
]
