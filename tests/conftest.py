"""Settings for the whole suite: nothing reads or writes the user's own folders, and every run is the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import synthetic as market
from hypothesis import settings

from volplugin import PricePanel

settings.register_profile("volplugin", deadline=None, derandomize=True)
settings.load_profile("volplugin")


@pytest.fixture(scope="session", autouse=True)
def isolated_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Point zipline at an empty root and matplotlib at a screenless backend, and return that root."""
    root = tmp_path_factory.mktemp("zipline-root")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZIPLINE_ROOT", str(root))
        patch.setenv("MPLBACKEND", "Agg")
        patch.setenv("OMP_NUM_THREADS", "1")
        yield root


@pytest.fixture(scope="session")
def synthetic() -> PricePanel:
    """Eight made-up assets over 1300 sessions: one listed late, one halted, one delisted."""
    return market.market()


@pytest.fixture(scope="session")
def real() -> PricePanel:
    """Eight of the shipped stocks from 2005 to 2011, a stretch without a split of theirs."""
    prices = Path(__file__).parents[1] / "bundles" / "dow30" / "dow30.csv.gz"
    names = ["AXP", "CVX", "GS", "IBM", "JPM", "MCD", "PG", "V"]
    whole = PricePanel.from_csv(prices).select(names)
    within = slice("2005-01-01", "2011-12-31")
    fields = {field: getattr(whole, field).loc[within] for field in ("open", "high", "low", "close", "volume")}
    return PricePanel(**fields)
