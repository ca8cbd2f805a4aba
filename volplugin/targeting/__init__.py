"""From weights to weights that carry a chosen volatility."""

from volplugin.targeting.feedback import TrackRecord
from volplugin.targeting.horizon import beyond_fill, holding_horizon
from volplugin.targeting.shock import ShockLimit
from volplugin.targeting.target import VolatilityTarget

__all__ = ["ShockLimit", "TrackRecord", "VolatilityTarget", "beyond_fill", "holding_horizon"]
