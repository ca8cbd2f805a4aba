"""The small market, and vintages of a tiny LSTM trained on it."""

from pathlib import Path

import pytest

import zipline_market
from volplugin import LSTMVolatility, ModelStore, RefitSchedule, WalkForward, read_bundle


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory, isolated_environment: Path) -> str:
    """Name of the ingested bundle of the small market."""
    return zipline_market.ingest(tmp_path_factory.mktemp("clean"))


@pytest.fixture(scope="session")
def store(small: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the vintages that answer from 2016-06 to 2017."""
    folder = tmp_path_factory.mktemp("models")
    # Without season inputs, which are noise for six simulated stocks and few gradient steps.
    tiny = LSTMVolatility(units=(4,), window=10, seeds=(0,), steps=5, inputs="all")
    walk_forward = WalkForward(tiny, schedule=RefitSchedule("quarterly"), store=ModelStore(folder))
    walk_forward.train(read_bundle(small), start="2017-01-03", end="2017-12-29", n_jobs=1, progress=False)
    return folder
