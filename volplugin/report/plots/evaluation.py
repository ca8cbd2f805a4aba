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
from volplugin.report.plots.axes import MARKERS, finish, is_narrow, prepare, reference, stroke
from volplugin.report.theme import LIGHT, Theme, model_slots

MAX_MODELS = 6
"""Models with a colour of their own in one plot; the others are grey or left out."""


def plot_reductions(evaluation: VolatilityEvaluation, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the percent by which each model's QLIKE is below the first benchmark's, one marker per horizon."""
    scores, base = evaluation.scores, _base(evaluation.scores)
    gains = _gains(scores.table["qlike"].unstack("horizon")[scores.horizons].loc[scores.models], base)
    gains = gains.drop(index=base)
    ax = prepare(ax, theme)
    for place, horizon in enumerate(gains):
        # Markers are shifted vertically: equal values would hide one another.
        aside = 0.14 * (place - (len(gains.columns) - 1) / 2)
        ax.plot(
            gains[horizon], np.arange(len(gains)) + aside, linestyle="none", marker=MARKERS[place % len(MARKERS)],
            markersize=7, color=theme.series[place % len(theme.series)], label=sessions(horizon),
        )  # fmt: skip
    ax.axvline(0, color=theme.ink, linewidth=1.1)
    ax.set_yticks(range(len(gains)), [str(name) for name in gains.index])
    ax.set_ylim(len(gains) - 0.5, -0.5)
    ax.grid(axis="x", color=theme.grid, linewidth=0.8)
    return finish(ax, theme, f"Forecast loss against {base}", x="QLIKE lower by (%)")


def plot_years(
    evaluation: VolatilityEvaluation, ax: Axes | None = None, theme: Theme = LIGHT, horizon: int | None = None
) -> Axes:
    """Plot the percent by which QLIKE is below the first benchmark's, by calendar year of the origin."""
    horizon = _chosen(evaluation, horizon)
    gains = _gains(evaluation.scores.by_year.loc[horizon], _base(evaluation.scores))
    return _parts(evaluation, gains, ax, theme, f"{ahead(horizon)}, year by year", joined=True)


def plot_stress(
    evaluation: VolatilityEvaluation, ax: Axes | None = None, theme: Theme = LIGHT, horizon: int | None = None
) -> Axes:
    """Plot the percent by which QLIKE is below the first benchmark's, by stress period of the origin.

    Raises
    ------
    ParameterError
        If the evaluated span contains no stress period.
    """
    horizon = _chosen(evaluation, horizon)
    losses = evaluation.scores.by_stress
    if losses.columns.empty:
        raise ParameterError("no stress period lies within the evaluated span")
    gains = _gains(losses.loc[horizon], _base(evaluation.scores))
    return _parts(evaluation, gains, ax, theme, f"{ahead(horizon)}, in stress", joined=False)


def plot_deciles(
    evaluation: VolatilityEvaluation, ax: Axes | None = None, theme: Theme = LIGHT, horizon: int | None = None
) -> Axes:
    """Plot realised over forecast volatility of stock-days, grouped into deciles of their forecast."""
    horizon = _chosen(evaluation, horizon)
    ax = prepare(ax, theme)
    reference(ax, theme, 1)
    for place, name in _leading(evaluation.scores):
        table = evaluation.deciles.loc[(horizon, name)]
        ax.plot(100 * table["predicted"], table["ratio"], label=name, **_drawn(ax, theme, place))
    ratio = evaluation.deciles.loc[horizon]["ratio"]
    ax.set_ylim(min(0.8, 0.95 * ratio.min()), max(1.2, 1.05 * ratio.max()))
    _log_percent(ax, 100 * evaluation.deciles.loc[horizon]["predicted"])
    inside: dict[str, Any] = {"xycoords": "axes fraction", "color": theme.muted}
    ax.annotate("risk was under-predicted", (0.99, 0.97), va="top", ha="right", **inside)
    ax.annotate("risk was over-predicted", (0.01, 0.03), **inside)
    title = f"Calibration by size of forecast, {ahead(horizon)}"
    x = "forecast, annual volatility of each tenth of stock-days (%), log scale"
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
    ax = prepare(ax, theme)
    rows = [(horizon, model) for horizon in evaluation.scores.horizons for model in parts["model"].unique()]
    labelled: set[str] = set()
    for y, (horizon, model) in enumerate(rows):
        own = parts.loc[horizon]
        for name, gain in own[own["model"] == model]["below_model"].items():
            kind = (
                "one seed alone"
                if name.removeprefix(f"{model} ").startswith("seed")
                else name.removeprefix(f"{model} ")
            )
            ax.plot(gain, y, label="_" if kind in labelled else kind, **_component(kind, theme))
            labelled.add(kind)
    ax.axvline(0, color=theme.ink, linewidth=1.1, label="the whole")
    several = parts["model"].nunique() > 1
    names = [f"{model}, {sessions(horizon)}" if several else sessions(horizon) for horizon, model in rows]
    ax.set_yticks(range(len(rows)), names)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.grid(axis="x", color=theme.grid, linewidth=0.8)
    whole = ", ".join(parts["model"].unique())
    return finish(ax, theme, f"Components of {whole}", x=f"QLIKE lower than {whole}'s by (%); negative is worse")


def _parts(
    evaluation: VolatilityEvaluation, gains: pd.DataFrame, ax: Axes | None, theme: Theme, title: str, joined: bool
) -> Axes:
    """Plot the gains of models over parts of the span, joined by lines (years) or side by side (stress periods)."""
    base = _base(evaluation.scores)
    ax = prepare(ax, theme)
    shown = [(place, name) for place, name in _leading(evaluation.scores) if name != base]
    rest = [name for name in gains.index if name != base and name not in {name for _, name in shown}]
    x = np.arange(len(gains.columns))
    for order, (place, name) in enumerate(shown):
        style = _drawn(ax, theme, place)
        if joined:
            ax.plot(x, gains.loc[name], label=name, **style)
        else:
            aside = 0.09 * (order - (len(shown) - 1) / 2)
            ax.plot(x + aside, gains.loc[name], label=name, **{**style, "linestyle": "none"})
    for order, name in enumerate(rest if joined else ()):
        ax.plot(
            x, gains.loc[name], color=theme.rest, linewidth=stroke(ax, 1.2), zorder=1.5,
            label="other models" if order == 0 else "_",
        )  # fmt: skip
    ax.axhline(0, color=theme.ink, linewidth=1.1, zorder=1)
    ax.set_xticks(x, [str(part) for part in gains.columns])
    # Limits for at least five parts, so that a single one does not fill the width.
    spare = max(0, 4 - len(x)) / 2
    ax.set_xlim(-0.5 - spare, len(x) - 0.5 + spare)
    return finish(ax, theme, f"Forecast loss against {base}, {title}", y="QLIKE lower by (%)")


def _leading(scores: VolatilityScores) -> list[tuple[int, str]]:
    """Return place and name of the models with an own colour and marker: the first, the benchmarks, then others."""
    order = list(dict.fromkeys([scores.models[0], *scores.benchmarks, *scores.models]))
    slots = model_slots(order)
    return [(slots[name] % len(MARKERS), name) for name in order[:MAX_MODELS]]


def _base(scores: VolatilityScores) -> str:
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


def _component(kind: str, theme: Theme) -> dict[str, Any]:
    """Return the marker of a single seed, of the ensemble of seeds, or of another member."""
    shape, color = {"one seed alone": ("o", theme.series[0]), "ensemble": ("D", theme.series[1])}.get(
        kind, ("s", theme.series[2])
    )
    look = {"linestyle": "none", "markersize": 9, "markeredgecolor": theme.paper, "zorder": 3}
    return {"marker": shape, "color": color, **look}


def _log_percent(ax: Axes, values: pd.Series) -> None:
    """Set ticks at round percentages on a logarithmic axis."""
    ax.set_xscale("log")
    steps = (5, 10, 20, 40, 80) if is_narrow(ax) else (5, 7, 10, 15, 20, 30, 40, 60, 80, 120)
    ticks = [tick for tick in steps if 0.95 * values.min() <= tick <= 1.05 * values.max()]
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
