"""Run a notebook from top to bottom, and store its outputs in it: ``python tools/run_notebook.py NOTEBOOK``."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

VOLATILE = ("execution", "scrolled")
"""Metadata of a cell that changes from run to run."""


def executed(notebook: Path, folder: str) -> nbformat.NotebookNode:
    """Run a notebook in a folder; return it with its outputs, without metadata that changes from run to run."""
    content = nbformat.read(notebook, as_version=4)
    NotebookClient(content, timeout=600, resources={"metadata": {"path": folder}}, record_timing=False).execute()
    for cell in content.cells:
        for name in VOLATILE:
            cell.metadata.pop(name, None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    content.metadata.pop("widgets", None)
    content.metadata["language_info"] = {"name": "python"}
    return content


def main(notebook: str) -> None:
    """Write the outputs into the notebook."""
    os.environ.pop("MPLBACKEND", None)
    path = Path(notebook).resolve()
    with tempfile.TemporaryDirectory() as folder:
        content = executed(path, folder)
    nbformat.write(content, path)


if __name__ == "__main__":
    main(*sys.argv[1:])
