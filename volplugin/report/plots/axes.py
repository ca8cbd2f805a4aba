"""Parts that all plots share: figures, frames, axes of dates and percent, lines with values for the page, legends."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, TypeAlias, cast

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import ScaledTranslation

from volplugin.errors import ParameterError
from volplugin.evaluation.stress_periods import STRESS
from volplugin.report.measures import ReportData
from volplugin.report.result import BacktestResult
from volplugin.report.theme import Theme

Run: TypeAlias = BacktestResult | ReportData
SHORT = "fewer than 63 sessions with a forecast"

WIDE = (10.0, 4.0)
NARROW = (4.0, 3.7)
"""Figure sizes in inches; a phone shows the narrow figure unscaled."""

TITLE_LETTERS = 97.5
"""Letters of a title per inch, times the size of its type in points."""
LEGEND_LETTERS = 117.0
KEY = 6
"""The same of a legend, and the width of a legend's key and gap in letters."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
"""Markers of models or dates, in order."""

STEPS = ("D", "7D", "14D", "MS", "2MS", "3MS", "6MS", "YS", "2YS", "5YS", "10YS", "25YS")
"""Candidate distances between dates on an axis, from fine to coarse."""


class ReportFigure(Figure):
    """A figure that a plot makes, and whose background it paints; the figures of callers stay as they are."""


def new_figure(size: tuple[float, float] = WIDE) -> Figure:
    """Return a figure that pyplot does not manage."""
    figure = ReportFigure(figsize=size, layout=_layout())
    FigureCanvasAgg(figure)
    return figure


def _layout() -> ConstrainedLayoutEngine:
    return ConstrainedLayoutEngine(h_pad=0.07, w_pad=0.05)


def prepare(ax: Axes | None, theme: Theme) -> Axes:
    """Return `ax`, or axes of a new pyplot figure if None, with the theme's frame."""
    if ax is None:
        from matplotlib import pyplot

        ax = pyplot.figure(FigureClass=ReportFigure, figsize=WIDE, layout=_layout()).add_subplot()
    figure = cast(Figure, ax.figure)
    if isinstance(figure, ReportFigure):
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


def width(ax: Axes) -> float:
    """Return the inches across that a figure has for the axes and their labels: all of them for axes alone."""
    figure = cast(Figure, ax.figure)  # or a subfigure, which has no size in inches
    room = figure.subplotpars.right - figure.subplotpars.left
    return float(figure.bbox.width / figure.dpi * min(1.0, ax.get_position(original=True).width / room))


def is_narrow(ax: Axes) -> bool:
    """Return whether the axes have the width of a phone or of one of several columns."""
    return width(ax) < 6


def date_axis(ax: Axes, index: pd.DatetimeIndex) -> None:
    """Set ticks at years, or at months or days in a short run, at the finest distance that fits."""
    first, last = index[0], index[-1] + pd.Timedelta(days=1)
    most = 5 if is_narrow(ax) else 12
    # matplotlib's automatic locator warns, and crowds labels, if none of its intervals gives so few ticks.
    for step in STEPS:
        # Ticks on firsts of a month, Januaries, or round years: multiples of a step from 1900.
        start = first.normalize().replace(day=1) if step.endswith("D") else pd.Timestamp(1900, 1, 1)
        ticks = pd.date_range(start, last, freq=step)
        ticks = ticks[ticks >= first]
        if len(ticks) <= most:
            break
    ax.set_xticks(list(ticks), _dated(ticks, yearly="Y" in step))
    ax.set_xlim(first, last)


def _dated(ticks: pd.DatetimeIndex, yearly: bool) -> list[str]:
    """Format ticks; a month or day shows its year if it is the first tick or the first of a year."""
    if yearly:
        return [f"{tick:%Y}" for tick in ticks]
    fine = any(tick.day != 1 for tick in ticks)
    names = [f"{tick.day} {tick:%b}" if fine else f"{tick:%b}" for tick in ticks]
    new = [True, *(ticks.year[1:] != ticks.year[:-1])]
    return [f"{name} {tick.year}" if first else name for name, tick, first in zip(names, ticks, new, strict=False)]


def legend(ax: Axes, theme: Theme) -> None:
    """Draw a legend below the axes and their labels, in as many columns as fit.

    In a figure without a layout engine, which would leave no room there, it is drawn within the axes.
    """
    figure = cast(Figure, ax.figure)
    size = FontProperties(size=rcParams["legend.fontsize"]).get_size_in_points()
    room = max(KEY + 12, int(LEGEND_LETTERS / size * (width(ax) - 0.6)))
    handles, names = ax.get_legend_handles_labels()
    names = [textwrap.fill(name, room - KEY) for name in names]
    if figure.get_layout_engine() is None:
        ax.legend(handles, names, loc="best", frameon=True, framealpha=0.8, facecolor=theme.paper,
                  edgecolor="none", labelcolor=theme.ink)  # fmt: skip
        return
    lengths = [KEY + max(map(len, name.splitlines())) for name in names]
    # The distance is in points, not a fraction of the axes, so that tall and flat plots look alike.
    lines = max(tick.get_text().count("\n") for tick in [*ax.get_xticklabels(), ax.xaxis.label])
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
    """Return the largest number of columns that fits; matplotlib fills columns in order, the first ones longer."""
    for count in range(len(lengths), 1, -1):
        rows, longer = divmod(len(lengths), count)
        ends = np.cumsum([rows + (column < longer) for column in range(count)])[:-1]
        if sum(max(part) for part in np.split(np.array(lengths), ends)) <= room:
            return count
    return 1


