"""Bundles of the small market, ingested once for this folder's tests."""

from pathlib import Path

import pytest

import zipline_market
from volplugin._bundles import ingest_bundle, register_csv_folder


@pytest.fixture(scope="session")
def csv_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return zipline_market.write_csv(tmp_path_factory.mktemp("prices"), zipline_market.market())


@pytest.fixture
def small(csv_folder: Path) -> str:
    """Name of the registered, not yet ingested, bundle of the small market."""
    register_csv_folder("small-csv", csv_folder)
    return "small-csv"


@pytest.fixture
def root(tmp_path: Path) -> dict[str, str]:
    """Return an environment with an empty ZIPLINE_ROOT."""
    return {"ZIPLINE_ROOT": str(tmp_path / "root")}


@pytest.fixture
def ingested(small: str, root: dict[str, str]) -> dict[str, str]:
    """Return an environment whose ZIPLINE_ROOT has the small market."""
    ingest_bundle(small, environ=root)
    return root
