"""A plugin of pytest: puts the classes of docs/extending.md into the registry, with no other forecaster."""

import sys
import tempfile
from pathlib import Path

import registry

import pages

with tempfile.TemporaryDirectory() as folder:
    for _ in pages.run(pages.CHECKOUT / "docs" / "extending.md", Path(folder), slow=False):
        pass
page = sys.modules["page_extending"]

registry.FORECASTERS.clear()
registry.FORECASTERS["page"] = page.MedianVolatility
registry.CORRELATIONS["page"] = page.SignCorrelation
registry.CALIBRATIONS["page"] = lambda: [page.TowardsMarket()]
registry.PAIRS[:] = [("page", "ewma"), ("page", "page")]
