"""Tables of what made the numbers."""

from __future__ import annotations

from typing import Any

from volplugin.report.result import BacktestResult
from volplugin.report.tables.table import Table, percent

SAID = frozenset({"target", "frequency", "bundle"})
"""Parameters that have rows of their own."""


def details(result: BacktestResult) -> Table:
    """List what is needed to run it again."""
    run = result.details
    given = {
        "strategy": run.strategy,
        "bundle": run.bundle,
        "sessions": f"{result.perf.index[0].date()} to {result.perf.index[-1].date()}",
        "rebalanced": run.frequency,
        "target": percent(result.target) if result.target else None,
        "model": run.model,
        **{str(name).replace("_", " "): value for name, value in run.parameters.items() if name not in SAID},
        "data fingerprint": run.fingerprint,
        "versions": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    }
    rows = [[name, _plain(value)] for name, value in given.items() if value is not None]
    return Table("The run", [], rows, kind="pairs")


def _plain(value: Any) -> str:
    """Write a number as one would by hand."""
    return f"{value:,.10g}" if isinstance(value, float) else str(value)


def vintages(result: BacktestResult) -> Table | None:
    """Model vintages that answered."""
    used = result.details.vintages
    if not used:
        return None
    columns = list(dict.fromkeys(key for vintage in used for key in vintage))
    rows = [[str(vintage.get(key, "–")) for key in columns] for vintage in used]
    note = "A vintage answers only on dates after it was trained through."
    return Table("Model vintages", [name.replace("_", " ") for name in columns], rows, note, "words")
