"""Tables of plain text whose columns stand in titled groups, never wider than a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

WIDTH = 110
"""Letters in a line."""
GAP = "  "


@dataclass(frozen=True)
class Group:
    """Columns that share a title, which may be empty."""

    title: str
    columns: Mapping[str, Sequence[str]]
    """Cells by column title, one a row."""


def grid(names: Sequence[str], groups: Sequence[Group], width: int = WIDTH) -> str:
    """Lay out rows with right-aligned cells; columns that do not fit continue in a block below.

    Parameters
    ----------
    names : sequence of str
        What each row is about.
    groups : sequence of Group
    width : int, default 110
        Letters in a line.
    """
    label = max((len(name) for name in names), default=0)
    return "\n\n".join("\n".join(_block(names, label, part)) for part in _pages(groups, width - label))


def _pages(groups: Sequence[Group], room: int) -> Iterator[list[Group]]:
    """Split groups into pages that fit: between groups where possible, within one that is wider than a page."""
    page: list[Group] = []
    for group in (piece for one in groups if one.columns for piece in _pieces(one, room)):
        if page and sum(map(_width, [*page, group])) > room:
            yield page
            page = []
        page.append(group)
    if page:
        yield page


def _pieces(group: Group, room: int) -> Iterator[Group]:
    columns: dict[str, Sequence[str]] = {}
    for title, cells in group.columns.items():
        if columns and _width(Group(group.title, {**columns, title: cells})) > room:
            yield Group(group.title, columns)
            columns = {}
        columns[title] = cells
    yield Group(group.title, columns)


def _widths(group: Group) -> list[int]:
    """Width of each column, the first widened where the group's title needs it."""
    widths = [max(map(len, (title, *cells))) + len(GAP) for title, cells in group.columns.items()]
    widths[0] += max(0, len(group.title) + len(GAP) - sum(widths))
    return widths


def _width(group: Group) -> int:
    return sum(_widths(group))


def _block(names: Sequence[str], label: int, groups: Sequence[Group]) -> Iterator[str]:
    if any(group.title for group in groups):
        yield (" " * label + "".join(_heading(group) for group in groups)).rstrip()
    yield " " * label + "".join(_cells(group, list(group.columns)) for group in groups)
    for place, name in enumerate(names):
        cells = (_cells(group, [column[place] for column in group.columns.values()]) for group in groups)
        yield (name.ljust(label) + "".join(cells)).rstrip()


def _heading(group: Group) -> str:
    """Title over its columns, drawn out with dashes so that one sees how far it reaches."""
    room = _width(group) - len(GAP)
    if not group.title:
        return GAP + " " * room
    return GAP + (f" {group.title} ".center(room, "-") if len(group.title) + 2 <= room else group.title.center(room))


def _cells(group: Group, cells: Sequence[str]) -> str:
    return "".join(cell.rjust(width) for cell, width in zip(cells, _widths(group), strict=True))
