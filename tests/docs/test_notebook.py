"""The notebook runs from top to bottom, and shows what it prints."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import nbformat
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


CELLS = (
    """
    import numpy as np
    from volplugin import EWMACorrelation, RiskModel, RollingVolatility, simulated_panel
    panel = simulated_panel(5, "2015-01-02", "2016-12-30")
    forecast = RiskModel(RollingVolatility(60), EWMACorrelation(halflife=42)).forecast(panel)
    forecast
    """,
    """
    import pandas as pd
    from volplugin.evaluation import portfolio_scorecard
    returns = panel.returns.mean(axis=1).iloc[1:]
    daily = (returns**2).ewm(span=60).mean().shift(1)[60:] ** 0.5
    scorecard = portfolio_scorecard(daily, returns, 0.1)
    scorecard
    """,
    """
    from volplugin.report import BacktestResult, RunDetails
    perf = pd.DataFrame({"returns": returns, "predicted_vol": daily * 252**0.5}).dropna()
    result = BacktestResult(RunDetails("mine", "simulated", "EWMA"), perf, scorecard, target=0.1)
    result
    """,
    "result.plot.target();",
    "result.plot.calibration()",
    """
    import matplotlib.pyplot as plt
    _, axes = plt.subplots(1, 2)
    result.plot.predicted_realized(axes[0]), result.plot.pit(axes[1]);
    """,
)


def test_objects_and_plots_show_pictures(tmp_path):
    """Executed by a kernel: tables with a picture from `_repr_html_`, and one PNG image per figure."""
    path, written = tmp_path / "shown.ipynb", [nbformat.v4.new_code_cell(textwrap.dedent(cell)) for cell in CELLS]
    nbformat.write(nbformat.v4.new_notebook(cells=written), path)
    env = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    command = [sys.executable, pages.CHECKOUT / "tools" / "run_notebook.py", path]
    done = subprocess.run(command, env=env | {"IPYTHONDIR": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    shown = [[output.get("data", {}) for output in cell["outputs"]] for cell in cells(path)]
    for (output,), mark in zip(shown[:3], ("<svg", "<svg", "<img"), strict=True):
        assert mark in "".join(output["text/html"])
        assert "<table>" in "".join(output["text/html"])
    assert [sum("image/png" in output for output in cell) for cell in shown[3:]] == [1, 1, 1]
