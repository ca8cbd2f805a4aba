"""Numbers, then plots, then a page: the report of a backtest.

``volplugin backtest`` writes the page; ``volplugin report DIR`` draws it again from the files. Its parts, one by one::

    from volplugin.report import plots, read_result

    result = read_result("results")
    plots.plot_calibration(result).figure.savefig("calibration.png")

The numbers behind each plot are functions of `volplugin.report.measures`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from volplugin.report.folder import read_result
    from volplugin.report.html import write_report
    from volplugin.report.result import BacktestResult, Comparison, RunDetails, package_versions

__all__ = ["BacktestResult", "Comparison", "RunDetails", "package_versions", "read_result", "write_report"]


def __getattr__(name: str) -> Any:
    """Load a name on first use (PEP 562): a table for a terminal takes no matplotlib."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = {"write_report": "html", "read_result": "folder"}.get(name, "result")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
