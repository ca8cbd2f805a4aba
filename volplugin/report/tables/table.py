"""A table of plain text, and how its numbers are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Table:
    """Column titles, and rows of which the first cell is the row's name; a row of one cell is a heading."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    kind: str = "numbers"
    """How its cells stand: as numbers, as words, or as pairs of a name and what it is."""


def percent(value: float | None, digits: int = 1) -> str:
    """Format a fraction as a percentage, or a dash where there is none."""
    return "–" if value is None or not np.isfinite(value) else f"{100 * value:.{digits}f}%".replace("-", "−")


def number(value: float | None, digits: int) -> str:
    """Format a number, or a dash where there is none."""
    return "–" if value is None or not np.isfinite(value) else f"{value:.{digits}f}".replace("-", "−")


def count(expected: float) -> str:
    """Format a number that is expected: whole, or with a decimal where that would be rough."""
    return number(expected, 0 if expected >= 10 else 1)


def signed(value: float) -> str:
    """Format percent with their sign."""
    return f"{value:+.1f}%".replace("-", "−") if np.isfinite(value) else "–"


def pvalue(value: float | None) -> str:
    """Format a p-value in three decimals."""
    return "< 0.001" if value is not None and value < 0.001 else number(value, 3)


def marked(bias: float, lower: float, upper: float) -> str:
    """Format a bias statistic, with an arrow where it lies outside its band."""
    mark = "" if lower <= bias <= upper else ("▲ " if bias > 1 else "▼ ")
    return f"{mark}{bias:.2f}"
