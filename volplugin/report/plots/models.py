"""Plots of models, stocks and correlations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from volplugin.errors import ParameterError
from volplugin.evaluation.losses import realized_variance
from volplugin.report.format import ahead, sessions
from volplugin.report.measures import (
    average_correlation,
    chosen_dates,
    contribution_shares,
    reductions,
    same_order,
    stock_errors,
)
from volplugin.report.plots.axes import MARKERS, finish, is_narrow, label, line, prepare, stroke
from volplugin.report.result import BacktestResult, symbol
from volplugin.report.theme import HEAT, LIGHT, Theme
from volplugin.units import annualize

MAX_CELLS = 160
"""Rows and columns of a heat map; with more assets, neighbours share a cell."""
MAX_STOCKS = 30
"""Stocks in one plot; of more, the stocks with the largest and the smallest errors are drawn."""


def plot_forecast_scores(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the percent by which each volatility model's QLIKE is below the benchmark's, by horizon."""
    table, base = reductions(result)
    table = table.drop(index=base)
    if table.empty:
        raise ParameterError(f"the result has scores of one model alone, {base}")
    ax = prepare(ax, theme)
    height = 0.8 / len(table)
    for place, (name, row) in enumerate(table.iterrows()):
        where = np.arange(len(row)) + (place - (len(table) - 1) / 2) * height
        color = theme.series[place % len(theme.series)]
        ax.barh(where, row, height * 0.86, color=color, label=str(name))
        for y, value in zip(where, row, strict=True):
            ax.annotate(
                f"{value:+.1f}", (value, y), (4 if value >= 0 else -4, 0), textcoords="offset points",
                va="center", ha="left" if value >= 0 else "right", color=theme.ink, fontsize="small",
            )  # fmt: skip
    ax.axvline(0, color=theme.ink, linewidth=1.1)
    ax.set_yticks(range(len(table.columns)), [sessions(horizon) for horizon in table.columns])
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
    ax.grid(axis="x", color=theme.grid, linewidth=0.8)
    low, high = min(0.0, table.to_numpy().min()), max(0.0, table.to_numpy().max())
    room = 0.14 * max(high - low, 1e-9)
    ax.set_xlim(low - (room if low < 0 else 0), high + room)
    return finish(ax, theme, f"Forecast loss against {base}", x="QLIKE lower by (%)")


