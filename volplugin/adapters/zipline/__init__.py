"""volplugin inside zipline: bundles in, forecasts for a running strategy, metrics out."""

from volplugin._bundles import (
    bundle_from_frames,
    ingest_bundle,
    register_csv_folder,
    register_dow30,
    register_prices,
)
from volplugin.adapters.zipline.bundles import bundle_calendar, bundle_sessions, check_range, read_bundle
from volplugin.adapters.zipline.controls import MaxPredictedVolatility, set_max_predicted_volatility
from volplugin.adapters.zipline.metrics import RiskMetrics, register_metrics
from volplugin.adapters.zipline.parameters import StrategyParameters, read_parameters
from volplugin.adapters.zipline.pipeline_factor import PredictedVolatility, predicted_volatility
from volplugin.adapters.zipline.pipeline_loader import PrecomputedForecasts
from volplugin.adapters.zipline.provider import RiskProvider
from volplugin.adapters.zipline.run import load_strategy, run_backtest
from volplugin.adapters.zipline.sessions import completed_session, history_panel

__all__ = [
    "MaxPredictedVolatility",
    "PrecomputedForecasts",
    "PredictedVolatility",
    "RiskMetrics",
    "RiskProvider",
    "StrategyParameters",
    "bundle_calendar",
    "bundle_from_frames",
    "bundle_sessions",
    "check_range",
    "completed_session",
    "history_panel",
    "ingest_bundle",
    "load_strategy",
    "predicted_volatility",
    "read_bundle",
    "read_parameters",
    "register_csv_folder",
    "register_dow30",
    "register_metrics",
    "register_prices",
    "run_backtest",
    "set_max_predicted_volatility",
]
