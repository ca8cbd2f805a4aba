"""Three made-up stocks, one of them listed late, a cheap causal model, and a study of one pass."""

from pathlib import Path

import pandas as pd
import pytest
import synthetic as market

from volplugin import EWMACorrelation, EWMAVolatility, PricePanel, RiskModel
from volplugin.workflows.study import Sample, SeedSettings, common_sample, run_study

STOCKS = ["ALFA", "BRAV", "DELT"]
WEIGHTS = pd.Series({"ALFA": 0.75, "DELT": 0.25})


@pytest.fixture(scope="session")
def closes() -> PricePanel:
    """Return the closes of the three stocks and nothing else."""
    return PricePanel(close=market.market().close[STOCKS])


@pytest.fixture(scope="session")
def sample(closes) -> Sample:
    """Return their common sample, with a portfolio besides equal weights."""
    return common_sample(closes, SeedSettings(epochs=1), {"mine": WEIGHTS})


@pytest.fixture(scope="session")
def causal() -> RiskModel:
    """Return a risk model without training."""
    return RiskModel(EWMAVolatility(), EWMACorrelation(60))


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Return the folder of the study's networks."""
    return tmp_path_factory.mktemp("stocks")


@pytest.fixture(scope="session")
def result(sample, causal, folder):
    """Return a study of one pass."""
    return run_study(sample, causal, folder, n_jobs=1, progress=False)
