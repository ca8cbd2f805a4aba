"""The seed design as originally described, compared with the causal model."""

from volplugin.volatility.lstm.seed import SeedSettings
from volplugin.workflows.study.run import causal_model, run_study
from volplugin.workflows.study.sample import Sample, common_sample

__all__ = ["Sample", "SeedSettings", "causal_model", "common_sample", "run_study"]
