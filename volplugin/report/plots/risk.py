"""Plots of predicted and realised risk of the portfolio held, by session."""

from __future__ import annotations

from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation import TAILS, sampling_band
from volplugin.report.format import count
from volplugin.report.measures import bias_path, exceedances, held, middle, pit_histogram, quarters, stress_periods
from volplugin.report.plots.axes import finish, line, prepare, reference, stroke
from volplugin.report.result import BacktestResult
from volplugin.report.theme import LIGHT, Theme
from volplugin.units import QUARTER_SESSIONS


def plot_predicted_realized(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot predicted and realised volatility of the portfolio held, over the same 63 sessions.

    Both lines are drawn at the middle of their window: the standard deviation of the returns, and the root mean square
    of the volatilities forecast for them. The thin line shows single forecasts; the band has 95% probability if they
    are right.
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
    for column, name, color in (("predicted", "predicted", theme.predicted), ("realized", "realised", theme.realized)):
        line(ax, 100 * windows[column].set_axis(sessions), color, 1.9, f"{name}, {QUARTER_SESSIONS} sessions")
    ax.set_ylim(bottom=0)
    return finish(ax, theme, "Predicted and realised volatility", y="annual volatility (%)", dates=known.index)


def plot_target(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot realised volatility of the last 63 sessions and the target, for all runs.

    The band has 95% probability for 63 sessions of a portfolio at exactly the target volatility.
    """
    if result.target is None:
        raise ParameterError("the run had no volatility target")
    windows, target = _windows(result.perf), 100 * result.target
    ax = prepare(ax, theme)
    lower, upper = (target * bound for bound in sampling_band(QUARTER_SESSIONS))
    ax.axhspan(lower, upper, color=theme.muted, alpha=0.14, linewidth=0, label="95% band of a perfect forecast")
    reference(ax, theme, target, f"target {target:g}%")
    for color, (name, other) in zip(cycle(theme.series[2:]), result.comparisons.items(), strict=False):
        line(ax, 100 * _windows(other.perf)["realized"], color, 1.2, f"realised, {name}", alpha=0.9)
    line(ax, 100 * windows["realized"], theme.realized, 2.0, "realised")
    ax.set_ylim(bottom=0)
    title, dates = "Realised volatility, last 63 sessions", held(result.perf).index
    return finish(ax, theme, title, y="annual volatility (%)", dates=dates)


def plot_calibration(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the rolling bias statistic: the standard deviation of returns over their forecast volatility."""
    path, window = bias_path(result.perf)
    if path.empty:
        raise InsufficientHistoryError(f"fewer than {window} sessions with a forecast")
    ax = prepare(ax, theme)
    lower, upper = sampling_band(window)
    ax.axhspan(lower, upper, color=theme.muted, alpha=0.14, linewidth=0, label="95% band if forecasts are right")
    reference(ax, theme, 1)
    for color, (name, other) in zip(cycle(theme.series[2:]), result.comparisons.items(), strict=False):
        line(ax, bias_path(other.perf)[0], color, 1.2, name, alpha=0.9)
    line(ax, path, theme.predicted, 2.0, "this run")
    ax.set_ylim(min(0.6, 0.95 * path.min()), max(1.4, 1.05 * path.max()))
    ax.annotate("risk was under-predicted", (0.01, 0.97), xycoords="axes fraction", va="top", color=theme.muted)
    ax.annotate("risk was over-predicted", (0.01, 0.03), xycoords="axes fraction", color=theme.muted)
    title, dates = f"Bias statistic of the last {window} sessions", held(result.perf).index
    return finish(ax, theme, title, y="realised / predicted (1 is right)", dates=dates)


def _windows(perf: pd.DataFrame) -> pd.DataFrame:
    windows = quarters(perf)
    if windows.empty:
        raise InsufficientHistoryError(f"fewer than {QUARTER_SESSIONS} sessions with a forecast")
    return windows


def plot_stress(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot predicted and realised volatility in each stress period, with the 95% band of right forecasts.

    Raises
    ------
    ParameterError
        If the run contains no stress period.
    """
    table = stress_periods(result.perf)
    if table.empty:
        raise ParameterError("none of the stress periods lies within the run")
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
        reference(ax, theme, target, f"target {target:g}%")
    ax.set_xticks(places, [f"{name}\n{row['sessions']} sessions" for name, row in table.iterrows()])
    spare = max(0, 4 - len(table)) / 2
    ax.set_xlim(-0.5 - spare, len(table) - 0.5 + spare)
    ax.set_ylim(bottom=0)
    return finish(ax, theme, "Volatility under stress", y="annual volatility (%)")


def plot_pit(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the histogram of returns in their forecast distribution; it is flat if forecasts are right.

    A hump in the middle: risk was over-predicted on most days. High ends: the tails are fatter than normal.
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
    title, x = "Returns in their forecast distribution", "percentile of the forecast (0 is the worst loss)"
    return finish(ax, theme, title, x=x, y="sessions (%)")


def plot_exceedances(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot daily returns, value at risk at 5% and 1%, and the exceedances."""
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
    for tail, (marker, color, size) in zip(reversed(TAILS), looks, strict=True):
        limit, beyond = 100 * frame[f"limit_{tail:.0%}"], frame[f"beyond_{tail:.0%}"]
        line(ax, limit, color, 0.9, f"{tail:.0%} limit")
        ax.plot(
            percent.index[beyond], percent[beyond], linestyle="none", marker=marker, color=color,
            markersize=stroke(ax, size), markeredgecolor=theme.paper, markeredgewidth=0.5, zorder=3,
            label=f"{int(beyond.sum())} days beyond, {count(tail * len(frame))} expected",
        )  # fmt: skip
    ax.axhline(0, color=theme.ink, linewidth=0.8)
    return finish(ax, theme, "Losses beyond value at risk", y="daily return (%)", dates=frame.index)
