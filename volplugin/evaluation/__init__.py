"""Losses, tests and scorecards of volatility, covariance and portfolio-risk forecasts."""

from volplugin._deprecated import former_names
from volplugin.evaluation.attribution import ErrorSources, error_sources
from volplugin.evaluation.bands import fit_dof, sampling_band
from volplugin.evaluation.calibration import (
    BiasStatistic,
    bias_statistic,
    by_forecast_decile,
    calibration_summary,
    calibration_table,
    mrad,
    q_statistic,
    rolling_bias,
)
from volplugin.evaluation.components import component_scores, seed_spread
from volplugin.evaluation.constants import TAILS
from volplugin.evaluation.covariance.evaluate import evaluate_covariance_forecasts
from volplugin.evaluation.covariance.path import CovariancePath
from volplugin.evaluation.covariance.scores import CovarianceScores
from volplugin.evaluation.equal_weight import EqualWeightPortfolios, equal_weight_portfolios
from volplugin.evaluation.forecasts import (
    ForecastsInForce,
    PortfolioForecasts,
    align_to_returns,
    forecast_table,
    portfolio_forecasts,
    portfolio_returns,
)
from volplugin.evaluation.hypothesis_tests import (
    DieboldMariano,
    MincerZarnowitz,
    diebold_mariano,
    mincer_zarnowitz,
    model_confidence_set,
)
from volplugin.evaluation.long_run import combine_pvalues
from volplugin.evaluation.losses import log_likelihood, mse, proxy_scale, qlike, range_variance, realized_variance
from volplugin.evaluation.model_comparison import VolatilityScores, volatility_scorecard
from volplugin.evaluation.panel_tests import LevelTest, level_test, pooled_mincer_zarnowitz
from volplugin.evaluation.portfolio import (
    Scorecard,
    compare_portfolio_forecasts,
    horizon_scores,
    perf_scorecard,
    portfolio_scorecard,
)
from volplugin.evaluation.sample import EvaluationSample, scored_samples
from volplugin.evaluation.stress_periods import STRESS, mean_by_stress, mean_by_year, stress_within
from volplugin.evaluation.tail_limits import expected_shortfall, tail_limits, value_at_risk
from volplugin.evaluation.tail_tests import (
    Coverage,
    DynamicQuantile,
    ShortfallTest,
    acerbi_szekely,
    coverage,
    dynamic_quantile,
    fissler_ziegel,
)
from volplugin.evaluation.volatility import VolatilityEvaluation, evaluate_volatility_forecasts

__all__ = [
    "Scorecard",
    "TAILS",
    "BiasStatistic",
    "CovariancePath",
    "CovarianceScores",
    "Coverage",
    "DieboldMariano",
    "DynamicQuantile",
    "EqualWeightPortfolios",
    "ErrorSources",
    "EvaluationSample",
    "ForecastsInForce",
    "LevelTest",
    "MincerZarnowitz",
    "PortfolioForecasts",
    "STRESS",
    "ShortfallTest",
    "VolatilityEvaluation",
    "VolatilityScores",
    "acerbi_szekely",
    "align_to_returns",
    "bias_statistic",
    "by_forecast_decile",
    "calibration_summary",
    "calibration_table",
    "combine_pvalues",
    "compare_portfolio_forecasts",
    "component_scores",
    "coverage",
    "diebold_mariano",
    "dynamic_quantile",
    "equal_weight_portfolios",
    "error_sources",
    "evaluate_covariance_forecasts",
    "evaluate_volatility_forecasts",
    "expected_shortfall",
    "fissler_ziegel",
    "fit_dof",
    "forecast_table",
    "horizon_scores",
    "level_test",
    "log_likelihood",
    "mean_by_stress",
    "mean_by_year",
    "mincer_zarnowitz",
    "model_confidence_set",
    "mrad",
    "mse",
    "perf_scorecard",
    "pooled_mincer_zarnowitz",
    "portfolio_forecasts",
    "portfolio_returns",
    "portfolio_scorecard",
    "proxy_scale",
    "q_statistic",
    "qlike",
    "range_variance",
    "realized_variance",
    "rolling_bias",
    "sampling_band",
    "scored_samples",
    "seed_spread",
    "stress_within",
    "tail_limits",
    "value_at_risk",
    "volatility_scorecard",
]

__getattr__ = former_names(__name__)
