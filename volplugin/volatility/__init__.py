"""Volatility forecasters behind one interface; the LSTM is in `volplugin.volatility.lstm`, which loads torch."""

from volplugin.volatility.base import CONTEXT_SESSIONS, OnlinePredictor, State, VolatilityForecaster
from volplugin.volatility.bias_correction import (
    close_to_close_ratio,
    forward_variance,
    out_of_sample_ratio,
    purged,
    rescale,
)
from volplugin.volatility.combination import FallbackChain, GeometricBlend
from volplugin.volatility.features import Features, build_features
from volplugin.volatility.garch import GARCHVolatility
from volplugin.volatility.har import HARVolatility
from volplugin.volatility.moving_average import EWMAVolatility, RollingVolatility
from volplugin.volatility.pretrained import PRETRAINED, PretrainedVolatility, backbone, load_walk_forward
from volplugin.volatility.prices import RangesOrCloses
from volplugin.volatility.recalibrated import RecalibratedVolatility
from volplugin.volatility.reference import reference
from volplugin.volatility.registry import forecaster_classes
from volplugin.volatility.regression import forecast_ratio, regress_logs
from volplugin.volatility.rolling import ew_mean, ffill_limited, forward_mean, rolling_mean
from volplugin.volatility.term_structure import FITTED_HORIZONS, interpolate_variance
from volplugin.volatility.vintages import RefitSchedule, VintageSource, describe
from volplugin.volatility.walk_forward import WalkForward

__all__ = [
    "CONTEXT_SESSIONS",
    "FITTED_HORIZONS",
    "PRETRAINED",
    "EWMAVolatility",
    "FallbackChain",
    "Features",
    "GARCHVolatility",
    "GeometricBlend",
    "HARVolatility",
    "OnlinePredictor",
    "PretrainedVolatility",
    "RangesOrCloses",
    "RecalibratedVolatility",
    "RefitSchedule",
    "RollingVolatility",
    "State",
    "VintageSource",
    "VolatilityForecaster",
    "WalkForward",
    "backbone",
    "build_features",
    "close_to_close_ratio",
    "describe",
    "ew_mean",
    "ffill_limited",
    "forecast_ratio",
    "forecaster_classes",
    "forward_mean",
    "forward_variance",
    "interpolate_variance",
    "load_walk_forward",
    "out_of_sample_ratio",
    "purged",
    "reference",
    "regress_logs",
    "rescale",
    "rolling_mean",
]
