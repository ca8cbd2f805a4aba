"""The forecast distribution: where returns fell in it, and how often beyond its tail."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from volplugin.report.measures import exceedances, pit_histogram
from volplugin.report.measures.distribution import TAILS
from volplugin.report.plots.axes import date_axis, label, legend, prepare, stroke
from volplugin.report.result import BacktestResult
from volplugin.report.tables.table import count
from volplugin.report.theme import LIGHT, Theme


def plot_pit(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Histogram of the returns' places in their forecast distribution: flat where forecasts are right.

    A hump in the middle says that risk was over-predicted on most days, high ends that tails are fatter than normal.
    """
    found = pit_histogram(result.perf)
    ax = prepare(ax, theme)
    bins = len(found.counts)
    edges = np.linspace(0, 100, bins + 1)
    percent = 100 * found.counts / found.sessions
    lower, upper = 100 * found.lower / found.sessions, 100 * found.upper / found.sessions
    ax.bar(edges[:-1], percent, 100 / bins, align="edge", color=theme.predicted, edgecolor=theme.paper, linewidth=1.0)
    ax.axhspan(
        lower, upper, color=theme.ink, alpha=0.18, linewidth=0, zorder=2.5, label="95% band if forecasts are right"
    )
    ax.axhline(
        100 / bins, color=theme.ink, linewidth=1.1, linestyle=(0, (4, 3)), zorder=2.6, label="expected of right ones"
    )
    ax.set_xlim(0, 100)
    ax.set_ylim(0, 1.12 * max(float(percent.max()), upper))
    label(
        ax,
        theme,
        "Returns in their forecast distribution",
        x="percentile of the forecast (0 is the worst loss)",
        y="sessions (%)",
    )
    legend(ax, theme)
    return ax


def plot_exceedances(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Daily returns, the losses that forecasts put on 5% and 1% of days, and the days that were worse."""
    frame = exceedances(result.perf)
    ax = prepare(ax, theme)
    percent = 100 * frame["returns"]
    ax.plot(
        percent.index,
        percent,
        color=theme.muted,
        alpha=0.55,
        linewidth=min(1.0, max(0.4, 1000 / len(frame))),
        label="daily return",
    )
    looks = (("o", theme.predicted, 5.0), ("D", theme.realized, 6.0))
    for tail, (marker, color, size) in zip(TAILS, looks, strict=True):
        limit, beyond = 100 * frame[f"limit_{tail:.0%}"], frame[f"beyond_{tail:.0%}"]
        ax.plot(limit.index, limit, color=color, linewidth=stroke(ax, 0.9), label=f"{tail:.0%} limit")
        ax.plot(
            percent.index[beyond], percent[beyond], linestyle="none", marker=marker, color=color,
            markersize=stroke(ax, size), markeredgecolor=theme.paper, markeredgewidth=0.5, zorder=3,
            label=f"{int(beyond.sum())} days beyond, {count(tail * len(frame))} expected",
        )  # fmt: skip
    ax.axhline(0, color=theme.ink, linewidth=0.8)
    label(ax, theme, "Losses beyond value at risk", y="daily return (%)")
    date_axis(ax, frame.index)
    legend(ax, theme)
    return ax
