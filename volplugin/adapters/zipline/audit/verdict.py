"""Result of an audit, and its text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from volplugin.adapters.zipline.audit.decisions import CLOSE, MORNING, Difference

CLEAN, LEAK, NO_VERDICT = 0, 1, 2
"""Exit codes of ``volplugin audit``."""


@dataclass(frozen=True)
class AuditReport:
    """Findings of an audit.

    Attributes
    ----------
    strategy, bundle, start, end : str
        What was audited.
    orders : int
        Number of orders on the bundle.
    cuts : tuple of str
        First replaced sessions of the copies.
    leak : Difference or None
        The first decision that used the future.
    models_from_the_future : tuple of str
        Models used before the end of their training.
    unseen : tuple of str
        What the audit cannot look into: files, network, programs, models trained on other data, chance.
    notes : tuple of str
        Assumptions of the audit.
    """

    strategy: str
    bundle: str
    start: str
    end: str
    orders: int
    cuts: tuple[str, ...]
    leak: Difference | None
    models_from_the_future: tuple[str, ...]
    not_auditable: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 clean, 1 a leak, 2 no verdict."""
        if self.leak is not None or self.models_from_the_future:
            return LEAK
        return NO_VERDICT if self.not_auditable else CLEAN


def audit_text(report: AuditReport) -> str:
    """Summarise an audit in a few lines, the verdict last."""
    return "\n".join(_lines(report))


def _lines(report: AuditReport) -> Iterator[str]:
    yield f"audit of {report.strategy} on {report.bundle}, {report.start} to {report.end}: {report.orders} orders"
    if report.cuts:
        yield f"prices replaced from {', '.join(report.cuts)} on, each in a copy of its own"
    if report.leak is not None:
        yield f"LEAK: {difference_text(report.leak)}"
    for model in report.models_from_the_future:
        yield f"LEAK: {model}"
    for what in report.not_auditable:
        yield f"NOT AUDITABLE: {what}"
    for what in report.notes:
        yield f"note: {what}"
    yield {
        CLEAN: "clean: no decision used a price of its future",
        LEAK: "verdict: it uses the future",
        NO_VERDICT: "no verdict: no leak was seen in what could be audited",
    }[report.exit_code]


def difference_text(found: Difference) -> str:
    """Describe the first decision that differs."""
    when = f"at the close of {found.session}" if found.hook == CLOSE else f"in {MORNING} of {found.session}"
    return (
        f"{when}, {found.kind}{f' of {found.name}' if found.name else ''}: {_shown(found.original)}; "
        f"with other prices from {found.cut} on: {_shown(found.scrambled)}"
    )


def failure_text(what: str, error: Mapping[str, str]) -> str:
    """Describe where in the strategy a run failed."""
    where = f" ({error['line']})" if error["line"] else ""
    return f"{what}: {error['type']}: {error['message']}{where}"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict) and "shown" in value:
        return f"{value['shown']} ({value['digest']})"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(part)}" for name, part in value.items())
    return f"{value:.6g}" if isinstance(value, float) else str(value)
