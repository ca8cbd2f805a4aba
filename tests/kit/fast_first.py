"""A plugin of pytest for mutmut's runs: the fastest tests come first, since the first failure ends a run.

Tests that took longer than `LONGEST` seconds are left out, unless no other covers the change.
"""

import json
import os
from collections import defaultdict
from pathlib import Path

import pytest

LONGEST = "VOLPLUGIN_MUTATE_LONGEST"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not (stats := Path("mutmut-stats.json")).exists():
        return
    known = json.loads(stats.read_text())["duration_by_test"]
    seconds = {item: known.get(item.nodeid, 0.0) for item in items}
    left_out = [item for item in items if seconds[item] > float(os.environ[LONGEST])]
    if 0 < len(left_out) < len(items):
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    by_file: dict[Path, float] = defaultdict(float)
    for item in items:
        by_file[item.path] += seconds[item]
    items.sort(key=lambda item: (by_file[item.path], item.path, seconds[item]))
