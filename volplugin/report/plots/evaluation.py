"""Plots of an evaluation of volatility forecasts: ``plot_x(judged, ax=None, theme=LIGHT)``, each returns its axes.

A model keeps its colour and marker from plot to plot, so that colour or shape identifies it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from volplugin.errors import ParameterError
from volplugin.evaluation.model_comparison import VolatilityScores
from volplugin.evaluation.volatility import VolatilityEvaluation
from volplugin.report.plots.axes import is_narrow, label, legend, prepare, stroke
from volplugin.report.theme import LIGHT, Theme

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
MOST = 6
"""Most models with a colour of their own in one plot; the others are grey or left out."""


def plot_reductions(evaluated: VolatilityEvaluation, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Percent by which each model's QLIKE lies below the first benchmark's, a marker for each horizon."""
    scores, base = evaluated.scores, _base(evaluated.scores)
    gains = _gains(scores.table["qlike"].unstack("horizon")[scores.horizons].loc[scores.models], base)
    gains = gains.drop(index=base)
    ax = prepare(ax, theme)
    for place, horizon in enumerate(gains):
        # A little below one another, so that none hides where two are equal.
        aside = 0.14 * (place - (len(gains.columns) - 1) / 2)
        ax.plot(
            gains[horizon], np.arange(len(gains)) + aside, linestyle="none", marker=MARKERS[place % len(MARKERS)],
            markersize=7, color=theme.series[place % len(theme.series)], label=_sessions(horizon),
        )  # fmt: skip
    ax.axvline(0, color=theme.ink, linewidth=1.1)
    ax.set_yticks(range(len(gains)), [str(name) for name in gains.index])
    ax.set_ylim(len(gains) - 0.5, -0.5)
    ax.grid(axis="x", color=theme.grid, linewidth=0.8)
    label(ax, theme, f"Forecast loss against {base}", x="QLIKE lower by (%)")
    legend(ax, theme)
    return ax


def plot_years(
    evaluated: VolatilityEvaluation, ax: Axes | None = None, theme: Theme = LIGHT, horizon: int | None = None
) -> Axes:
    """Percent by which the QLIKE of a year's origins lies below the first benchmark's, year by year."""
    horizon = _chosen(evaluated, horizon)
    gains = _gains(evaluated.scores.by_year.loc[horizon], _base(evaluated.scores))
    return _parts(evaluated, gains, ax, theme, f"{_sessions(horizon)} ahead, year by year", joined=True)


def plot_stress(
    evaluated: VolatilityEvaluation, ax: Axes | None = None, theme: Theme = LIGHT, horizon: int | None = None
) -> Axes:
    """Percent by which the QLIKE of the origins of each stress period lies below the first benchmark's.

    Raises
    ------
    ParameterError
        If no stress period lies within the evaluated span.
    """
    horizon = _chosen(evaluated, horizon)
    losses = evaluated.scores.by_stress
    if losses.columns.empty:
        raise ParameterError("no stress period lies within the evaluated span")
    gains = _gains(losses.loc[horizon], _base(evaluated.scores))
    return _parts(evaluated, gains, ax, theme, f"{_sessions(horizon)} ahead, in stress", joined=False)


def plot_deciles(
    evaluated: VolatilityEvaluation, ax: Axes | None = None, theme: Theme = LIGHT, horizon: int | None = None
) -> Axes:
    """Realised over forecast volatility of stock-days sorted by their forecast into ten groups."""
    horizon = _chosen(evaluated, horizon)
    ax = prepare(ax, theme)
    ax.axhline(1, color=theme.ink, linewidth=1.1, linestyle=(0, (4, 3)))
    for place, name in _leading(evaluated.scores):
        table = evaluated.deciles.loc[(horizon, name)]
        ax.plot(100 * table["predicted"], table["ratio"], label=name, **_drawn(ax, theme, place))
    ratio = evaluated.deciles.loc[horizon]["ratio"]
    ax.set_ylim(min(0.8, 0.95 * ratio.min()), max(1.2, 1.05 * ratio.max()))
    _log_percent(ax, 100 * evaluated.deciles.loc[horizon]["predicted"])
    inside: dict[str, Any] = {"xycoords": "axes fraction", "color": theme.muted}
    ax.annotate("risk was under-predicted", (0.99, 0.97), va="top", ha="right", **inside)
    ax.annotate("risk was over-predicted", (0.01, 0.03), **inside)
    title = f"Calibration by size of forecast, {_sessions(horizon)} ahead"
    label(ax, theme, title, x="forecast, annual volatility of each tenth of stock-days (%), log scale")
    ax.set_ylabel("realised / forecast (1 is right)", color=theme.muted)
    legend(ax, theme)
    return ax