def finish(
    ax: Axes, theme: Theme, title: str, *, x: str = "", y: str = "", dates: pd.DatetimeIndex | None = None
) -> Axes:
    """Add title (left-aligned, wrapped), labels, the date axis if `dates` is given, and the legend; return the axes."""
    shown = ax.set_title(title, loc="left", color=theme.ink, pad=10)
    room = max(12, int(TITLE_LETTERS / float(shown.get_fontsize()) * width(ax)))
    shown.set_text(textwrap.fill(title, room))
    ax.set_xlabel(textwrap.fill(x, int(1.15 * room)), color=theme.muted)
    ax.set_ylabel(y, color=theme.muted)
    if dates is not None:
        date_axis(ax, dates)
    legend(ax, theme)
    return ax


def begin(
    result: Run, ax: Axes | None, theme: Theme, measure: str = "held", reason: str = SHORT
) -> tuple[ReportData, Any, Axes]:
    """Return the data of a result, a measure, and the axes to draw on.

    Raises
    ------
    ParameterError
        With the reason if the result lacks the numbers of the measure.
    """
    data = ReportData.of(result)
    found = attrgetter(measure)(data)
    if found is None:
        raise ParameterError(reason)
    return data, found, prepare(ax, theme)


def finish_dates(ax: Axes, theme: Theme, title: str, dates: pd.DatetimeIndex, *, percent: bool = True) -> Axes:
    """Shade the stress periods; add the title, dates, percent signs and the legend; return the axes."""
    for begins, ends in STRESS.values():
        first, last = max(pd.Timestamp(begins), dates[0]), min(pd.Timestamp(ends), dates[-1])
        if first < last:
            ax.axvspan(first, last, color=theme.grid, alpha=0.75, linewidth=0, zorder=0)
    if percent:
        percent_axis(ax)
    return finish(ax, theme, title, dates=dates)


def percent_axis(ax: Axes, axis: str = "y") -> None:
    """Write the numbers of an axis as percent."""
    chosen = ax.yaxis if axis == "y" else ax.xaxis
    chosen.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}%".replace("-", "−")))


def log_axis(ax: Axes, shown: Any, ticks: Iterable[float], form: str, axis: str = "y") -> None:
    """Make an axis logarithmic, with the ticks that are around the values shown."""
    low, high = 0.9 * float(np.min(shown)), 1.1 * float(np.max(shown))
    inside = [tick for tick in ticks if low <= tick <= high]
    ax.set(**{f"{axis}scale": "log"})
    (ax.set_yticks if axis == "y" else ax.set_xticks)(inside, [form.format(tick) for tick in inside])
    ax.minorticks_off()


def places_of(ax: Axes, names: Sequence[str]) -> np.ndarray:
    """Name the places 0, 1, ... of the horizontal axis; fewer than five places do not fill the width."""
    spare = max(0, 4 - len(names)) / 2
    ax.set_xticks(range(len(names)), names)
    ax.set_xlim(-0.5 - spare, len(names) - 0.5 + spare)
    return np.arange(len(names))


def rows_of(ax: Axes, theme: Theme, names: Sequence[str]) -> None:
    """Name the places 0, 1, ... of the vertical axis, from the top, and draw a vertical grid and zero line."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    ax.grid(axis="x", color=theme.grid, linewidth=0.8)
    ax.axvline(0, color=theme.ink, linewidth=1.1)


def reference(ax: Axes, theme: Theme, value: float, name: str | None = None) -> None:
    """Draw a dashed horizontal line at a target, cap or other reference value."""
    ax.axhline(value, color=theme.ink, linewidth=1.1, linestyle=(0, (4, 3)), label=name)


def values(ax: Axes, series: pd.Series, color: str, width: float, name: str, **style: Any) -> None:
    """Draw a series over dates whose values the page shows under the pointer; `width` as in `stroke`."""
    gid = f"values-{len(ax.lines)}"
    ax.plot(series.index, series, color=color, linewidth=stroke(ax, width), label=name, gid=gid, **style)


def dots(ax: Axes, theme: Theme, x: Any, y: Any, color: str, marker: str, name: str, size: float = 6.5) -> None:
    """Draw markers with a thin rim."""
    ax.plot(
        x, y, color=color, marker=marker, markersize=size, markeredgecolor=theme.paper, markeredgewidth=size / 10,
        linestyle="none", label=name, zorder=3,
    )  # fmt: skip


def stroke(ax: Axes, width: float) -> float:
    """Return a line width in points, smaller for a narrow figure."""
    return 0.72 * width if is_narrow(ax) else width
