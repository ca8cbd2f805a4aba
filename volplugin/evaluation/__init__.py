"""The judge: losses, tests and scorecards of volatility and portfolio-risk forecasts."""

from volplugin._deprecated import former_names
from volplugin.evaluation.calibration import (
    BiasStatistic,
    bias_statistic,
    calibration_table,
    mrad,
    q_statistic,
    rolling_bias,
)
from volplugin.evaluation.covariance.evaluate import evaluate_covariance_forecasts
from volplugin.evaluation.covariance.path import CovariancePath
from volplugin.evaluation.covariance.scores import CovarianceScores
from volplugin.evaluation.equal_weight import EqualWeightPortfolios, equal_weight_portfolios
from volplugin.evaluation.forecasts import PortfolioForecasts, forecast_table, portfolio_forecasts, portfolio_returns
from volplugin.evaluation.hypothesis_tests import (
    Coverage,
    DieboldMariano,
    MincerZarnowitz,
    coverage,
    diebold_mariano,
    hac_lags,
    mincer_zarnowitz,
    model_confidence_set,
    value_at_risk,
)
from volplugin.evaluation.losses import log_likelihood, mse, proxy_scale, qlike, range_variance, realized_variance
from volplugin.evaluation.model_comparison import VolatilityScores, volatility_scorecard
from volplugin.evaluation.panel_tests import LevelTest, level_test, pooled_mincer_zarnowitz
from volplugin.evaluation.portfolio import compare_portfolio_forecasts, portfolio_scorecard, standing_bias
from volplugin.evaluation.stress_periods import STRESS
from volplugin.evaluation.volatility import VolatilityEvaluation, evaluate_volatility_forecasts

__all__ = [
    "STRESS",
    "BiasStatistic",
    "CovariancePath",
    "CovarianceScores",
    "Coverage",
    "DieboldMariano",
    "EqualWeightPortfolios",
    "LevelTest",
    "MincerZarnowitz",
    "PortfolioForecasts",
    "VolatilityEvaluation",
    "VolatilityScores",
    "bias_statistic",
    "portfolio_returns",
    "compare_portfolio_forecasts",
    "coverage",
    "diebold_mariano",
    "equal_weight_portfolios",
    "forecast_table",
    "hac_lags",
    "evaluate_covariance_forecasts",
    "evaluate_volatility_forecasts",
    "level_test",
    "log_likelihood",
    "mincer_zarnowitz",
    "model_confidence_set",
    "mrad",
    "mse",
    "pooled_mincer_zarnowitz",
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
    "calibration_table",
    "volatility_scorecard",
]

__getattr__ = former_names(__name__)
