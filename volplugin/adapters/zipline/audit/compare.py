"""Holding the runs of an audit against each other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from volplugin.adapters.zipline.audit.decisions import KEPT, MORNING, Decision, Difference, first_difference
from volplugin.adapters.zipline.audit.run import Record
from volplugin.adapters.zipline.audit.verdict import difference_text, failure_text
from volplugin.errors import StoreConfigurationError, StoreCorruptError, StoreError

STORE_ERRORS = {kind.__name__ for kind in (StoreError, StoreConfigurationError, StoreCorruptError)}


def first_leak(
    same: Record, others: Sequence[tuple[str, Record]], *, ignored: Collection[str] = ()
) -> Difference | None:
    """Return the earliest decision that differs on any copy with other prices.

    Parameters
    ----------
    same : Record
        Of a plain copy.
    others : sequence of (cut, Record)
        Of the copies with other prices from `cut` on.
    ignored : collection of str
        Names of kept values to leave aside.
    """
    wanted = [made for made in same.decisions if not (made.kind == KEPT and made.name in ignored)]
    found = []
    for cut, other in others:
        decided = [made for made in _with_error(other, cut) if not (made.kind == KEPT and made.name in ignored)]
        found.append(first_difference(wanted, decided, cut))
    return min((one for one in found if one is not None), key=lambda one: one.session, default=None)


def nondeterminism(one: Record, other: Record, last: str) -> list[str]:
    """Describe how two runs on the same prices differ, if they do; state that a strategy stores is ignored."""
    if other.error is not None:
        return [failure_text("on a copy of the same prices it fails", other.error)]
    mine, theirs = ([made for made in run.decisions if made.kind != KEPT] for run in (one, other))
    found = first_difference(mine, theirs, last)
    if found is None:
        return []
    return [f"two runs on the same prices differ (random numbers, the clock?): {difference_text(found)}"]


def refused(others: Iterable[Record]) -> list[str]:
    """Say so if a copy failed for a store's refusal: it keeps models of the true prices, trained during the run."""
    failed = [other.error for other in others if other.error is not None and other.error["type"] in STORE_ERRORS]
    return [failure_text("with other prices it fails (train before the run, not in it)", error) for error in failed[:1]]


def differing_names(one: Record, other: Record, kind: str) -> set[str]:
    """Names of the decisions of a kind in which two runs differ anywhere."""
    sets = [
        {(made.name, made.session, str(made.value)) for made in run.decisions if made.kind == kind}
        for run in (one, other)
    ]
    return {name for name, *_ in sets[0] ^ sets[1]}


def _with_error(record: Record, cut: str) -> list[Decision]:
    """Return the decisions of a run, and the error that ended it as one more."""
    if record.error is None:
        return record.decisions
    day = record.error["session"] or cut
    what = f"{record.error['type']}: {record.error['message']}"
    return [*record.decisions, Decision(day, MORNING, "error", record.error["line"], what)]
