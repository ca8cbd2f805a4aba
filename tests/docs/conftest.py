"""A root of zipline with the shipped bundle in it."""

from pathlib import Path

import pytest

from volplugin._bundles import ingest_bundle, register_dow30


@pytest.fixture(scope="session")
def dow30_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("dow30-root")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZIPLINE_ROOT", str(root))
        register_dow30()
        ingest_bundle("dow30")
    return root
