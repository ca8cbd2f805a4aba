"""Decisions of a strategy per session, and the first difference between two runs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

MORNING, CLOSE = "before_trading_start", "the close"
HOOKS = (MORNING, CLOSE)
"""In the order of a session; zipline's daily mode runs everything but the first at the close."""

KEPT = "kept value"
"""The kind of the state that ``before_trading_start`` stores for later."""

TOLERANCE = 1e-9
"""Relative difference of two numbers that counts as none: the noise of prices adjusted in another order."""


@dataclass(frozen=True)
class Decision:
    """One thing that a strategy did, or that followed at once from what it did.

    Attributes
    ----------
    session : str
        ISO date.
    hook : str
        `MORNING` or `CLOSE`.
    kind : {"order", "cancelled order", "fill", "recorded value", "kept value", "portfolio value", "error"}
    name : str
        The asset's symbol, or the name of the value.
    value : JSON value
        Shares and limits, or the value itself.
    """

    session: str
    hook: str
    kind: str
    name: str
    value: Any


@dataclass(frozen=True)
class Difference:
    """The first decision in which a run on other future prices differs: one that used the future.

    Attributes
    ----------
    session, hook, kind, name : str
        As of the `Decision`.
    original, scrambled : JSON value
        What was decided on the bundle and on the copy; None for nothing.
    cut : str
        ISO date of the first session whose prices differ.
    """

    session: str
    hook: str
    kind: str
    name: str
    original: Any
    scrambled: Any
    cut: str


def first_difference(ours: Iterable[Decision], theirs: Iterable[Decision], cut: str) -> Difference | None:
    """Return the first difference between the decisions before the close of `cut`, or None."""
    one, other = _known(ours, cut), _known(theirs, cut)
    order = {key: place for place, key in enumerate([*one, *other])}
    for key in sorted(order, key=lambda key: (key[0], HOOKS.index(key[1]), order[key])):
        for original, scrambled in zip_longest(one.get(key, []), other.get(key, [])):
            if not same(original, scrambled):
                return Difference(*key, original, scrambled, cut)
    return None


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, numbers to `TOLERANCE` and missing numbers to each other."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=1e-15) or (math.isnan(one) and math.isnan(other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def _known(decisions: Iterable[Decision], cut: str) -> dict[tuple[str, str, str, str], list[Any]]:
    """Values by session, hook, kind and name, of everything before the close of a session."""
    known: dict[tuple[str, str, str, str], list[Any]] = {}
    for made in decisions:
        if made.session < cut or (made.session == cut and made.hook == MORNING):
            known.setdefault((made.session, made.hook, made.kind, made.name), []).append(made.value)
    return known
