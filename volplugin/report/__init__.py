"""Numbers, then plots, then a page: the report of a backtest."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from volplugin.report.html import write_report
    from volplugin.report.result import BacktestResult, Comparison, RunDetails, package_versions

__all__ = ["BacktestResult", "Comparison", "RunDetails", "package_versions", "write_report"]


def __getattr__(name: str) -> Any:
    """Load a name on first use (PEP 562): a table for a terminal takes no matplotlib."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "html" if name == "write_report" else "result"
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
