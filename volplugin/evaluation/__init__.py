"""The judge: losses, tests and scorecards of volatility and portfolio-risk forecasts."""

from volplugin.evaluation.backtest import (
    PortfolioForecasts,
    book_returns,
    forecast_table,
    portfolio_forecasts,
)
from volplugin.evaluation.calibration import BiasStatistic, bias_statistic, mrad, q_statistic, rolling_bias
from volplugin.evaluation.losses import mse, proxy_scale, qlike, range_variance, realized_variance
from volplugin.evaluation.ranking import VolatilityScores, volatility_scorecard
from volplugin.evaluation.scorecard import book_scorecard, portfolio_scorecard, standing_bias
from volplugin.evaluation.tests import (
    Coverage,
    DieboldMariano,
    MincerZarnowitz,
    coverage,
    diebold_mariano,
    mincer_zarnowitz,
    model_confidence_set,
    value_at_risk,
)

__all__ = [
    "BiasStatistic",
    "Coverage",
    "DieboldMariano",
    "MincerZarnowitz",
    "PortfolioForecasts",
    "VolatilityScores",
    "bias_statistic",
    "book_returns",
    "book_scorecard",
    "coverage",
    "diebold_mariano",
    "forecast_table",
    "mincer_zarnowitz",
    "model_confidence_set",
    "mrad",
    "mse",
    "portfolio_forecasts",
    "portfolio_scorecard",
    "proxy_scale",
    "q_statistic",
    "qlike",
    "range_variance",
    "realized_variance",
    "rolling_bias",
    "standing_bias",
    "value_at_risk",
    "volatility_scorecard",
]
