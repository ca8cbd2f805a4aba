"""Volatility forecasters behind one interface; the LSTM lives in `volplugin.volatility.lstm`."""

from volplugin.volatility.base import VolatilityForecaster
from volplugin.volatility.har import HARVolatility
from volplugin.volatility.moving import EWMAVolatility, RollingVolatility

__all__ = ["EWMAVolatility", "HARVolatility", "RollingVolatility", "VolatilityForecaster"]
