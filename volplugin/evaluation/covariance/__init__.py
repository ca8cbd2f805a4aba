"""Evaluation of covariance forecasts: their likelihood, and the risk of portfolios under them."""

from volplugin.evaluation.covariance.evaluate import block_weights, evaluate_covariance_forecasts
from volplugin.evaluation.covariance.outcomes import CovarianceOutcomes, outcomes, rolling_deviation
from volplugin.evaluation.covariance.path import CovariancePath
from volplugin.evaluation.covariance.sample import EvaluationSample, evaluation_sample
from volplugin.evaluation.covariance.scores import CovarianceScores
from volplugin.evaluation.covariance.test_portfolios import TestPortfolios

__all__ = [
    "CovarianceOutcomes",
    "CovariancePath",
    "CovarianceScores",
    "EvaluationSample",
    "TestPortfolios",
    "block_weights",
    "evaluate_covariance_forecasts",
    "evaluation_sample",
    "outcomes",
    "rolling_deviation",
]
