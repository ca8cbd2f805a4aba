"""The notebook runs from top to bottom, and shows what it prints."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pages

NOTEBOOK = pages.CHECKOUT / "docs" / "volplugin.ipynb"
LARGEST = 400_000
"""Bytes; pictures are kept in it."""


def cells(path: Path) -> list[dict]:
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def texts(cell: dict) -> list[str]:
    """Printed and shown outputs of a cell; a picture is told by its presence."""
    shown = []
    for output in cell["outputs"]:
        data = output.get("data", {})
        picture = "picture" if "image/png" in data else None
        shown.append(picture or "".join(output.get("text") or data.get("text/plain", "")))
    return shown


def test_it_was_run_in_order_and_is_small():
    assert NOTEBOOK.stat().st_size < LARGEST
    counts = [cell["execution_count"] for cell in cells(NOTEBOOK)]
    assert counts == list(range(1, len(counts) + 1))
    for cell in cells(NOTEBOOK):
        compile("".join(cell["source"]), NOTEBOOK.name, "exec")
        assert all(output["output_type"] != "error" for output in cell["outputs"])
    assert sum(texts(cell).count("picture") for cell in cells(NOTEBOOK)) == 2


@pytest.mark.slow
def test_it_shows_what_it_prints(tmp_path, dow30_root):
    copy = shutil.copy(NOTEBOOK, tmp_path / NOTEBOOK.name)
    env = os.environ | {"ZIPLINE_ROOT": str(dow30_root), "IPYTHONDIR": str(tmp_path / "ipython")}
    command = [sys.executable, pages.CHECKOUT / "tools" / "run_notebook.py", copy]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    for stored, ran in zip(cells(NOTEBOOK), cells(Path(copy)), strict=True):
        assert len(texts(ran)) == len(texts(stored))
        for one, other in zip(texts(ran), texts(stored), strict=True):
            assert pages.is_same(one, other), f"{''.join(ran['source'])}\nprints\n{one}\nand shows\n{other}"
