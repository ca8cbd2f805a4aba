"""Volatility forecasters behind one interface; the LSTM lives in `volplugin.volatility.lstm`."""

from volplugin.volatility.base import VolatilityForecaster
from volplugin.volatility.combination import FallbackChain, GeometricBlend
from volplugin.volatility.garch import GARCHVolatility
from volplugin.volatility.har import HARVolatility
from volplugin.volatility.moving_average import EWMAVolatility, RollingVolatility
from volplugin.volatility.prices import RangesOrCloses

__all__ = [
    "EWMAVolatility",
    "FallbackChain",
    "GARCHVolatility",
    "GeometricBlend",
    "HARVolatility",
    "RangesOrCloses",
    "RollingVolatility",
    "VolatilityForecaster",
]
