"""Parts that all plots share: colours of two themes, figures, frames, lines over dates, legends."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
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


@dataclass(frozen=True)
class Theme:
    """Colours of a plot; `series` is based on Okabe and Ito (2008). Orange is for realised risk alone."""

    name: str
    paper: str
    ink: str
    muted: str
    grid: str
    predicted: str
    realized: str
    series: tuple[str, ...]
    rest: str

    def slots(self) -> Iterator[tuple[str, str]]:
        """Yield name and colour of each slot; the series are numbered."""
        for field in fields(self)[1:]:
            value = getattr(self, field.name)
            colors = {field.name: value} if isinstance(value, str) else {f"series-{i}": c for i, c in enumerate(value)}
            yield from colors.items()


LIGHT_SERIES = ("#0072b2", "#009e73", "#882255", "#56b4e9", "#8a6d3b", "#332288", "#9bbf3b", "#44546a")
DARK_SERIES = ("#5cb8f0", "#3ecfa0", "#c2528f", "#2f86c4", "#c9a66b", "#b48ede", "#b9da62", "#9fb0c6")
LIGHT = Theme("light", "#ffffff", "#1c2430", "#5b6675", "#e3e7ec", "#0072b2", "#d55e00", LIGHT_SERIES, "#d9dee4")
DARK = Theme("dark", "#151b23", "#e6ebf1", "#9aa7b6", "#2a333f", "#5cb8f0", "#ff9a52", DARK_SERIES, "#36414e")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
"""Markers of models, in the order of their colours."""
MODELS = ("LSTM", "HAR", "EWMA94", "GJR")
"""Models with a fixed place in the series of colours and markers, on all pages."""
STYLE: dict[Any, Any] = {
    # Comes with matplotlib and is among the widest: text that fits in it fits in the reader's font.
    "font.family": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.titlesize": 9.75,
    "axes.titleweight": "bold",
    "axes.unicode_minus": True,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "svg.fonttype": "none",
    "text.parse_math": False,  # a symbol may hold $, _ or ^
    "svg.hashsalt": "volplugin",  # makes equal plots equal files
    "path.simplify_threshold": 0.25,
    **dict.fromkeys(("axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 8.5),
}
"""The rc parameters of the report's plots; axes passed by a caller are not affected."""
WIDE = (10.0, 4.0)
"""Size in inches of the figure that a plot without axes makes."""
LETTERS = 117.0
"""Letters of a legend per inch, times the size of its type in points."""
KEY = 6
"""Width of a legend's key and gap in letters."""


def model_slots(names: Iterable[str]) -> dict[str, int]:
    """Return the place of each model in the series of colours and markers: fixed for known names, else the next free.

    Examples
    --------
    >>> model_slots(["mine", "EWMA94", "LSTM"])
    {'mine': 1, 'EWMA94': 2, 'LSTM': 0}
    """
    names = list(dict.fromkeys(names))
    known = {name: MODELS.index(name) for name in names if name in MODELS}
    free = (place for place in range(len(names) + len(MODELS)) if place not in known.values())
    return {name: known[name] if name in known else next(free) for name in names}


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
    figure, (handles, names) = cast(Figure, ax.figure), ax.get_legend_handles_labels()
    look: dict[str, Any] = {"labelcolor": theme.ink, "facecolor": theme.paper, "edgecolor": "none"}
    if figure.get_layout_engine() is not None:
        size = FontProperties(size=rcParams["legend.fontsize"]).get_size_in_points()
        room = max(KEY + 12, int(LETTERS / size * (width(ax) - 0.6)))
        names = [textwrap.fill(name, room - KEY) for name in names]
        lengths = [KEY + max(map(len, name.splitlines())) for name in names]
        # The distance is in points, not a fraction of the axes, so that tall and flat plots look alike.
        lines = max(tick.get_text().count("\n") for tick in [*ax.get_xticklabels(), ax.xaxis.label])
        drop = ScaledTranslation(0, -((46 if ax.get_xlabel() else 28) + 12 * lines) / 72, figure.dpi_scale_trans)
        look |= {"loc": "upper left", "bbox_to_anchor": (0, 0), "bbox_transform": ax.transAxes + drop}
        look |= {"frameon": False, "borderaxespad": 0, "borderpad": 0, "handlelength": 1.6, "columnspacing": 1.4}
        # matplotlib fills columns in order, the first ones longer.
        split = ([max(part) for part in np.array_split(lengths, n)] for n in range(len(names), 1, -1))
        look["ncols"] = next((len(columns) for columns in split if sum(columns) <= room), 1)
    if handles:
        ax.legend(handles, names, **look)


def finish(ax: Axes, theme: Theme, title: str, x: str = "") -> Axes:
    """Add title (left-aligned, wrapped), the label of the horizontal axis and the legend; return the axes."""
    shown = ax.set_title(title, loc="left", color=theme.ink, pad=10)
    shown.set_text(textwrap.fill(title, max(12, int(97.5 / float(shown.get_fontsize()) * width(ax)))))
    ax.set_xlabel(x, color=theme.muted)
    legend(ax, theme)
    return ax


def finish_dates(ax: Axes, theme: Theme, title: str, dates: pd.DatetimeIndex, percent: bool = True) -> Axes:
    """Shade the stress periods; add the title, dates, percent signs and the legend; return the axes."""
    for begins, ends in STRESS.values():
        first, last = max(pd.Timestamp(begins), dates[0]), min(pd.Timestamp(ends), dates[-1])
        if first < last:
            ax.axvspan(first, last, color=theme.grid, alpha=0.75, linewidth=0, zorder=0)
    if percent:
        percent_axis(ax.yaxis)
    locator = AutoDateLocator(minticks=2, maxticks=max(7, int(1.3 * width(ax))))
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(AutoDateFormatter(locator))
    ax.set_xlim(dates[0], dates[-1] + pd.Timedelta(days=1))
    return finish(ax, theme, title)


def percent_axis(axis: Any) -> None:
    """Write the numbers of an axis as percent."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}%".replace("-", "−")))


def log_axis(ax: Axes, shown: Any, ticks: Iterable[float], form: str, axis: str = "y") -> None:
    """Make an axis logarithmic, with the ticks that are around the values shown."""
    inside = [tick for tick in ticks if 0.9 * float(np.min(shown)) <= tick <= 1.1 * float(np.max(shown))]
    names = [form.format(tick) for tick in inside]
    ax.set(**{f"{axis}scale": "log", f"{axis}ticks": inside, f"{axis}ticklabels": names})
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


def sides(ax: Axes, theme: Theme, ratio: pd.Series, room: float) -> None:
    """Set the range of an axis of realised over forecast risk, and name its sides."""
    ax.set_ylim(min(1 - room, 0.95 * ratio.min()), max(1 + room, 1.05 * ratio.max()))
    ax.annotate("forecasts too low", (0.99, 0.97), xycoords="axes fraction", color=theme.muted, va="top", ha="right")
    ax.annotate("forecasts too high", (0.01, 0.03), xycoords="axes fraction", color=theme.muted)


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
    ax, scale, colors = prepare(ax, theme), 100 if percent else 1, dict(theme.slots())
    drawn = {column: look for column, look in looks.items() if column in frame}
    for column, (name, slot) in drawn.items():
        values(ax, scale * frame[column], colors[slot], 1.6, name if len(looks) > 1 else f"_{name}")
    low, high = float(frame[[*drawn]].min().min()), float(frame[[*drawn]].max().max())
    ax.set_ylim(scale * min(0.0, 1.05 * low), scale * (top or max(0.0, 1.08 * high)) or None)
    return finish_dates(ax, theme, title, frame.index, percent)