def plot_portfolio_forecast(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot forecast and realised volatility of the unlevered portfolio, both at the origin of the forecast.

    Realised volatility is the root mean square of the returns of the sessions that the forecast covers.
    """
    if not result.portfolios:
        raise ParameterError(
            "the result has no forecasts of the equal-weight portfolio (run volplugin backtest with --judge)"
        )
    own = next(iter(result.portfolios.values()))
    ax = prepare(ax, theme)
    sessions = own.returns.index.union(own.predicted.index)
    outcome = realized_variance(own.returns.reindex(sessions), own.horizon).reindex(own.predicted.index)
    realized = 100 * annualize(outcome**0.5)
    line(ax, realized, theme.realized, 1.3, f"realised, next {own.horizon} sessions")
    colors = (theme.predicted, theme.series[2], theme.muted, *theme.series[3:])
    for place, (name, portfolio) in reversed(list(enumerate(result.portfolios.items()))):
        color, width = colors[place % len(colors)], 1.5 if place == 0 else 0.9
        line(ax, 100 * annualize(portfolio.predicted), color, width, f"forecast, {name}")
    ax.set_yscale("log")
    _percent_ticks(ax, realized)
    title = "The equal-weight portfolio without leverage"
    return finish(ax, theme, title, y="annual volatility (%), log scale", dates=own.predicted.index)


def plot_correlation(
    result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT, date: pd.Timestamp | None = None
) -> Axes:
    """Draw the forecast correlation at a date (default the last of the result) as a heat map.

    The order of the assets (clusters of the last date) and the colour scale are the same at all dates. The diagonal
    and assets not yet listed are blank. With more than 160 assets a cell is the mean of neighbours.
    """
    if not result.correlations:
        raise ParameterError("the result has no correlation matrix")
    matrices = same_order(result.correlations)
    date = max(matrices) if date is None else pd.Timestamp(date)
    if date not in matrices:
        known = ", ".join(str(one.date()) for one in matrices)
        raise ParameterError(f"no correlation of {date.date()} is in the result; pass one of {known}")
    rho = matrices[date]
    ax = prepare(ax, theme)
    ax.grid(visible=False)
    low, high = _range(matrices.values())
    # The diagonal is one everywhere: blank, so that the colour scale covers the pairs.
    pairs = rho.mask(np.eye(len(rho), dtype=bool))
    names = [symbol(asset) for asset in rho.index]
    block = -(-len(names) // MAX_CELLS)
    if block > 1:
        pairs, names = _coarser(pairs, block), names[::block]
    image = ax.imshow(pairs, cmap=HEAT, vmin=low, vmax=high, interpolation="none", aspect="equal")
    _names(ax, names)
    ax.tick_params(length=0)
    ax.spines["bottom"].set_visible(False)
    bar = cast(Figure, ax.figure).colorbar(image, ax=ax, shrink=0.9, aspect=26, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.set_facecolor(theme.paper)
    bar.ax.tick_params(colors=theme.muted, length=0)
    bar.set_label("correlation of daily returns", color=theme.muted)
    mean = average_correlation(result.correlations[date])
    label(ax, theme, f"Correlation on {date.date()}, {mean:.2f} on average")
    return ax


def _coarser(pairs: pd.DataFrame, block: int) -> pd.DataFrame:
    """Average blocks of neighbours, without missing pairs."""
    groups = np.arange(len(pairs)) // block
    return pairs.groupby(groups).mean().T.groupby(groups).mean().T


def _range(matrices: Iterable[pd.DataFrame]) -> tuple[float, float]:
    """Return the range of the colour scale: the correlations of different assets, rounded to tenths, and zero."""
    pairs = np.concatenate([matrix.to_numpy()[np.triu_indices(len(matrix), 1)] for matrix in matrices])
    known = pairs[np.isfinite(pairs)]
    if not len(known):
        return 0.0, 1.0
    return min(0.0, float(np.floor(10 * known.min()) / 10)), max(0.1, float(np.ceil(10 * known.max()) / 10))


def _names(ax: Axes, names: list[str]) -> None:
    """Label both axes with the assets: all of them if they fit, else every n-th."""
    room = 40 if is_narrow(ax) else 60
    every = 1 if len(names) <= room else -(-2 * len(names) // room)
    size = min(8.0, (198 if is_narrow(ax) else 290) / (len(names) / every))
    ax.set_xticks(range(0, len(names), every), names[::every], rotation=90, fontsize=size)
    ax.set_yticks(range(0, len(names), every), names[::every], fontsize=size)


def _percent_ticks(ax: Axes, realized: pd.Series) -> None:
    """Set ticks at round percentages on a logarithmic axis."""
    low, high = float(realized.min()), float(realized.max())
    ticks = [tick for tick in (1, 2, 5, 10, 20, 40, 80, 160) if 0.7 * low <= tick <= 1.4 * high]
    ax.set_yticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()


def plot_stock_errors(
    result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT, horizon: int | None = None
) -> Axes:
    """Plot the mean QLIKE of each stock by model, the stock with the largest error on top."""
    table = stock_errors(result, horizon)
    assert result.volatility is not None
    horizon = result.volatility.horizons[-1] if horizon is None else horizon
    title = f"Forecast loss by stock, {ahead(horizon)}"
    if len(table) > MAX_STOCKS:
        title += f": the {MAX_STOCKS // 2} largest and smallest of {len(table)}"
        table = pd.concat([table.iloc[: MAX_STOCKS // 2], table.iloc[-MAX_STOCKS // 2 :]])
    models = table.drop(columns="bias")
    ax = prepare(ax, theme)
    places = np.arange(len(table))
    ax.hlines(places, models.min(axis=1), models.max(axis=1), color=theme.rest, linewidth=stroke(ax, 2.0), zorder=1)
    for place, name in reversed(list(enumerate(models))):
        ax.plot(models[name], places, label=str(name), **_marked(ax, theme, place))
    _rows(ax, theme, [str(asset) for asset in table.index])
    return finish(ax, theme, title, x="mean QLIKE, lower is better", reverse=True)


def plot_contribution_dates(
    result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT, top: int = 15
) -> Axes:
    """Plot the share of predicted volatility by stock at the first, the riskiest and the last session."""
    share, dates = contribution_shares(result, top), chosen_dates(result)
    ax = prepare(ax, theme)
    places = np.arange(len(share))
    ax.hlines(places, share.min(axis=1), share.max(axis=1), color=theme.rest, linewidth=stroke(ax, 2.0), zorder=1)
    for place, (name, date) in enumerate(dates.items()):
        ax.plot(share[name], places, label=f"{name}, {date.date()}", **_marked(ax, theme, place))
    ax.axvline(0, color=theme.ink, linewidth=1.1)
    _rows(ax, theme, [str(asset) for asset in share.index])
    return finish(ax, theme, "Share of predicted volatility at three dates", x="share (%)")


def _marked(ax: Axes, theme: Theme, place: int) -> dict[str, Any]:
    """Return the marker of a model or a date; the shape identifies it without colour."""
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
    """Label one row per stock, from the top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")
    ax.grid(axis="x", color=theme.grid, linewidth=0.8)
