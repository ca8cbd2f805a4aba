"""Parts that all plots share: figures, frames, lines over dates, bars of model gains, legends."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateFormatter, AutoDateLocator
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import ScaledTranslation

from volplugin.evaluation.stress_periods import STRESS
from volplugin.report.theme import LIGHT, Theme

WIDE = (10.0, 4.0)
"""Size in inches of the figure that a plot without axes makes."""
TITLE_LETTERS = 97.5
"""Letters of a title per inch, times the size of its type in points."""
LEGEND_LETTERS = 117.0
KEY = 6
"""The same of a legend, and the width of a legend's key and gap in letters."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
"""Markers of models, in order."""


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
    if isinstance(ax.figure, ReportFigure):
        ax.figure.set_facecolor(theme.paper)
    ax.set_facecolor(theme.paper)
    ax.spines[["top", "right", "left"]].set_visible(False)
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


def legend(ax: Axes, theme: Theme) -> None:
    """Draw a legend below the axes and their labels, in as many columns as fit.

    In a figure without a layout engine, which would leave no room there, it is drawn within the axes.
    """
    figure = cast(Figure, ax.figure)
    handles, names = ax.get_legend_handles_labels()
    if not handles:
        return
    if figure.get_layout_engine() is None:
        ax.legend(loc="best", framealpha=0.8, facecolor=theme.paper, edgecolor="none", labelcolor=theme.ink)
        return
    size = FontProperties(size=rcParams["legend.fontsize"]).get_size_in_points()
    room = max(KEY + 12, int(LEGEND_LETTERS / size * (width(ax) - 0.6)))
    names = [textwrap.fill(name, room - KEY) for name in names]
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
        if sum(max(part) for part in np.array_split(np.array(lengths), count)) <= room:
            return count
    return 1


def finish(ax: Axes, theme: Theme, title: str, x: str = "") -> Axes:
    """Add title (left-aligned, wrapped), the label of the horizontal axis and the legend; return the axes."""
    shown = ax.set_title(title, loc="left", color=theme.ink, pad=10)
    room = max(12, int(TITLE_LETTERS / float(shown.get_fontsize()) * width(ax)))
    shown.set_text(textwrap.fill(title, room))
    ax.set_xlabel(textwrap.fill(x, int(1.15 * room)), color=theme.muted)
    legend(ax, theme)
    return ax


def finish_dates(ax: Axes, theme: Theme, title: str, dates: pd.DatetimeIndex, percent: bool = True) -> Axes:
    """Shade the stress periods; add the title, dates, percent signs and the legend; return the axes."""
    for begins, ends in STRESS.values():
        first, last = max(pd.Timestamp(begins), dates[0]), min(pd.Timestamp(ends), dates[-1])
        if first < last:
            ax.axvspan(first, last, color=theme.grid, alpha=0.75, linewidth=0, zorder=0)
    if percent:
        percent_axis(ax)
    locator = AutoDateLocator(minticks=2, maxticks=max(7, int(1.3 * width(ax))))
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(AutoDateFormatter(locator))
    ax.set_xlim(dates[0], dates[-1] + pd.Timedelta(days=1))
    return finish(ax, theme, title)


def percent_axis(ax: Axes, axis: str = "y") -> None:
    """Write the numbers of an axis as percent."""
    chosen = ax.yaxis if axis == "y" else ax.xaxis
    chosen.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}%".replace("-", "−")))


def log_axis(ax: Axes, shown: Any, ticks: Iterable[float], form: str, axis: str = "y") -> None:
    """Make an axis logarithmic, with the ticks that are around the values shown."""
    low, high = 0.9 * float(np.min(shown)), 1.1 * float(np.max(shown))
    inside = [tick for tick in ticks if low <= tick <= high]
    ax.set(
        **{f"{axis}scale": "log", f"{axis}ticks": inside, f"{axis}ticklabels": [form.format(tick) for tick in inside]}
    )
    ax.minorticks_off()


def places_of(ax: Axes, names: Sequence[str]) -> np.ndarray:
    """Name the places 0, 1, ... of the horizontal axis; fewer than five places do not fill the width."""
    spare = max(0, 4 - len(names)) / 2
    ax.set_xticks(range(len(names)), names)
    ax.set_xlim(-0.5 - spare, len(names) - 0.5 + spare)
    return np.arange(len(names))


def reference(ax: Axes, theme: Theme, value: float, name: str | None = None) -> None:
    """Draw a dashed horizontal line at a target, cap or other reference value."""
    ax.axhline(value, color=theme.ink, linewidth=1.1, linestyle=(0, (4, 3)), label=name)


def values(ax: Axes, series: pd.Series, color: str, width: float, name: str, **style: Any) -> None:
    """Draw a series over dates whose values the page shows under the pointer."""
    ax.plot(series.index, series, color=color, linewidth=width, label=name, gid=f"values-{len(ax.lines)}", **style)


def dots(ax: Axes, theme: Theme, x: Any, y: Any, color: str, marker: str, name: str, size: float = 6.5) -> None:
    """Draw markers with a thin rim."""
    rim: dict[str, Any] = {"markeredgecolor": theme.paper, "markeredgewidth": size / 10}
    ax.plot(x, y, marker, color=color, markersize=size, label=name, zorder=3, **rim)


def plot_lines(
    frame: pd.DataFrame,
    looks: Mapping[str, tuple[str, str]],
    title: str,
    ax: Axes | None = None,
    theme: Theme = LIGHT,
    *,
    percent: bool = True,
    top: float | None = None,
) -> Axes:
    """Plot columns of a frame over dates, from zero, or from the smallest value if it is negative.

    Parameters
    ----------
    frame : DataFrame, index sessions
    looks : mapping of column to name and colour, a slot of the theme
        The lines to draw, the last one on top; columns that the frame lacks are skipped.
    title : str
    percent : bool, default True
        Whether the numbers are fractions, drawn as percent.
    top : float, optional
        Upper end of the vertical axis, in the unit of the frame; default by the values.
    """
    ax, scale = prepare(ax, theme), 100 if percent else 1
    drawn, colors = [column for column in looks if column in frame], dict(theme.slots())
    for column in drawn:
        name, slot = looks[column]
        values(ax, scale * frame[column], colors[slot], 1.6, name if len(looks) > 1 else f"_{name}")
    low, high = float(frame[drawn].min().min()), float(frame[drawn].max().max())
    ax.set_ylim(scale * min(0.0, 1.05 * low), scale * (top or max(0.0, 1.08 * high)) or None)
    return finish_dates(ax, theme, title, frame.index, percent)
