"""The judge: losses, tests and scorecards of volatility and portfolio-risk forecasts."""

from volplugin.evaluation.calibration import (
    BiasStatistic,
    bias_statistic,
    mrad,
    q_statistic,
    rolling_bias,
    verdict_table,
)
from volplugin.evaluation.covariance.evaluate import judge_covariances
from volplugin.evaluation.covariance.path import CovariancePath
from volplugin.evaluation.covariance.scores import CovarianceScores
from volplugin.evaluation.equal_weight import EqualWeightBooks, equal_weight_books
from volplugin.evaluation.forecasts import PortfolioForecasts, book_returns, forecast_table, portfolio_forecasts
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
from volplugin.evaluation.portfolio import book_scorecard, portfolio_scorecard, standing_bias
from volplugin.evaluation.stress_periods import STRESS
from volplugin.evaluation.volatility import VolatilityJudgement, judge_forecasts

__all__ = [
    "STRESS",
    "BiasStatistic",
    "CovariancePath",
    "CovarianceScores",
    "Coverage",
    "DieboldMariano",
    "EqualWeightBooks",
    "LevelTest",
    "MincerZarnowitz",
    "PortfolioForecasts",
    "VolatilityJudgement",
    "VolatilityScores",
    "bias_statistic",
    "book_returns",
    "book_scorecard",
    "coverage",
    "diebold_mariano",
    "equal_weight_books",
    "forecast_table",
    "hac_lags",
    "judge_covariances",
    "judge_forecasts",
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
    "verdict_table",
    "volatility_scorecard",
]
