"""What all plots share: new axes without pyplot, quiet frames, date and percent axes, legends."""

from __future__ import annotations

import textwrap
from typing import cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.transforms import ScaledTranslation

from volplugin.report.theme import Theme

WIDE = (10.0, 4.0)
NARROW = (4.0, 3.7)
"""Inches; a narrow figure is read on a phone at its own size, not shrunk."""

TITLE_LETTERS = 10.0
"""Letters of a title to an inch of its figure."""
LETTERS_AN_INCH = 13.8
KEY = 6
"""Letters of a legend's type to an inch, and the room of its key and gap in letters."""

STEPS = ("D", "7D", "14D", "MS", "2MS", "3MS", "6MS", "YS", "2YS", "5YS", "10YS", "25YS")
"""Distances between dates on an axis, from fine to coarse."""


def new_figure(size: tuple[float, float] = WIDE) -> Figure:
    """Return a figure that belongs to no window and no global list."""
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.07, w_pad=0.05))
    FigureCanvasAgg(figure)
    return figure


def prepare(ax: Axes | None, theme: Theme) -> Axes:
    """Return `ax`, or axes of a new figure, with the theme's frame."""
    if ax is None:
        ax = new_figure().add_subplot()
    figure = cast(Figure, ax.figure)
    figure.set_facecolor(theme.paper)
    ax.set_facecolor(theme.paper)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(theme.muted)
    ax.tick_params(colors=theme.muted, length=3, width=0.8)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", color=theme.grid, linewidth=0.8)
    ax.set_axisbelow(True)
    return ax


def is_narrow(ax: Axes) -> bool:
    """Whether the figure is one for a phone."""
    return cast(Figure, ax.figure).get_size_inches()[0] < 6


def label(ax: Axes, theme: Theme, title: str, x: str | None = None, y: str | None = None) -> None:
    """Title on the left, broken where the figure is narrow; axis labels in the theme's quiet colour."""
    room = int(TITLE_LETTERS * cast(Figure, ax.figure).get_size_inches()[0])
    ax.set_title(textwrap.fill(title, room), loc="left", color=theme.ink, pad=10)
    if x is not None:
        ax.set_xlabel(x, color=theme.muted)
    if y is not None:
        ax.set_ylabel(y, color=theme.muted)


def date_axis(ax: Axes, index: pd.DatetimeIndex) -> None:
    """Years, or months or days in a short run, as many as there is room for, from first to last session."""
    first, last = index[0], index[-1] + pd.Timedelta(days=1)
    most = 5 if is_narrow(ax) else 12
    # matplotlib's automatic locator warns, and crowds, where none of its intervals leaves so few.
    for step in STEPS:
        ticks = pd.date_range(_anchor(first, step), last, freq=step)
        ticks = ticks[ticks >= first]
        if len(ticks) <= most:
            break
    ax.set_xticks(list(ticks), _dated(ticks, yearly="Y" in step))
    ax.set_xlim(first, last)


def _anchor(first: pd.Timestamp, step: str) -> pd.Timestamp:
    """Where to count steps from, so that they fall on round years, on January, or on the first of a month."""
    if step.endswith("D"):
        return first.normalize().replace(day=1)
    years = int(step[:-2] or 1) if step.endswith("YS") else 1
    return pd.Timestamp(first.year - first.year % years, 1, 1)


def _dated(ticks: pd.DatetimeIndex, yearly: bool) -> list[str]:
    """Name years; among months and days the first, and those that begin a year, carry it."""
    if yearly:
        return [f"{tick:%Y}" for tick in ticks]
    fine = any(tick.day != 1 for tick in ticks)
    names = [f"{tick.day} {tick:%b}" if fine else f"{tick:%b}" for tick in ticks]
    years = ticks.year
    return [
        f"{name} {year}" if place == 0 or years[place - 1] != year else name
        for place, (name, year) in enumerate(zip(names, years, strict=True))
    ]


def legend(ax: Axes, theme: Theme, *, reverse: bool = False) -> None:
    """Frameless legend under the axes and their labels, where it covers no data, in as many columns as fit."""
    figure = cast(Figure, ax.figure)
    room = int(LETTERS_AN_INCH * (figure.get_size_inches()[0] - 0.6))
    handles, names = ax.get_legend_handles_labels()
    if reverse:
        handles, names = handles[::-1], names[::-1]
    names = [textwrap.fill(name, room - KEY) for name in names]
    lengths = [KEY + max(map(len, name.splitlines())) for name in names]
    # In points below the axes, not in fractions of them, so that tall and flat plots look alike.
    lines = max((tick.get_text().count("\n") for tick in ax.get_xticklabels()), default=0)
    drop = (46 if ax.get_xlabel() else 28) + 12 * lines
    ax.legend(
        handles,
        names,
        loc="upper left",
        bbox_to_anchor=(0.0, 0.0),
        bbox_transform=ax.transAxes + ScaledTranslation(0, -drop / 72, figure.dpi_scale_trans),
        ncols=_columns(lengths, room),
        frameon=False,
        borderaxespad=0.0,
        borderpad=0.0,
        handlelength=1.6,
        columnspacing=1.4,
        labelcolor=theme.ink,
    )


def _columns(lengths: list[int], room: int) -> int:
    """Most columns that fit, as matplotlib fills them: one after the other, the first ones the fuller."""
    for count in range(len(lengths), 1, -1):
        rows, longer = divmod(len(lengths), count)
        ends = np.cumsum([rows + (column < longer) for column in range(count)])[:-1]
        if sum(max(part) for part in np.split(np.array(lengths), ends)) <= room:
            return count
    return 1


def stroke(ax: Axes, width: float) -> float:
    """Line width in points: finer where the figure is small."""
    return 0.72 * width if is_narrow(ax) else width
