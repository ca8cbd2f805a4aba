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
from volplugin.report.axes import MARKERS, finish, log_axis, percent_axis, places_of, prepare, reference
from volplugin.report.format import ahead, sessions
from volplugin.report.theme import LIGHT, Theme, model_slots

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
    gains, ax, slots = _gains(loss, base).drop(index=base), prepare(ax, theme), model_slots(scores.models)
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
    percent_axis(ax, "x")
    return finish(ax, theme, f"Loss (QLIKE) lower than {base}'s by")


def plot_years(
    evaluation: VolatilityEvaluation, ax: Axes | None = None, theme: Theme = LIGHT, horizon: int | None = None
) -> Axes:
    """Plot the percent by which QLIKE is below the first benchmark's, by calendar year of the origin."""
    base, horizon = _base(evaluation.scores), _chosen(evaluation, horizon)
    gains, ax = _gains(evaluation.scores.by_year.loc[horizon], base), prepare(ax, theme)
    x = places_of(ax, [str(year) for year in gains])
    leading = [(place, name) for place, name in _leading(evaluation.scores) if name != base]
    for order, name in enumerate(gains.index.difference([base, *(name for _, name in leading)])):
        ax.plot(x, gains.loc[name], color=theme.rest, linewidth=0.9, label="_" if order else "other models")
    for place, name in leading:
        ax.plot(x, gains.loc[name], label=name, **_drawn(theme, place))
    ax.axhline(0, color=theme.ink, linewidth=1.1, zorder=1)
    percent_axis(ax)
    return finish(ax, theme, f"Loss (QLIKE) lower than {base}'s by, {ahead(horizon)}, year by year")


def plot_deciles(
    evaluation: VolatilityEvaluation, ax: Axes | None = None, theme: Theme = LIGHT, horizon: int | None = None
) -> Axes:
    """Plot realised over forecast volatility of stock-days, grouped into deciles of their forecast."""
    horizon, ax = _chosen(evaluation, horizon), prepare(ax, theme)
    whole = evaluation.deciles.loc[horizon]
    reference(ax, theme, 1)
    for place, name in _leading(evaluation.scores):
        table = evaluation.deciles.loc[(horizon, name)]
        ax.plot(100 * table["predicted"], table["ratio"], label=name, **_drawn(theme, place))
    ax.set_ylim(min(0.8, 0.95 * whole["ratio"].min()), max(1.2, 1.05 * whole["ratio"].max()))
    log_axis(ax, 100 * whole["predicted"], STEPS, "{}%", "x")
    inside: dict[str, Any] = {"xycoords": "axes fraction", "color": theme.muted}
    ax.annotate("forecasts too low", (0.99, 0.97), va="top", ha="right", **inside)
    ax.annotate("forecasts too high", (0.01, 0.03), **inside)
    title = f"Realised over forecast, {ahead(horizon)}"
    return finish(ax, theme, title, "forecast, annual volatility, log scale")


def _leading(scores: VolatilityScores) -> list[tuple[int, str]]:
    """Return place and name of the models with an own colour and marker: the first, the benchmarks, then others."""
    order = list(dict.fromkeys([scores.models[0], *scores.benchmarks, *scores.models]))
    slots = model_slots(order)
    return [(slots[name] % len(MARKERS), name) for name in order[:MAX_MODELS]]


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


def _drawn(theme: Theme, place: int) -> dict[str, Any]:
    """Return the line style of a model; the first model has the thickest line."""
    look = {"color": theme.series[place], "marker": MARKERS[place], "zorder": 3 - 0.1 * place}
    return look | {"markersize": 4.7 if place == 0 else 4.0, "linewidth": 1.6 if place == 0 else 1.0}
