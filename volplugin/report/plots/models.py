"""Models side by side, one unlevered book, and the correlation that closes the run."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from volplugin.errors import ParameterError
from volplugin.evaluation.losses import realized_variance
from volplugin.report.measures import reductions
from volplugin.report.plots.axes import date_axis, is_narrow, label, legend, prepare, stroke
from volplugin.report.result import BacktestResult
from volplugin.report.theme import LIGHT, Theme
from volplugin.units import annualize


def plot_forecast_scores(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Percent by which each volatility model's QLIKE lies below the benchmark's, by horizon."""
    table, base = reductions(result)
    table = table.drop(index=base)
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
    ax.set_yticks(range(len(table.columns)), [f"{h} session{'s' if h > 1 else ''}" for h in table.columns])
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
    ax.grid(axis="x", color=theme.grid, linewidth=0.8)
    low, high = min(0.0, table.to_numpy().min()), max(0.0, table.to_numpy().max())
    room = 0.14 * max(high - low, 1e-9)
    ax.set_xlim(low - (room if low < 0 else 0), high + room)
    label(ax, theme, f"Forecast loss against {base}", x="QLIKE lower by (%)")
    legend(ax, theme)
    return ax


def plot_book_forecast(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Forecast volatility of the unlevered book against what followed, both at the origin.

    A point of the forecast line was made at the close of that session; the realised line at the same
    place is the root mean square of the returns of the sessions after it that the forecast covers.
    """
    if not result.books:
        raise ParameterError("the result holds no book forecasts")
    own = next(iter(result.books.values()))
    ax = prepare(ax, theme)
    sessions = own.returns.index.union(own.predicted.index)
    outcome = realized_variance(own.returns.reindex(sessions), own.horizon).reindex(own.predicted.index)
    realized = 100 * annualize(outcome**0.5)
    ax.plot(
        realized.index,
        realized,
        color=theme.realized,
        linewidth=stroke(ax, 1.3),
        label=f"realised, next {own.horizon} sessions",
    )
    colors = (theme.predicted, theme.series[2], theme.muted, *theme.series[3:])
    for place, (name, book) in reversed(list(enumerate(result.books.items()))):
        line = 100 * annualize(book.predicted)
        ax.plot(
            line.index, line, color=colors[place % len(colors)], linewidth=1.7 if place == 0 else 0.9,
            label=f"forecast, {name}",
        )  # fmt: skip
    ax.set_yscale("log")
    _percent_ticks(ax, realized)
    label(ax, theme, "The equal-weight book without leverage", y="annual volatility (%), log scale")
    date_axis(ax, own.predicted.index)
    legend(ax, theme)
    return ax


def plot_correlation(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Forecast correlation at the end of the run, assets ordered so that similar ones are neighbours."""
    if result.correlation is None:
        raise ParameterError("the result holds no correlation matrix")
    rho = clustered(result.correlation)
    ax = prepare(ax, theme)
    ax.grid(visible=False)
    low = min(0.0, float(np.floor(10 * rho.to_numpy().min()) / 10))
    colors = LinearSegmentedColormap.from_list("volplugin", theme.heat)
    image = ax.imshow(rho, cmap=colors, vmin=low, vmax=1, interpolation="nearest", aspect="equal")
    names = [str(getattr(asset, "symbol", asset)) for asset in rho.index]
    size = min(8.0, (170 if is_narrow(ax) else 290) / len(names))
    ax.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
    ax.set_yticks(range(len(names)), names, fontsize=size)
    ax.tick_params(length=0)
    ax.spines["bottom"].set_visible(False)
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.8, aspect=24, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=theme.muted, length=0)
    bar.set_label("correlation of daily returns", color=theme.muted)
    last = result.perf.index[-1].date()
    label(ax, theme, f"Forecast correlation on {last}")
    return ax


def clustered(rho: pd.DataFrame) -> pd.DataFrame:
    """Return the matrix in the leaf order of an average-linkage tree over sqrt((1 - rho) / 2)."""
    if len(rho) < 3:
        return rho
    distance = np.sqrt(np.clip((1 - rho.to_numpy()) / 2, 0, None))
    np.fill_diagonal(distance, 0.0)
    condensed = squareform((distance + distance.T) / 2)
    tree = hierarchy.linkage(condensed, "average", optimal_ordering=True)
    order = hierarchy.leaves_list(tree)
    return rho.iloc[order, order]


def _percent_ticks(ax: Axes, realized: pd.Series) -> None:
    """Round percentages on a log axis, as many as the data span."""
    low, high = float(realized.min()), float(realized.max())
    ticks = [tick for tick in (1, 2, 5, 10, 20, 40, 80, 160) if 0.7 * low <= tick <= 1.4 * high]
    ax.set_yticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
