"""The seed design run as it was described, and judged beside the causal model."""

from volplugin.study.causal import causal_model
from volplugin.study.run import run_study
from volplugin.study.sample import Sample, common_sample
from volplugin.volatility.lstm.seed import SeedSettings

__all__ = ["Sample", "SeedSettings", "causal_model", "common_sample", "run_study"]
