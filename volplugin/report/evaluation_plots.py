"""Plots of volatility models compared: ``plot_x(evaluation, ax=None, theme=LIGHT)``, each returns its axes.

A model has the same colour and marker in all plots.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from volplugin.errors import ParameterError
from volplugin.evaluation.model_comparison import VolatilityScores
from volplugin.evaluation.volatility import VolatilityEvaluation
from volplugin.report import axes
from volplugin.report.axes import LIGHT, MARKERS, Theme, finish, prepare
from volplugin.report.format import ahead, sessions

MAX_MODELS = 6
"""Models with a colour of their own in one plot; the others are grey or left out."""
STEPS = (5, 10, 20, 40, 80)
"""Percentages at the ticks of forecasts."""


def plot_reductions(scores: VolatilityScores, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the percent by which each model's QLIKE is below the first benchmark's, by horizon.

    Raises
    ------
    ParameterError
        If a single model was evaluated.
    """
    base = _base(scores)
    loss = scores.table["qlike"].unstack("horizon").loc[scores.models, scores.horizons]
    gains, ax, slots = _gains(loss, base).drop(index=base), prepare(ax, theme), axes.model_slots(scores.models)
    if isinstance(ax.figure, axes.ReportFigure) and len(ax.figure.axes) == 1:
        ax.figure.set_figheight(max(ax.figure.get_figheight(), 1.5 + 0.16 * gains.size))
    height = 0.8 / len(gains)
    for place, (name, row) in enumerate(gains.iterrows()):
        where = np.arange(len(row)) + (place - (len(gains) - 1) / 2) * height
        drawn = ax.barh(where, row, 0.86 * height, color=theme.series[slots[str(name)] % len(theme.series)])
        texts = [f"{name} " + f"{value:+.1f}%".replace("-", "−") for value in row]
        ax.bar_label(drawn, texts, padding=3, color=theme.ink, fontsize="small")
    ax.set_yticks(range(len(gains.columns)), [sessions(horizon) for horizon in gains])
    ax.set_ylim(len(gains.columns) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    ax.grid(axis="x", color=theme.grid, linewidth=0.8)
    ax.axvline(0, color=theme.ink, linewidth=1.1)
    low, high = min(0.0, gains.to_numpy().min()), max(0.0, gains.to_numpy().max())
    room = 0.45 * max(high - low, 1e-9)
    ax.set_xlim(low - (room if low < 0 else 0), high + (room if high > 0 else 0))
    axes.percent_axis(ax.xaxis)
    return finish(ax, theme, f"Loss (QLIKE) lower than {base}'s by")


def plot_years(
    evaluation: VolatilityEvaluation, ax: Axes | None = None, theme: Theme = LIGHT, horizon: int | None = None
) -> Axes:
    """Plot the percent by which QLIKE is below the first benchmark's, by calendar year of the origin."""
    base, horizon = _base(evaluation.scores), _chosen(evaluation, horizon)
    gains, ax = _gains(evaluation.scores.by_year.loc[horizon], base), prepare(ax, theme)
    x = axes.places_of(ax, [str(year) for year in gains])
    looks = {name: look for name, look in _looks(evaluation.scores, theme).items() if name != base}
    for order, name in enumerate(gains.index.difference([base, *looks])):
        ax.plot(x, gains.loc[name], color=theme.rest, linewidth=0.9, label="_" if order else "other models")
    for name, look in looks.items():
        ax.plot(x, gains.loc[name], label=name, **look)
    ax.axhline(0, color=theme.ink, linewidth=1.1, zorder=1)
    axes.percent_axis(ax.yaxis)
    return finish(ax, theme, f"Loss (QLIKE) lower than {base}'s by, {ahead(horizon)}, year by year")


def plot_deciles(
    evaluation: VolatilityEvaluation, ax: Axes | None = None, theme: Theme = LIGHT, horizon: int | None = None
) -> Axes:
    """Plot realised over forecast volatility of stock-days, grouped into deciles of their forecast."""
    horizon, ax = _chosen(evaluation, horizon), prepare(ax, theme)
    whole = evaluation.deciles.loc[horizon]
    axes.reference(ax, theme, 1)
    for name, look in _looks(evaluation.scores, theme).items():
        table = evaluation.deciles.loc[(horizon, name)]
        ax.plot(100 * table["predicted"], table["ratio"], label=name, **look)
    axes.sides(ax, theme, whole["ratio"], 0.2)
    axes.log_axis(ax, 100 * whole["predicted"], STEPS, "{}%", "x")
    return finish(ax, theme, f"Realised over forecast, {ahead(horizon)}", "forecast, annual volatility, log scale")


def _looks(scores: VolatilityScores, theme: Theme) -> dict[str, dict[str, Any]]:
    """Return the line style of the models with a colour of their own: the first, the benchmarks, then others."""
    order = list(dict.fromkeys([scores.models[0], *scores.benchmarks, *scores.models]))
    slots, looks = axes.model_slots(order), {}
    for name in order[:MAX_MODELS]:
        place = slots[name] % len(MARKERS)
        size = {"markersize": 4.7, "linewidth": 1.6} if place == 0 else {"markersize": 4.0, "linewidth": 1.0}
        looks[name] = {"color": theme.series[place], "marker": MARKERS[place], "zorder": 3 - 0.1 * place} | size
    return looks


def _base(scores: VolatilityScores) -> str:
    """Return the model to compare with."""
    if len(scores.models) < 2:
        raise ParameterError("a single model has nothing to be compared with")
    return scores.benchmarks[0] if scores.benchmarks else scores.models[-1]


def _gains(losses: pd.DataFrame, base: str) -> pd.DataFrame:
    """Return the percent by which each row's losses are below the losses of row `base`."""
    return 100 * (1 - losses / losses.loc[base])


def _chosen(evaluation: VolatilityEvaluation, horizon: int | None) -> int:
    horizons = evaluation.scores.horizons
    if horizon is not None and horizon not in horizons:
        raise ParameterError(f"horizon {horizon} was not evaluated; pass one of {', '.join(map(str, horizons))}")
    return horizons[-1] if horizon is None else horizon
