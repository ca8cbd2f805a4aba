"""Formats of numbers, and tables; texts are ASCII, and pages replace hyphens by typographic minus signs and dashes."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from volplugin.evaluation.constants import SIZE, measured_size

IN_SET = 0.10
"""Smallest p-value of a model inside the 90% model confidence set."""
WIDTH = 100
"""Characters per line of a terminal."""

Format: TypeAlias = str | Callable[[Any], str]
"""A format specification of Python, or a function of a finite number."""


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
    """Format a p-value in four or five characters, and the measured size of the test where it is not about 5%."""
    text = show(value, ".3f").removeprefix("0")
    text = "<.001" if text == ".000" else "1.00" if text == "1.000" else text
    return text + ("" if size == SIZE else f" [{100 * size:.0f}]")


def sized(head: str, test: str, key: float) -> str:
    """Add the measured size of a test at 5% to the head of its p-values, in brackets, where it is not about 5%."""
    size = measured_size(test, key)
    return head if size == SIZE else f"{head} [{100 * size:.0f}]"


def marked(bias: float, lower: float, upper: float) -> str:
    """Format a bias statistic, with an arrow if it is outside its band."""
    return ("" if lower <= bias <= upper else "▲ " if bias > 1 else "▼ ") + f"{bias:.2f}"


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
        note = self.note and f"{': ' if self.verdict else ', '}{self.note}"
        return f"{self.label}: {self.value}{self.verdict and f', {self.verdict}'}{note}."


@dataclass(frozen=True)
class Table:
    """Texts with the names of rows and columns, which may be in groups.

    Attributes
    ----------
    frame : DataFrame of str
    title, note : str
    kind : str
        Look of the cells on a page: "numbers", "words", "pairs" of a name and its value, or "bars" with numbers.
    bars : sequence of sequence of float
        Lengths of the bars of each row, in percent of the room; negative ones are hatched.
    """

    frame: pd.DataFrame
    title: str = ""
    note: str = ""
    kind: str = "numbers"
    bars: Sequence[Sequence[float]] = ()

    def text(self, width: int = WIDTH) -> str:
        """Lay the rows out for a terminal; columns that do not fit continue in a block below."""
        lines = self.frame.to_string(line_width=width).splitlines()
        return "\n".join(line.removesuffix("\\").rstrip() for line in lines)


@dataclass(frozen=True)
class Section:
    """A part of a page: words, then figures with tables beside them, tables below, folded sections, and a list.

    ``figures`` maps names of plots to their captions; tables that are None or have no rows are left out.
    """

    title: str
    tables: Sequence[Table | None] = ()
    note: str = ""
    words: Sequence[str] = ()
    figures: Mapping[str, str] = field(default_factory=dict)
    beside: Sequence[Table | None] = ()
    folds: Sequence[Section] = ()
    points: Sequence[str] = ()
    id: str = ""

    @property
    def key(self) -> str:
        """Name of the section in links."""
        return self.id or "-".join(self.title.lower().split())

    def __post_init__(self) -> None:
        for name in ("tables", "beside"):
            given = getattr(self, name)
            object.__setattr__(self, name, [one for one in given if one is not None and len(one.frame)])
        object.__setattr__(self, "folds", [one for one in self.folds if one])

    def __bool__(self) -> bool:
        return bool(self.words or self.figures or self.beside or self.tables or self.folds or self.points)

    def text(self) -> str:
        """Lay words, tables and list out for a terminal, under the title; folded sections follow."""
        given = [one for one in (*self.beside, *self.tables) if one]
        tables = [f"{one.title}\n{one.text()}\n{wrapped([one.note])}".strip("\n") for one in given]
        lines = (textwrap.fill(one, WIDTH, initial_indent="  ", subsequent_indent="    ") for one in self.points)
        parts = list(filter(None, [wrapped(self.words), *tables, "\n".join(lines)]))
        head = [f"{wrapped([self.title])}\n{'=' * min(len(self.title), WIDTH)}"] if parts else []
        return "\n\n".join([*head, *parts, *(one.text() for one in self.folds)])


@dataclass(frozen=True)
class Page:
    """The words and tables of a page: the answer first.

    ``eyebrow`` is the line above the headline, ``lede`` the sentences below it, ``title`` the name of the browser's
    window; ``figures`` are drawn above the answers; with the ``layout`` "columns" sections are in two columns.
    """

    headline: str
    eyebrow: str
    lede: Sequence[str]
    answers: Sequence[Answer]
    sections: Sequence[Section]
    title: str
    figures: Mapping[str, str] = field(default_factory=dict)
    layout: str = ""

    def text(self) -> str:
        """Lay the page out for a terminal, without its figures."""
        answers = [one.sentence for one in self.answers]
        head = wrapped([f"{self.headline}.", f"({self.eyebrow})", *self.lede, *answers], "  ")
        return "\n\n".join([head, *filter(None, (one.text() for one in self.sections))])


def columns(given: str) -> dict[Any, tuple[Any, Format]]:
    """Return the columns of `tabulate` from "title column format" of each, separated by " | ".

    Examples
    --------
    >>> columns("stock days n d | QLIKE qlike .3f")
    {'stock days': ('n', 'd'), 'QLIKE': ('qlike', '.3f')}
    """
    parts = (part.rsplit(maxsplit=2) for part in given.split(" | "))
    return {title.strip(): (column, form) for title, column, form in parts}


def tabulate(
    frame: pd.DataFrame, columns: Mapping[Any, tuple[Any, Format]], title: str = "", note: str = "", **look: Any
) -> Table:
    """Make a table with one row per row of a frame.

    Parameters
    ----------
    frame : DataFrame
        Its index has the names of the rows.
    columns : mapping of column title, or titles of group and column
        To values, or the name of a column of the frame, and their format.
    **look
        ``kind`` and ``bars`` of the table.
    """
    cells = [
        [show(value, form) for value in (frame[given] if isinstance(given, str) else given)]
        for given, form in columns.values()
    ]
    grouped = any(isinstance(head, tuple) for head in columns)
    heads = [head if isinstance(head, tuple) or not grouped else ("", head) for head in columns]
    named = pd.MultiIndex.from_tuples(heads) if grouped else pd.Index(heads, dtype=object)
    rows = list(zip(*cells, strict=True))
    return Table(pd.DataFrame(rows, [str(name) for name in frame.index], named), title, note, **look)
