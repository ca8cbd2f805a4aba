"""Plots of the portfolio: money, leverage, turnover, sources of risk."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from volplugin.report.format import sessions
from volplugin.report.plots.axes import (
    Run,
    begin,
    finish,
    finish_dates,
    log_axis,
    percent_axis,
    reference,
    rows_of,
    values,
)
from volplugin.report.theme import LIGHT, Theme

MAX_POINTS = 130
"""Points of a stacked area, each the mean of neighbouring sessions; single sessions are illegible."""
NAMES = {"untouched": "same stocks, untouched", "run": "this run"}
VALUES = (0.1, 0.2, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 13, 20, 50)
"""Ticks of the value of 1 invested."""


def plot_growth(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the value of 1 invested in the run, and in its stocks at a leverage of 1."""
    _, frame, ax = begin(result, ax, theme, "growth")
    _both(ax, theme, frame)
    log_axis(ax, frame, VALUES, "{:g}")
    return finish_dates(ax, theme, "Value of 1 invested, log scale", frame.index, percent=False)


def plot_drawdown(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the loss since the highest value so far, of the run and of its stocks at a leverage of 1."""
    _, frame, ax = begin(result, ax, theme, "drawdown")
    _both(ax, theme, 100 * frame)
    return finish_dates(ax, theme, "Drawdown", frame.index)


def _both(ax: Axes, theme: Theme, frame: pd.DataFrame) -> None:
    for column, name in NAMES.items():
        if column in frame:
            values(ax, frame[column], theme.ink if column == "run" else theme.muted, 2.0, name)


def plot_leverage(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot gross leverage at each close, and the cap if the run has a `max_leverage`."""
    data, leverage, ax = begin(result, ax, theme, "leverage", "the run recorded no gross_leverage")
    values(ax, leverage, theme.predicted, 1.5, "_gross leverage")
    cap = data.result.details.parameters.get("max_leverage")
    if cap is not None:
        reference(ax, theme, float(cap), f"cap {float(cap):g}")
    ax.set_ylim(0, 1.08 * max(float(leverage.max()), float(cap or 0)))
    return finish_dates(ax, theme, "Gross leverage", leverage.index, percent=False)


def plot_turnover(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot traded value (purchases plus sales) over portfolio value, per month."""
    data, monthly, ax = begin(result, ax, theme, "monthly_turnover", "the perf frame holds no transactions")
    monthly = 100 * monthly
    ax.bar(monthly.index, monthly, width=26, align="edge", color=theme.predicted, linewidth=0, label="per month")
    values(ax, monthly, theme.ink, 0, "_traded in the month", visible=False)
    reference(ax, theme, float(monthly.mean()), f"mean {monthly.mean():.0f}%")
    return finish_dates(ax, theme, "Turnover per month", data.result.perf.index)


def plot_risk_contributions(result: Run, ax: Axes | None = None, theme: Theme = LIGHT, top: int = 7) -> Axes:
    """Plot the share of predicted volatility by group, stacked: the `top` groups and the rest.

    Without groups the largest assets are shown. Negative shares (hedges) are below zero.
    """
    data, share, ax = begin(result, ax, theme, "shares", "the run recorded no risk contributions")
    block = -(-len(share) // MAX_POINTS)
    share = 100 * share.groupby(np.arange(len(share)) // block).mean().set_axis(share.index[::block])
    rest = share.iloc[:, top:]
    if rest.shape[1] > 1:
        share = share.iloc[:, :top].assign(**{f"{rest.shape[1]} others": rest.sum(axis=1)})
    colors = [*theme.series[: min(top, share.shape[1])], theme.rest][: share.shape[1]]
    names = [name if len(name) <= 17 else f"{name[:16]}." for name in share]  # two columns of a legend
    above, below = share.clip(lower=0), share.clip(upper=0)
    for part, labels in ((above, names), (below, ())):
        if part.to_numpy().any():
            look: dict[str, Any] = {"linewidth": 0.35, "edgecolor": theme.paper, "labels": labels}
            ax.stackplot(share.index, part.to_numpy().T, colors=colors, **look)
    for name in share:  # invisible: values for the pointer
        values(ax, share[name], theme.ink, 0, f"_{name}", visible=False)
    ax.set_ylim(float(below.sum(axis=1).min()), float(above.sum(axis=1).max()))
    by = "group" if data.result.details.groups else "asset"
    return finish_dates(ax, theme, f"Share of the forecast risk by {by}", share.index)


def plot_factors(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the predicted volatility that comes from the market, and the specific part."""
    _, frame, ax = begin(result, ax, theme, "factors", "the run recorded no split of its predicted volatility")
    values(ax, 100 * frame["market"], theme.predicted, 1.6, "market")
    values(ax, 100 * frame["specific"], theme.series[2], 1.6, "specific")
    ax.set_ylim(bottom=0)
    return finish_dates(ax, theme, "Predicted volatility by source", frame.index)


def plot_average_correlation(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the average forecast correlation of different stocks."""
    _, average, ax = begin(result, ax, theme, "result.average_correlation", "the result has no average correlation")
    values(ax, average, theme.predicted, 2.0, "_forecast")
    ax.set_ylim(min(0.0, float(average.min())), 1.1 * float(average.max()))
    return finish_dates(ax, theme, "Average correlation of the stocks", average.index, percent=False)


def plot_forecast_scores(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the percent by which each volatility model's QLIKE is below the benchmark's, by horizon."""
    reason = "the result has no scores of several volatility models"
    data, table, ax = begin(result, ax, theme, "reductions", reason)
    height = 0.8 / len(table)
    rows_of(ax, theme, [sessions(horizon) for horizon in table])
    for place, (name, row) in enumerate(table.iterrows()):
        where = np.arange(len(row)) + (place - (len(table) - 1) / 2) * height
        drawn = ax.barh(where, row, height * 0.86, color=data.color(str(name), theme), label=str(name))
        texts = [f"{value:+.1f}%".replace("-", "−") for value in row]
        ax.bar_label(drawn, texts, padding=3, color=theme.ink, fontsize="small")
    low, high = min(0.0, table.to_numpy().min()), max(0.0, table.to_numpy().max())
    room = 0.2 * max(high - low, 1e-9)
    ax.set_xlim(low - (room if low < 0 else 0), high + room)
    percent_axis(ax, "x")
    return finish(ax, theme, f"QLIKE lower than {data.benchmark}'s by")
