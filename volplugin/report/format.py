"""Formats of numbers for pages (typographic minus and dash) and for terminals (ASCII), and tables of plain text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from volplugin.evaluation.constants import SIZE


@dataclass(frozen=True)
class Table:
    """Column titles and rows. The first cell of a row is its name; a row with a single cell is a heading."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    kind: str = "numbers"
    """Alignment of the cells: "numbers", "words", or "pairs" of a name and its value."""


IN_SET = 0.10
"""Smallest p-value of a model inside the 90% model confidence set."""
SIGNIFICANT_T = 2.0
"""Absolute Diebold-Mariano t from which a difference is called more than chance."""


def number(value: float | None, digits: int, suffix: str = "", sign: str = "") -> str:
    """Format a number for a page; a dash if it is None or not finite. A `sign` of "+" prints the sign always."""
    return "–" if value is None or not np.isfinite(value) else f"{value:{sign}.{digits}f}{suffix}".replace("-", "−")


def percent(value: float | None, digits: int = 1) -> str:
    """Format a fraction as a percentage."""
    return number(None if value is None else 100 * value, digits, "%")


def count(expected: float) -> str:
    """Format an expected count: as a whole number, or with one decimal if below 10."""
    return number(expected, 0 if expected >= 10 else 1)


def signed(value: float) -> str:
    """Format percent with a sign."""
    return number(value, 1, "%", "+")


def pvalue(value: float | None) -> str:
    """Format a p-value with three decimals."""
    return "< 0.001" if value is not None and value < 0.001 else number(value, 3)


def sized_pvalue(value: float | None, size: float) -> str:
    """Format a p-value, with the measured size of the test in brackets where it is not about 5%."""
    return pvalue(value) + ("" if size == SIZE else f" ({percent(size, 0)})")


def marked(bias: float, lower: float, upper: float) -> str:
    """Format a bias statistic, with an arrow if it is outside its band."""
    mark = "" if lower <= bias <= upper else ("▲ " if bias > 1 else "▼ ")
    return f"{mark}{bias:.2f}"


def may_be_chance(t: float) -> str:
    """Return the clause that qualifies an insignificant t statistic; empty for a significant one."""
    return "" if abs(t) >= SIGNIFICANT_T else ", which may be chance"


def sessions(horizon: int) -> str:
    """Describe a horizon, such as ``5 sessions``."""
    return f"{horizon} session{'s' if horizon > 1 else ''}"


def ahead(horizon: int) -> str:
    """Describe a horizon, such as ``5 sessions ahead``."""
    return f"{sessions(horizon)} ahead"


Show = Callable[[float], str]
"""Formats a finite number for a terminal."""


def cells(values: pd.Series, show: Show, skip: str | None = None) -> list[str]:
    """Format each value; the cell of row `skip` (a model compared with itself) is empty."""
    return ["" if name == skip else shown(value, show) for name, value in values.items()]


def shown(value: float, show: Show) -> str:
    """Format a value; a dash if it is not finite."""
    return show(value) if np.isfinite(value) else "-"


def fixed(digits: int) -> Show:
    """Return a format with this number of decimals."""
    return lambda value: f"{value:.{digits}f}"


def with_sign(digits: int) -> Show:
    """Return a format with a sign and this number of decimals."""
    return lambda value: f"{value:+.{digits}f}"


def fraction(digits: int) -> Show:
    """Return a format of a fraction as a percentage with this number of decimals."""
    return lambda value: f"{value:.{digits}%}"


def starred(pvalue: float) -> str:
    """Format a p-value of the model confidence set, with a star inside the 90% set."""
    return f"{pvalue:.3f}{'*' if pvalue >= IN_SET else ' '}"


def share(value: float) -> str:
    """Format a fraction as whole percent."""
    return f"{100 * value:.0f}"


def short_pvalue(value: float) -> str:
    """Format a p-value in four or five characters."""
    if value < 0.001:
        return "<.001"
    return "1.00" if value >= 0.9995 else f"{value:.3f}".removeprefix("0")


WIDTH = 110
"""Characters per line of a terminal."""


@dataclass(frozen=True)
class Group:
    """Columns that share a title; the title may be empty."""

    title: str
    columns: Mapping[str, Sequence[str]]
    """Cells by column title, one cell per row."""


def grid(names: Sequence[str], groups: Sequence[Group], width: int = WIDTH) -> str:
    """Lay out a table with right-aligned cells; columns that do not fit continue in a block below.

    Parameters
    ----------
    names : sequence of str
        Row labels.
    groups : sequence of Group
    width : int, default 110
        Characters per line.
    """
    titled = any(group.title for group in groups if group.columns)
    columns = {
        (group.title, title) if titled else title: list(cells)
        for group in groups
        for title, cells in group.columns.items()
    }
    text = pd.DataFrame(columns, index=list(names)).to_string(line_width=width)
    return "\n".join(line.removesuffix("\\").rstrip() for line in text.splitlines())
