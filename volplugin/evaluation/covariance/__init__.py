"""Evaluation of covariance forecasts: their likelihood, and the risk of portfolios under them."""

from volplugin.evaluation.covariance.evaluate import evaluate_covariance_forecasts
from volplugin.evaluation.covariance.path import CovariancePath
from volplugin.evaluation.covariance.scores import CovarianceScores

__all__ = ["CovariancePath", "CovarianceScores", "evaluate_covariance_forecasts"]
