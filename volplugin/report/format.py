"""Formats of numbers, and tables; texts are ASCII, and pages replace hyphens by typographic minus signs and dashes."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from volplugin.evaluation.constants import SIZE, measured_size

IN_SET = 0.10
"""Smallest p-value of a model inside the 90% model confidence set."""
SIGNIFICANT_T = 2.0
"""Absolute Diebold-Mariano t from which a difference is called more than chance."""
WIDTH = 100
"""Characters per line of a terminal."""

Format: TypeAlias = str | Callable[[Any], str]
"""A format specification of Python, or a function of a finite number."""
Head: TypeAlias = str | tuple[str, str]
"""Title of a column, or titles of its group and of the column."""


def show(value: Any, form: Format = ".2f") -> str:
    """Format a value; a hyphen if it is missing or not finite."""
    if not isinstance(value, str) and (value is None or not np.isfinite(value)):
        return "-"
    return form(value) if callable(form) else format(value, form)


def percent(value: float | None, digits: int = 1) -> str:
    """Format a fraction as a percentage."""
    return show(value, f"z.{digits}%")


def count(expected: float) -> str:
    """Format an expected count: as a whole number, or with one decimal if below 10."""
    return show(expected, ".0f" if expected >= 10 else ".1f")


def pvalue(value: float | None, size: float = SIZE) -> str:
    """Format a p-value, with the measured size of the test in brackets where it is not about 5%."""
    text = "< 0.001" if value is not None and value < 0.001 else show(value, ".3f")
    return text + ("" if size == SIZE else f" ({percent(size, 0)})")


def short_pvalue(value: float) -> str:
    """Format a p-value in four or five characters."""
    if value < 0.001:
        return "<.001"
    return "1.00" if value >= 0.9995 else f"{value:.3f}".removeprefix("0")


def sized(head: str, test: str, key: float) -> str:
    """Add the measured size of a test at 5% to the head of its p-values, in brackets, where it is not about 5%."""
    size = measured_size(test, key)
    return head if size == SIZE else f"{head} [{100 * size:.0f}]"


def marked(bias: float, lower: float, upper: float) -> str:
    """Format a bias statistic, with an arrow if it is outside its band."""
    return ("" if lower <= bias <= upper else "▲ " if bias > 1 else "▼ ") + f"{bias:.2f}"


def may_be_chance(t: float) -> str:
    """Return the clause that qualifies an insignificant t statistic; empty for a significant one."""
    return "" if abs(t) >= SIGNIFICANT_T else ", which may be chance"


def sessions(horizon: int) -> str:
    """Describe a horizon, such as ``5 sessions``."""
    return f"{horizon} session{'s' if horizon > 1 else ''}"


def ahead(horizon: int) -> str:
    """Describe a horizon, such as ``5 sessions ahead``."""
    return f"{sessions(horizon)} ahead"


def wrapped(lines: Iterable[str], indent: str = "") -> str:
    """Wrap lines that are wider than a terminal."""
    wrap = partial(textwrap.wrap, width=WIDTH, subsequent_indent=indent)
    return "\n".join(part for line in lines for part in (wrap(line) if len(line) > WIDTH else [line]))


@dataclass(frozen=True)
class Answer:
    """A leading number of the report.

    Attributes
    ----------
    label, value, note : str
        Name of the number, the number, and the numbers to compare it with.
    verdict : str
        One or a few words; may be empty.
    grade : str
        Colour of the verdict: "good", "fair" or "poor".
    """

    label: str
    value: str
    note: str = ""
    verdict: str = ""
    grade: str = "fair"

    @property
    def sentence(self) -> str:
        """The number with its verdict and its note."""
        return f"{self.label}: {self.value}, {self.verdict}: {self.note}."


@dataclass(frozen=True)
class Table:
    """Column titles and rows. The first cell of a row is its name; a row with a single cell is a heading."""

    title: str
    columns: Sequence[Head]
    rows: Sequence[Sequence[str]]
    note: str = ""
    kind: str = "numbers"
    """Look of the cells: "numbers", "words", "pairs" of a name and its value, or "bars" with numbers."""
    bars: Sequence[Sequence[float]] = ()
    """Lengths of the bars of each row, in percent of the room; negative ones are hatched."""

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Titles of groups of columns, with their number of columns; empty if no column is in a group."""
        titles = [head[0] if isinstance(head, tuple) else "" for head in self.columns]
        return [(title, len(list(same))) for title, same in groupby(titles)] if any(titles) else []

    @property
    def heads(self) -> list[str]:
        """Titles of the columns, without their groups."""
        return [head[1] if isinstance(head, tuple) else head for head in self.columns]

    def text(self, width: int = WIDTH) -> str:
        """Lay the rows out for a terminal; columns that do not fit continue in a block below."""
        groups = [head[0] if isinstance(head, tuple) else "" for head in self.columns]
        heads = list(zip(groups, self.heads, strict=True)) if self.groups else self.heads
        frame = pd.DataFrame([row[1:] for row in self.rows], [row[0] for row in self.rows])
        frame.columns = pd.MultiIndex.from_tuples(heads[1:]) if self.groups else pd.Index(heads[1:])
        return "\n".join(line.removesuffix("\\").rstrip() for line in frame.to_string(line_width=width).splitlines())


def tabulate(
    frame: pd.DataFrame, columns: Mapping[Any, tuple[str | Iterable[Any], Format]], title: str = "", note: str = ""
) -> Table:
    """Make a table with one row per row of a frame.

    Parameters
    ----------
    frame : DataFrame
        Its index has the names of the rows.
    columns : mapping of column title, or titles of group and column
        To values, or the name of a column of the frame, and their format.
    """
    cells = [
        [show(value, form) for value in (frame[given] if isinstance(given, str) else given)]
        for given, form in columns.values()
    ]
    return Table(title, ["", *columns], list(zip(map(str, frame.index), *cells, strict=True)), note)
