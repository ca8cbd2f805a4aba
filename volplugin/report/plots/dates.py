"""Parts of the plots over dates: lines that show their values on the page, shaded stress periods, percent axes."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from volplugin.evaluation.stress_periods import STRESS
from volplugin.report.plots.axes import finish, line
from volplugin.report.theme import Theme

SHORT = "fewer than 63 sessions with a forecast"


def values(ax: Axes, series: pd.Series, color: str, width: float, name: str, **style: Any) -> None:
    """Draw a series over dates whose values the page shows under the pointer."""
    line(ax, series, color, width, name, gid=f"values-{len(ax.lines)}", **style)


def percent_axis(ax: Axes, axis: str = "y", sign: str = "") -> None:
    """Write the numbers of an axis as percent."""
    chosen = ax.yaxis if axis == "y" else ax.xaxis
    chosen.set_major_formatter(FuncFormatter(lambda value, _: f"{value:{sign}g}%".replace("-", "−")))


def finish_dates(ax: Axes, theme: Theme, title: str, dates: pd.DatetimeIndex, *, percent: bool = True) -> Axes:
    """Shade the stress periods; add the title, dates, percent signs and the legend; return the axes."""
    for begin, end in STRESS.values():
        first, last = max(pd.Timestamp(begin), dates[0]), min(pd.Timestamp(end), dates[-1])
        if first < last:
            ax.axvspan(first, last, color=theme.grid, alpha=0.75, linewidth=0, zorder=0)
    if percent:
        percent_axis(ax)
    return finish(ax, theme, title, dates=dates)


def log_percent(ax: Axes, shown: pd.DataFrame) -> None:
    """Make the vertical axis logarithmic, with ticks at round percentages around the values of `shown`."""
    ax.set_yscale("log")
    low, high = 0.9 * float(shown.min().min()), 1.1 * float(shown.max().max())
    ticks = [tick for tick in (1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 60, 80, 120, 160) if low <= tick <= high]
    ax.set_yticks(ticks, [f"{tick}%" for tick in ticks])
    ax.minorticks_off()
