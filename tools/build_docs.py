"""Build the API reference from the docstrings: ``python tools/build_docs.py FOLDER``."""

from __future__ import annotations

import importlib
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

MODULES = (
    "volplugin",
    *("volplugin.volatility", "volplugin.volatility.lstm", "volplugin.correlation", "volplugin.risk.adjustments"),
    *(
        "volplugin.risk.defaults",
        "volplugin.volatility.pretrained",
        "volplugin.portfolio",
        "volplugin.risk.diversification",
        "volplugin.units",
    ),
    *(
        "volplugin.risk.history",
        "volplugin.evaluation",
        "volplugin.report",
        "volplugin.report.plots",
        "volplugin.workflows.study",
    ),
    *("volplugin.workflows", "volplugin.cli.config", "volplugin.parallel"),
    *("volplugin.adapters.zipline", "volplugin.adapters.zipline.audit", "volplugin.adapters.zipline.metrics"),
    *(("volplugin.adapters.skfolio",) if find_spec("skfolio") else ()),
    *(("volplugin.adapters.bt",) if find_spec("bt") else ()),
    *("volplugin.adapters.cvxportfolio", "volplugin.adapters.ml4t"),
    *("volplugin.errors", "volplugin.data.simulated"),
)
"""Modules of the reference."""


def load(name: str) -> ModuleType:
    """Import a module, and load its lazy names."""
    module = importlib.import_module(name)
    for public in getattr(module, "__all__", ()):
        setattr(module, public, getattr(module, public))
    return module


def main(folder: str) -> None:
    """Write one page per module; a warning is an error."""
    import pdoc
    import pdoc.render

    warnings.simplefilter("error")
    version = load("volplugin").__version__
    for name in MODULES:
        load(name)
    # Parameters and attributes are documented in the docstring of their class.
    pdoc.render.configure(
        docformat="numpy",
        include_undocumented=False,
        show_source=False,
        footer_text=f"volplugin {version}",
    )
    pdoc.pdoc(*MODULES, output_directory=Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
