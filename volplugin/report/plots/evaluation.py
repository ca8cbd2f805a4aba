"""Plots of an evaluation of volatility forecasts: ``plot_x(evaluation, ax=None, theme=LIGHT)``, each returns its axes.

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
from volplugin.report.format import ahead, sessions
from volplugin.report.plots.axes import (
    MARKERS,
    dots,
    finish,
    is_narrow,
    log_axis,
    places_of,
    prepare,
    reference,
    rows_of,
    stroke,
)
from volplugin.report.theme import LIGHT, Theme, model_slots

MAX_MODELS = 6
"""Models with a colour of their own in one plot; the others are grey or left out."""
LOWER = "QLIKE lower by (%)"


def plot_reductions(evaluation: VolatilityEvaluation, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the percent by which each model's QLIKE is below the first benchmark's, one marker per horizon.

    Raises
    ------
    ParameterError
        If a single model was evaluated.
    """
    scores, base = evaluation.scores, _base(evaluation.scores)
    loss = scores.table["qlike"].unstack("horizon")[scores.horizons].loc[scores.models]
    gains = _gains(loss, base).drop(index=base)
    ax = prepare(ax, theme)
    rows_of(ax, theme, [str(name) for name in gains.index])
    for place, horizon in enumerate(gains):
        # Markers are shifted vertically: equal values would hide one another.
        y = np.arange(len(gains)) + 0.14 * (place - (len(gains.columns) - 1) / 2)
        color = theme.series[place % len(theme.series)]
        dots(ax, theme, gains[horizon], y, color, MARKERS[place % len(MARKERS)], sessions(horizon), 7)
    return finish(ax, theme, f"Forecast loss against {base}", x=LOWER)


def plot_years(
    evaluation: VolatilityEvaluation, ax: Axes | None = None, theme: Theme = LIGHT, horizon: int | None = None
) -> Axes:
    """Plot the percent by which QLIKE is below the first benchmark's, by calendar year of the origin."""
    horizon = _chosen(evaluation, horizon)
    return _parts(
        evaluation, evaluation.scores.by_year.loc[horizon], ax, theme, f"{ahead(horizon)}, year by year", True
    )


def plot_stress(
    evaluation: VolatilityEvaluation, ax: Axes | None = None, theme: Theme = LIGHT, horizon: int | None = None
) -> Axes:
    """Plot the percent by which QLIKE is below the first benchmark's, by stress period of the origin.

    Raises
    ------
    ParameterError
        If the evaluated span contains no stress period.
    """
    horizon, losses = _chosen(evaluation, horizon), evaluation.scores.by_stress
    if losses.columns.empty:
        raise ParameterError("no stress period lies within the evaluated span")
    return _parts(evaluation, losses.loc[horizon], ax, theme, f"{ahead(horizon)}, in stress", False)


def plot_deciles(
    evaluation: VolatilityEvaluation, ax: Axes | None = None, theme: Theme = LIGHT, horizon: int | None = None
) -> Axes:
    """Plot realised over forecast volatility of stock-days, grouped into deciles of their forecast."""
    horizon = _chosen(evaluation, horizon)
    ax, whole = prepare(ax, theme), evaluation.deciles.loc[horizon]
    reference(ax, theme, 1)
    for place, name in _leading(evaluation.scores):
        table = evaluation.deciles.loc[(horizon, name)]
        ax.plot(100 * table["predicted"], table["ratio"], label=name, **_drawn(ax, theme, place))
    ax.set_ylim(min(0.8, 0.95 * whole["ratio"].min()), max(1.2, 1.05 * whole["ratio"].max()))
    steps = (5, 10, 20, 40, 80) if is_narrow(ax) else (5, 7, 10, 15, 20, 30, 40, 60, 80, 120)
    log_axis(ax, 100 * whole["predicted"], steps, "{}", "x")
    inside: dict[str, Any] = {"xycoords": "axes fraction", "color": theme.muted}
    ax.annotate("risk was under-predicted", (0.99, 0.97), va="top", ha="right", **inside)
    ax.annotate("risk was over-predicted", (0.01, 0.03), **inside)
    title, x = f"Calibration by size of forecast, {ahead(horizon)}", "forecast, annual volatility (%), log scale"
    return finish(ax, theme, title, x=x, y="realised / forecast (1 is right)")


def plot_seeds(evaluation: VolatilityEvaluation, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the percent by which the QLIKE of each ensemble member is below the ensemble's.

    Raises
    ------
    ParameterError
        If no evaluated model is an ensemble.
    """
    parts = evaluation.components
    if parts.empty:
        raise ParameterError("no evaluated model has components")
    ax, labelled, whole = prepare(ax, theme), set[str](), ", ".join(parts["model"].unique())
    rows = [(horizon, model) for horizon in evaluation.scores.horizons for model in parts["model"].unique()]
    for y, (horizon, model) in enumerate(rows):
        own = parts.loc[horizon]
        for name, gain in own[own["model"] == model]["below_model"].items():
            member = name.removeprefix(f"{model} ")
            kind = "one seed alone" if member.startswith("seed") else member
            place = {"one seed alone": 0, "ensemble": 1}.get(kind, 2)
            dots(ax, theme, gain, y, theme.series[place], "oDs"[place], "_" if kind in labelled else kind, 9)
            labelled.add(kind)
    several = parts["model"].nunique() > 1
    rows_of(ax, theme, [f"{model}, {sessions(h)}" if several else sessions(h) for h, model in rows])
    ax.lines[-1].set_label("the whole")
    return finish(ax, theme, f"Components of {whole}", x=f"QLIKE lower than {whole}'s by (%); negative is worse")


def _parts(
    evaluation: VolatilityEvaluation, losses: pd.DataFrame, ax: Axes | None, theme: Theme, title: str, joined: bool
) -> Axes:
    """Plot the gains of models over parts of the span, joined by lines (years) or side by side (stress periods)."""
    base, ax = _base(evaluation.scores), prepare(ax, theme)
    gains, x = _gains(losses, base), places_of(ax, [str(part) for part in losses.columns])
    leading = [(place, name) for place, name in _leading(evaluation.scores) if name != base]
    for order, (place, name) in enumerate(leading):
        aside = {} if joined else {"linestyle": "none"}
        shift = 0 if joined else 0.09 * (order - (len(leading) - 1) / 2)
        ax.plot(x + shift, gains.loc[name], label=name, **_drawn(ax, theme, place) | aside)
    rest = gains.index.difference([base, *(name for _, name in leading)], sort=False)
    for order, name in enumerate(rest if joined else ()):
        label = "_" if order else "other models"
        ax.plot(x, gains.loc[name], color=theme.rest, linewidth=stroke(ax, 1.2), zorder=1.5, label=label)
    ax.axhline(0, color=theme.ink, linewidth=1.1, zorder=1)
    return finish(ax, theme, f"Forecast loss against {base}, {title}", y=LOWER)


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


def _drawn(ax: Axes, theme: Theme, place: int) -> dict[str, Any]:
    """Return the line style of a model; the first model has the thickest line."""
    return {
        "color": theme.series[place],
        "marker": MARKERS[place],
        "markersize": stroke(ax, 6.5 if place == 0 else 5.5),
        "linewidth": stroke(ax, 2.2 if place == 0 else 1.4),
        "zorder": 3 - 0.1 * place,
    }
