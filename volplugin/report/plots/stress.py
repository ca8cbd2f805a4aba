"""The stress periods: what was predicted in each, and what came."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from volplugin.errors import ParameterError
from volplugin.report.measures import stress_periods
from volplugin.report.plots.axes import label, legend, prepare, stroke
from volplugin.report.result import BacktestResult
from volplugin.report.theme import LIGHT, Theme


def plot_stress(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Predicted and realised volatility of the book in each stress period, with the band of right forecasts.

    Raises
    ------
    ParameterError
        If no stress period lies within the run.
    """
    table = stress_periods(result.perf)
    if table.empty:
        raise ParameterError("no stress period lies within the run")
    ax = prepare(ax, theme)
    places = np.arange(len(table))
    ax.vlines(
        places, 100 * table["lower"], 100 * table["upper"], color=theme.predicted, alpha=0.3, linewidth=stroke(ax, 14),
        label="95% band if forecasts are right",
    )  # fmt: skip
    for column, color, marker in (("predicted", theme.predicted, "s"), ("realized", theme.realized, "o")):
        name = {"realized": "realised"}.get(column, column)
        ax.plot(
            places, 100 * table[column], linestyle="none", marker=marker, color=color, label=name,
            markersize=stroke(ax, 9), markeredgecolor=theme.paper, zorder=3,
        )  # fmt: skip
    if result.target is not None:
        target = 100 * result.target
        ax.axhline(target, color=theme.ink, linewidth=1.1, linestyle=(0, (4, 3)), label=f"target {target:g}%")
    ax.set_xticks(places, [f"{name}\n{row['sessions']} sessions" for name, row in table.iterrows()])
    spare = max(0, 4 - len(table)) / 2
    ax.set_xlim(-0.5 - spare, len(table) - 0.5 + spare)
    ax.set_ylim(bottom=0)
    label(ax, theme, "Volatility under stress", y="annual volatility (%)")
    legend(ax, theme)
    return ax
