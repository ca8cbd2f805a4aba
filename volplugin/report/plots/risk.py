"""Plots of predicted and realised risk of the portfolio held, by session."""

from __future__ import annotations

from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation.calibration import sampling_band
from volplugin.report.format import count
from volplugin.report.measures import (
    QUARTER,
    TAILS,
    bias_path,
    exceedances,
    held,
    middle,
    pit_histogram,
    quarters,
    stress_periods,
)
from volplugin.report.plots.axes import date_axis, label, legend, prepare, stroke
from volplugin.report.result import BacktestResult
from volplugin.report.theme import LIGHT, Theme


def plot_predicted_realized(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Predicted against realised volatility of the portfolio held, over the same sessions.

    Both lines are of 63 sessions and drawn at the middle of them: realised is the standard deviation
    of the returns, predicted the root mean square of the volatilities that were forecast before each
    of these sessions. The thin line is the single forecasts; the band is where realised volatility falls
    with 95% probability if they are right.
    """
    windows = _windows(result.perf)
    ax = prepare(ax, theme)
    known = held(result.perf)
    sessions = middle(windows, known.index)
    single = 100 * known["predicted_vol"]
    band = windows.iloc[::5]
    ax.fill_between(
        sessions[::5], 100 * band["lower"], 100 * band["upper"],
        color=theme.predicted, alpha=0.16, linewidth=0, label="95% band if forecasts are right",
    )  # fmt: skip
    ax.plot(single.index, single, color=theme.muted, alpha=0.55, linewidth=0.6, label="each day's forecast")
    ax.plot(
        sessions,
        100 * windows["predicted"],
        color=theme.predicted,
        linewidth=stroke(ax, 1.9),
        label="predicted, 63 sessions",
    )
    ax.plot(
        sessions,
        100 * windows["realized"],
        color=theme.realized,
        linewidth=stroke(ax, 1.9),
        label="realised, 63 sessions",
    )
    ax.set_ylim(bottom=0)
    label(ax, theme, "Predicted and realised volatility", y="annual volatility (%)")
    date_axis(ax, known.index)
    legend(ax, theme)
    return ax


def plot_target(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Realised volatility of the last 63 sessions against the target, with the runs compared.

    The band is where 63 sessions of a portfolio that has exactly the target's volatility fall with 95%
    probability.
    """
    if result.target is None:
        raise ParameterError("the run had no volatility target to draw against")
    windows, target = _windows(result.perf), 100 * result.target
    ax = prepare(ax, theme)
    lower, upper = (target * bound for bound in sampling_band(QUARTER))
    ax.axhspan(lower, upper, color=theme.muted, alpha=0.14, linewidth=0, label="95% band of a perfect forecast")
    ax.axhline(target, color=theme.ink, linewidth=1.1, linestyle=(0, (4, 3)), label=f"target {target:g}%")
    for color, (name, other) in zip(cycle(theme.series[2:]), result.comparisons.items(), strict=False):
        line = 100 * _windows(other.perf)["realized"]
        ax.plot(line.index, line, color=color, linewidth=stroke(ax, 1.2), alpha=0.9, label=f"realised, {name}")
    ax.plot(
        windows.index,
        100 * windows["realized"],
        color=theme.realized,
        linewidth=stroke(ax, 2.0),
        label="realised",
    )
    ax.set_ylim(bottom=0)
    label(ax, theme, "Realised volatility, last 63 sessions", y="annual volatility (%)")
    date_axis(ax, held(result.perf).index)
    legend(ax, theme)
    return ax


def plot_calibration(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Draw the rolling bias statistic: the standard deviation of returns over their forecast volatility."""
    path, window = bias_path(result.perf)
    if path.empty:
        raise InsufficientHistoryError(f"fewer than {window} sessions with a forecast: no rolling calibration")
    ax = prepare(ax, theme)
    lower, upper = sampling_band(window)
    ax.axhspan(lower, upper, color=theme.muted, alpha=0.14, linewidth=0, label="95% band if forecasts are right")
    ax.axhline(1, color=theme.ink, linewidth=1.1, linestyle=(0, (4, 3)))
    for color, (name, other) in zip(cycle(theme.series[2:]), result.comparisons.items(), strict=False):
        line = bias_path(other.perf)[0]
        ax.plot(line.index, line, color=color, linewidth=stroke(ax, 1.2), alpha=0.9, label=name)
    ax.plot(path.index, path, color=theme.predicted, linewidth=stroke(ax, 2.0), label="this run")
    ax.set_ylim(min(0.6, 0.95 * path.min()), max(1.4, 1.05 * path.max()))
    ax.annotate("risk was under-predicted", (0.01, 0.97), xycoords="axes fraction", va="top", color=theme.muted)
    ax.annotate("risk was over-predicted", (0.01, 0.03), xycoords="axes fraction", color=theme.muted)
    label(ax, theme, f"Bias statistic of the last {window} sessions", y="realised / predicted (1 is right)")
    date_axis(ax, held(result.perf).index)
    legend(ax, theme)
    return ax


def _windows(perf: pd.DataFrame) -> pd.DataFrame:
    windows = quarters(perf)
    if windows.empty:
        raise InsufficientHistoryError(f"fewer than {QUARTER} sessions with a forecast: nothing to draw")
    return windows


def plot_stress(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Predicted and realised volatility of the portfolio in each stress period, with the band of right forecasts.

    Raises
    ------
    ParameterError
        If no stress period lies within the run.
    """
    table = stress_periods(result.perf)
    if table.empty:
        raise ParameterError("no stress period lies within the run")
    ax = prepare(ax, theme)
    places = np.arange(len(table))
    ax.vlines(
        places, 100 * table["lower"], 100 * table["upper"], color=theme.predicted, alpha=0.3, linewidth=stroke(ax, 14),
        label="95% band if forecasts are right",
    )  # fmt: skip
    for column, color, marker in (("predicted", theme.predicted, "s"), ("realized", theme.realized, "o")):
        name = {"realized": "realised"}.get(column, column)
        ax.plot(
            places, 100 * table[column], linestyle="none", marker=marker, color=color, label=name,
            markersize=stroke(ax, 9), markeredgecolor=theme.paper, zorder=3,
        )  # fmt: skip
    if result.target is not None:
        target = 100 * result.target
        ax.axhline(target, color=theme.ink, linewidth=1.1, linestyle=(0, (4, 3)), label=f"target {target:g}%")
    ax.set_xticks(places, [f"{name}\n{row['sessions']} sessions" for name, row in table.iterrows()])
    spare = max(0, 4 - len(table)) / 2
    ax.set_xlim(-0.5 - spare, len(table) - 0.5 + spare)
    ax.set_ylim(bottom=0)
    label(ax, theme, "Volatility under stress", y="annual volatility (%)")
    legend(ax, theme)
    return ax


def plot_pit(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Histogram of the returns' places in their forecast distribution: flat where forecasts are right.

    A hump in the middle: risk was over-predicted on most days. High ends: tails are fatter than normal.
    """
    found = pit_histogram(result.perf)
    ax = prepare(ax, theme)
    bins = len(found.counts)
    edges = np.linspace(0, 100, bins + 1)
    percent = 100 * found.counts / found.sessions
    lower, upper = 100 * found.lower / found.sessions, 100 * found.upper / found.sessions
    ax.bar(edges[:-1], percent, 100 / bins, align="edge", color=theme.predicted, edgecolor=theme.paper, linewidth=1.0)
    ax.axhspan(
        lower, upper, color=theme.ink, alpha=0.18, linewidth=0, zorder=2.5, label="95% band if forecasts are right"
    )
    ax.axhline(
        100 / bins, color=theme.ink, linewidth=1.1, linestyle=(0, (4, 3)), zorder=2.6, label="expected of right ones"
    )
    ax.set_xlim(0, 100)
    ax.set_ylim(0, 1.12 * max(float(percent.max()), upper))
    label(
        ax,
        theme,
        "Returns in their forecast distribution",
        x="percentile of the forecast (0 is the worst loss)",
        y="sessions (%)",
    )
    legend(ax, theme)
    return ax


def plot_exceedances(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Daily returns, the losses that forecasts put on 5% and 1% of days, and the days that were worse."""
    frame = exceedances(result.perf)
    ax = prepare(ax, theme)
    percent = 100 * frame["returns"]
    ax.plot(
        percent.index,
        percent,
        color=theme.muted,
        alpha=0.55,
        linewidth=min(1.0, max(0.4, 1000 / len(frame))),
        label="daily return",
    )
    looks = (("o", theme.predicted, 5.0), ("D", theme.realized, 6.0))
    for tail, (marker, color, size) in zip(TAILS, looks, strict=True):
        limit, beyond = 100 * frame[f"limit_{tail:.0%}"], frame[f"beyond_{tail:.0%}"]
        ax.plot(limit.index, limit, color=color, linewidth=stroke(ax, 0.9), label=f"{tail:.0%} limit")
        ax.plot(
            percent.index[beyond], percent[beyond], linestyle="none", marker=marker, color=color,
            markersize=stroke(ax, size), markeredgecolor=theme.paper, markeredgewidth=0.5, zorder=3,
            label=f"{int(beyond.sum())} days beyond, {count(tail * len(frame))} expected",
        )  # fmt: skip
    ax.axhline(0, color=theme.ink, linewidth=0.8)
    label(ax, theme, "Losses beyond value at risk", y="daily return (%)")
    date_axis(ax, frame.index)
    legend(ax, theme)
    return ax
