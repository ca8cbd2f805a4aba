"""Stock by stock: whose risk was hardest to forecast, and who contributed when."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from volplugin.report.measures import chosen_dates, contribution_shares, stock_errors
from volplugin.report.plots.axes import label, legend, prepare, stroke
from volplugin.report.result import BacktestResult
from volplugin.report.theme import LIGHT, Theme

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
MOST = 30
"""Stocks in one plot; of more, those with the largest and the smallest errors are drawn."""


def plot_stock_errors(
    result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT, horizon: int | None = None
) -> Axes:
    """Mean QLIKE of each stock, by model, the stock with the largest error on top."""
    table = stock_errors(result, horizon)
    horizon = result.volatility.horizons[-1] if horizon is None and result.volatility else horizon
    title = f"Forecast loss by stock, {horizon} session{'s' if horizon != 1 else ''} ahead"
    if len(table) > MOST:
        title += f": the {MOST // 2} largest and smallest of {len(table)}"
        table = pd.concat([table.iloc[: MOST // 2], table.iloc[-MOST // 2 :]])
    models = table.drop(columns="bias")
    ax = prepare(ax, theme)
    places = np.arange(len(table))
    ax.hlines(places, models.min(axis=1), models.max(axis=1), color=theme.rest, linewidth=stroke(ax, 2.0), zorder=1)
    for place, name in reversed(list(enumerate(models))):
        ax.plot(models[name], places, label=str(name), **_marked(ax, theme, place))
    _rows(ax, theme, [str(asset) for asset in table.index])
    label(ax, theme, title, x="mean QLIKE, lower is better")
    legend(ax, theme, reverse=True)
    return ax


def plot_contribution_dates(
    result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT, top: int = 15
) -> Axes:
    """Share of the predicted volatility by stock at the first, at the riskiest and at the last session."""
    share, dates = contribution_shares(result, top), chosen_dates(result)
    ax = prepare(ax, theme)
    places = np.arange(len(share))
    ax.hlines(places, share.min(axis=1), share.max(axis=1), color=theme.rest, linewidth=stroke(ax, 2.0), zorder=1)
    for place, (name, date) in enumerate(dates.items()):
        ax.plot(share[name], places, label=f"{name}, {date.date()}", **_marked(ax, theme, place))
    ax.axvline(0, color=theme.ink, linewidth=1.1)
    _rows(ax, theme, [str(asset) for asset in share.index])
    label(ax, theme, "Share of predicted volatility at three dates", x="share (%)")
    legend(ax, theme)
    return ax


def _marked(ax: Axes, theme: Theme, place: int) -> dict[str, Any]:
    """Marker of a model or a date: told apart by its shape, if not by its colour."""
    colors = (theme.predicted, theme.realized, theme.series[2], *theme.series[3:])
    return {
        "linestyle": "none",
        "marker": MARKERS[place % len(MARKERS)],
        "color": colors[place % len(colors)],
        "markersize": stroke(ax, 7.0),
        "markeredgecolor": theme.paper,
        "markeredgewidth": 0.6,
        "zorder": 3,
    }


def _rows(ax: Axes, theme: Theme, names: list[str]) -> None:
    """One row a stock, from the top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")
    ax.grid(axis="x", color=theme.grid, linewidth=0.8)