def plot_seeds(evaluated: VolatilityEvaluation, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Percent by which the QLIKE of each component of an ensemble lies below that of the whole.

    Raises
    ------
    ParameterError
        If no evaluated model has components.
    """
    parts = evaluated.components
    if parts.empty:
        raise ParameterError("no evaluated model has components")
    ax = prepare(ax, theme)
    rows = [(horizon, model) for horizon in evaluated.scores.horizons for model in parts["model"].unique()]
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
    names = [f"{model}, {_sessions(horizon)}" if several else _sessions(horizon) for horizon, model in rows]
    ax.set_yticks(range(len(rows)), names)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.grid(axis="x", color=theme.grid, linewidth=0.8)
    whole = ", ".join(parts["model"].unique())
    label(ax, theme, f"Components of {whole}", x=f"QLIKE lower than that of {whole} by (%); negative is worse")
    legend(ax, theme)
    return ax


def _parts(
    evaluated: VolatilityEvaluation, gains: pd.DataFrame, ax: Axes | None, theme: Theme, title: str, joined: bool
) -> Axes:
    """Gains of models over parts of the span: joined by lines over years, side by side where they are apart."""
    base = _base(evaluated.scores)
    ax = prepare(ax, theme)
    shown = [(place, name) for place, name in _leading(evaluated.scores) if name != base]
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
    # Keeps a single bar as narrow as one of five.
    spare = max(0, 4 - len(x)) / 2
    ax.set_xlim(-0.5 - spare, len(x) - 0.5 + spare)
    label(ax, theme, f"Forecast loss against {base}, {title}", y="QLIKE lower by (%)")
    legend(ax, theme)
    return ax


def _leading(scores: VolatilityScores) -> list[tuple[int, str]]:
    """Models with a colour of their own, with its number: the first model, the benchmarks, then others."""
    order = dict.fromkeys([scores.models[0], *scores.benchmarks, *scores.models])
    return list(enumerate(list(order)[:MOST]))


def _base(scores: VolatilityScores) -> str:
    return scores.benchmarks[0] if scores.benchmarks else scores.models[-1]


def _gains(losses: pd.DataFrame, base: str) -> pd.DataFrame:
    """Percent by which each row's losses are below those of the row `base`."""
    return 100 * (1 - losses / losses.loc[base])


def _chosen(evaluated: VolatilityEvaluation, horizon: int | None) -> int:
    horizons = evaluated.scores.horizons
    if horizon is not None and horizon not in horizons:
        raise ParameterError(f"horizon {horizon} was not evaluated; pass one of {', '.join(map(str, horizons))}")
    return horizons[-1] if horizon is None else horizon


def _sessions(horizon: int) -> str:
    return f"{horizon} session{'s' if horizon > 1 else ''}"


def _drawn(ax: Axes, theme: Theme, place: int) -> dict[str, Any]:
    """Line of one model; the first is the heaviest."""
    return {
        "color": theme.series[place],
        "marker": MARKERS[place],
        "markersize": stroke(ax, 6.5 if place == 0 else 5.5),
        "linewidth": stroke(ax, 2.2 if place == 0 else 1.4),
        "zorder": 3 - 0.1 * place,
    }


def _component(kind: str, theme: Theme) -> dict[str, Any]:
    """Marker of a seed, of all seeds together, or of some other component."""
    shape, color = {"one seed alone": ("o", theme.series[0]), "ensemble": ("D", theme.series[1])}.get(
        kind, ("s", theme.series[2])
    )
    look = {"linestyle": "none", "markersize": 9, "markeredgecolor": theme.paper, "zorder": 3}
    return {"marker": shape, "color": color, **look}


def _log_percent(ax: Axes, values: pd.Series) -> None:
    """Round percentages on a logarithmic axis, as many as there is room for."""
    ax.set_xscale("log")
    steps = (5, 10, 20, 40, 80) if is_narrow(ax) else (5, 7, 10, 15, 20, 30, 40, 60, 80, 120)
    ticks = [tick for tick in steps if 0.95 * values.min() <= tick <= 1.05 * values.max()]
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
