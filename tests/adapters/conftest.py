"""The small market as zipline bundles, and a cheap risk model."""

import pytest

import zipline_market
from volplugin import RiskModel, RollingCorrelation, RollingVolatility


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory, isolated_environment) -> str:
    """Name of the ingested bundle of the small market."""
    return zipline_market.ingest(tmp_path_factory.mktemp("clean"))


@pytest.fixture(scope="session")
def poisoned(tmp_path_factory: pytest.TempPathFactory, isolated_environment) -> str:
    """Name of the ingested bundle whose bars are replaced from `zipline_market.POISON` on."""
    return zipline_market.ingest(tmp_path_factory.mktemp("poisoned"), poisoned=True)


@pytest.fixture
def model() -> RiskModel:
    """Return a risk model that learns nothing and looks back 121 sessions."""
    return RiskModel(volatility=RollingVolatility(40), correlation=RollingCorrelation(60))
