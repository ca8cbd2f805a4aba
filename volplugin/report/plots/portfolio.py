"""Plots of the portfolio: money, leverage, turnover, sources of risk."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from volplugin.report.format import sessions
from volplugin.report.measures import ReportData, required
from volplugin.report.plots.axes import finish, prepare, reference
from volplugin.report.plots.dates import finish_dates, percent_axis, values
from volplugin.report.result import BacktestResult
from volplugin.report.theme import LIGHT, Theme

MAX_POINTS = 130
"""Points of a stacked area, each the mean of neighbouring sessions; single sessions are illegible."""
NAMES = {"run": "this run", "untouched": "same stocks, untouched"}


def plot_growth(result: BacktestResult | ReportData, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the value of 1 invested in the run, and in its stocks at a leverage of 1."""
    data = ReportData.of(result)
    ax = _both(data, data.growth, ax, theme)
    ax.set_yscale("log")
    low, high = float(data.growth.min().min()), float(data.growth.max().max())
    ticks = [tick for tick in (0.1, 0.2, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 13, 20, 50) if 0.8 * low <= tick <= 1.2 * high]
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    return finish_dates(ax, theme, "Value of 1 invested, log scale", data.returns.index, percent=False)


def plot_drawdown(result: BacktestResult | ReportData, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the loss since the highest value so far, of the run and of its stocks at a leverage of 1."""
    data = ReportData.of(result)
    ax = _both(data, 100 * data.drawdown, ax, theme)
    return finish_dates(ax, theme, "Drawdown", data.returns.index)


def _both(data: ReportData, frame: pd.DataFrame, ax: Axes | None, theme: Theme) -> Axes:
    ax = prepare(ax, theme)
    for name in reversed(list(frame)):
        values(ax, frame[name], theme.ink if name == "run" else theme.muted, 2.0, NAMES[name])
    return ax


def plot_leverage(result: BacktestResult | ReportData, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot gross leverage at each close, and the cap if the run has a `max_leverage`."""
    run = ReportData.of(result).result
    leverage = required(run.perf.get("gross_leverage"), "the run recorded no gross_leverage")
    ax = prepare(ax, theme)
    values(ax, leverage, theme.predicted, 1.5, "gross leverage")
    cap = run.details.parameters.get("max_leverage")
    if cap is not None:
        reference(ax, theme, float(cap), f"cap {float(cap):g}")
    ax.set_ylim(0, 1.08 * max(float(leverage.max()), float(cap or 0)))
    return finish_dates(ax, theme, "Gross leverage", leverage.index, percent=False)


def plot_turnover(result: BacktestResult | ReportData, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot traded value (purchases plus sales) over portfolio value, per month."""
    data = ReportData.of(result)
    monthly = 100 * required(data.monthly_turnover, "the perf frame holds no transactions")
    ax = prepare(ax, theme)
    ax.bar(monthly.index, monthly, width=26, align="edge", color=theme.predicted, linewidth=0, label="per month")
    reference(ax, theme, float(monthly.mean()), f"mean {monthly.mean():.0f}%")
    return finish_dates(ax, theme, "Turnover per month", data.result.perf.index)


def plot_risk_contributions(
    result: BacktestResult | ReportData, ax: Axes | None = None, theme: Theme = LIGHT, top: int = 7
) -> Axes:
    """Plot the share of predicted volatility by group, stacked: the `top` groups and the rest.

    Without groups the largest assets are shown. Negative shares (hedges) are below zero.
    """
    data = ReportData.of(result)
    share = 100 * required(data.shares, "the run recorded no risk contributions")
    block = -(-len(share) // MAX_POINTS)
    share = share.groupby(np.arange(len(share)) // block).mean().set_axis(share.index[::block])
    rest = share.iloc[:, top:]
    if rest.shape[1] > 1:
        share = share.iloc[:, :top].assign(**{f"{rest.shape[1]} others": rest.sum(axis=1)})
    ax = prepare(ax, theme)
    colors = [*theme.series[: min(top, share.shape[1])], theme.rest][: share.shape[1]]
    for sign in (1, -1):
        part = (sign * share).clip(lower=0) * sign
        if part.to_numpy().any():
            names = [_short(str(name)) for name in share] if sign == 1 else ()
            look: dict[str, Any] = {"linewidth": 0.35, "edgecolor": theme.paper, "labels": names}
            ax.stackplot(share.index, part.to_numpy().T, colors=colors, **look)
    for name in share:  # invisible: values for the pointer
        values(ax, share[name], theme.ink, 0, f"_{name}", visible=False)
    ax.set_ylim(min(0.0, float(share.clip(upper=0).sum(axis=1).min())), float(share.clip(lower=0).sum(axis=1).max()))
    by = "group" if data.result.details.groups else "asset"
    return finish_dates(ax, theme, f"Share of the forecast risk by {by}", share.index)


def _short(name: str, letters: int = 17) -> str:
    """Cut a name to its first letters, so that a legend of two columns fits."""
    return name if len(name) <= letters else f"{name[: letters - 1]}."


def plot_average_correlation(result: BacktestResult | ReportData, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the average forecast correlation of different stocks."""
    run = ReportData.of(result).result
    average = required(run.average_correlation, "the result has no average correlation")
    ax = prepare(ax, theme)
    values(ax, average, theme.predicted, 2.0, "forecast")
    ax.set_ylim(min(0.0, float(average.min())), 1.1 * float(average.max()))
    return finish_dates(ax, theme, "Average correlation of the stocks", average.index, percent=False)


def plot_forecast_scores(result: BacktestResult | ReportData, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the percent by which each volatility model's QLIKE is below the benchmark's, by horizon."""
    data = ReportData.of(result)
    table = required(data.reductions, "the result has no scores of several volatility models")
    ax, height = prepare(ax, theme), 0.8 / len(table)
    for place, (name, row) in enumerate(table.iterrows()):
        where = np.arange(len(row)) + (place - (len(table) - 1) / 2) * height
        color = theme.series[data.slots[str(name)] % len(theme.series)]
        ax.bar_label(
            ax.barh(where, row, height * 0.86, color=color, label=str(name)),
            [f"{value:+.1f}%".replace("-", "−") for value in row], padding=3, color=theme.ink, fontsize="small",
        )  # fmt: skip
    ax.axvline(0, color=theme.ink, linewidth=1.1)
    ax.set_yticks(range(len(table.columns)), [sessions(horizon) for horizon in table])
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
    ax.grid(axis="x", color=theme.grid, linewidth=0.8)
    low, high = min(0.0, table.to_numpy().min()), max(0.0, table.to_numpy().max())
    room = 0.2 * max(high - low, 1e-9)
    ax.set_xlim(low - (room if low < 0 else 0), high + room)
    percent_axis(ax, "x")
    return finish(ax, theme, f"QLIKE lower than {data.benchmark}'s by")
