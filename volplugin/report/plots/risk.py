"""Plots of predicted and realised risk of the portfolio held."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from volplugin.evaluation import TAILS, sampling_band
from volplugin.report.format import count
from volplugin.report.measures import ReportData, required
from volplugin.report.plots.axes import MARKERS, finish, prepare, reference, stroke
from volplugin.report.plots.dates import SHORT, finish_dates, log_percent, percent_axis, values
from volplugin.report.result import BacktestResult
from volplugin.report.theme import LIGHT, Theme
from volplugin.units import QUARTER_SESSIONS

BAND = "95% band of right forecasts"


def plot_volatility(result: BacktestResult | ReportData, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot realised volatility of the last 63 sessions: the run, and its stocks at a leverage of 1."""
    data = ReportData.of(result)
    frame = 100 * required(data.volatilities, SHORT)
    ax = prepare(ax, theme)
    if data.result.target is not None:
        reference(ax, theme, 100 * data.result.target, f"target {data.result.target:.1%}")
    if "untouched" in frame:
        values(ax, frame["untouched"], theme.muted, 1.8, "same stocks, untouched")
    values(ax, frame["run"], theme.realized, 2.2, "this run")
    ax.set_ylim(bottom=0)
    return finish_dates(ax, theme, "Volatility with and without the model", data.held.index)


def plot_tenths(result: BacktestResult | ReportData, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot predicted and realised volatility of the sessions in tenths of their forecast, at a leverage of 1."""
    data = ReportData.of(result)
    table = 100 * required(data.tenths, "fewer than 200 sessions with a forecast")
    ax, places = prepare(ax, theme), np.arange(1, len(table) + 1)
    ax.vlines(places, table["lower"], table["upper"], color=theme.predicted, alpha=0.3, linewidth=8, label=BAND)
    for column, name, color, marker in (
        ("predicted", "forecast", theme.predicted, "s"),
        ("realized", "realised", theme.realized, "o"),
    ):
        look: dict[str, Any] = {
            "linestyle": "none",
            "marker": marker,
            "markersize": 6.5,
            "markeredgecolor": theme.paper,
        }
        ax.plot(places, table[column], color=color, label=name, zorder=3, **look)
    ax.set_xticks(places)
    log_percent(ax, table)
    return finish(ax, theme, "Forecast and outcome, by size of forecast", x="tenth of the sessions, calm to stormy")


def plot_predicted_realized(result: BacktestResult | ReportData, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot predicted and realised volatility of the portfolio held, over the last 63 sessions.

    The standard deviation of the returns, and the root mean square of the volatilities forecast for them. The thin
    line shows single forecasts; the band has 95% probability if they are right.
    """
    data = ReportData.of(result)
    windows = 100 * required(data.quarters, SHORT)
    ax, band, single = prepare(ax, theme), windows.iloc[::5], 100 * data.held["predicted_vol"]
    ax.fill_between(
        band.index, band["lower"], band["upper"], color=theme.predicted, alpha=0.16, linewidth=0, label=BAND
    )
    ax.plot(single.index, single, color=theme.muted, alpha=0.4, linewidth=0.5, label="each day's forecast")
    values(ax, windows["predicted"], theme.predicted, 2.2, "forecast")
    values(ax, windows["realized"], theme.realized, 2.2, "realised")
    ax.set_ylim(0, 1.25 * max(windows["upper"].max(), windows["realized"].max()))
    return finish_dates(ax, theme, f"Forecast and realised, last {QUARTER_SESSIONS} sessions", data.held.index)


def plot_target(result: BacktestResult | ReportData, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot realised volatility of the last 63 sessions and the target, for all runs.

    The band has 95% probability for 63 sessions of a portfolio at exactly the target volatility.
    """
    data = ReportData.of(result)
    target = 100 * required(data.result.target, "the run had no volatility target")
    windows = 100 * required(data.quarters, SHORT)
    ax = prepare(ax, theme)
    lower, upper = (target * bound for bound in sampling_band(QUARTER_SESSIONS))
    ax.axhspan(lower, upper, color=theme.muted, alpha=0.14, linewidth=0, label="95% band of a perfect forecast")
    reference(ax, theme, target, f"target {target:.1f}%")
    for name, other in data.comparisons.items():
        if other.quarters is not None:
            color = theme.series[data.slots[name] % len(theme.series)]
            values(ax, 100 * other.quarters["realized"], color, 1.4, name)
    values(ax, windows["realized"], theme.realized, 2.2, "this run")
    ax.set_ylim(bottom=0)
    return finish_dates(ax, theme, f"Realised volatility, last {QUARTER_SESSIONS} sessions", data.held.index)


def plot_calibration(result: BacktestResult | ReportData, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the rolling bias statistic: the standard deviation of returns over their forecast volatility."""
    data = ReportData.of(result)
    path = required(data.bias_path, SHORT)
    ax = prepare(ax, theme)
    lower, upper = sampling_band(data.bias_window, dof=data.tail_dof)
    ax.axhspan(lower, upper, color=theme.muted, alpha=0.14, linewidth=0, label=BAND)
    reference(ax, theme, 1)
    for name, other in data.comparisons.items():
        if other.bias_path is not None:
            values(ax, other.bias_path, theme.series[data.slots[name] % len(theme.series)], 1.4, name)
    values(ax, path, theme.predicted, 2.2, "this run")
    ax.set_ylim(min(0.6, 0.95 * path.min()), max(1.4, 1.05 * path.max()))
    ax.annotate("forecasts too low", (0.01, 0.97), xycoords="axes fraction", va="top", color=theme.muted)
    ax.annotate("forecasts too high", (0.01, 0.03), xycoords="axes fraction", color=theme.muted)
    title = f"Realised over forecast, last {data.bias_window} sessions"
    return finish_dates(ax, theme, title, data.held.index, percent=False)


def plot_stress(result: BacktestResult | ReportData, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot predicted and realised volatility in each stress period, with the 95% band of right forecasts."""
    data = ReportData.of(result)
    table = required(data.stress, "none of the stress periods lies within the run")
    ax, places = prepare(ax, theme), np.arange(len(table))
    lower, upper = 100 * table["lower"], 100 * table["upper"]
    ax.vlines(places, lower, upper, color=theme.predicted, alpha=0.3, linewidth=stroke(ax, 14), label=BAND)
    for column, name, color, marker in (
        ("predicted", "forecast", theme.predicted, "s"),
        ("realized", "realised", theme.realized, "o"),
    ):
        look: dict[str, Any] = {
            "linestyle": "none",
            "marker": marker,
            "markersize": 7,
            "markeredgecolor": theme.paper,
            "zorder": 3,
        }
        ax.plot(places, 100 * table[column], color=color, label=name, **look)
    if data.result.target is not None:
        reference(ax, theme, 100 * data.result.target, f"target {data.result.target:.1%}")
    ax.set_xticks(places, [f"{name}\n{row['sessions']} sessions" for name, row in table.iterrows()])
    spare = max(0, 4 - len(table)) / 2
    ax.set_xlim(-0.5 - spare, len(table) - 0.5 + spare)
    ax.set_ylim(0, 115 * float(table[["realized", "upper"]].to_numpy().max()))
    percent_axis(ax)
    return finish(ax, theme, "Volatility under stress")


def plot_pit(result: BacktestResult | ReportData, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the histogram of returns in their forecast distribution; it is flat if forecasts are right.

    A hump in the middle: risk was over-predicted on most days. High ends: the tails are fatter than normal.
    """
    data = ReportData.of(result)
    found = required(data.pit, "too few sessions with a forecast for a histogram of ten bins, which requires 50")
    ax, bins, share = prepare(ax, theme), len(found.counts), 100 / found.counts.sum()
    edges, heights = np.linspace(0, 100, bins + 1)[:-1], share * found.counts
    look: dict[str, Any] = {"align": "edge", "color": theme.realized, "edgecolor": theme.paper, "linewidth": 1.0}
    ax.bar(edges, heights, 100 / bins, **look)
    ax.axhspan(
        share * found.lower, share * found.upper, color=theme.ink, alpha=0.18, linewidth=0, zorder=2.5, label=BAND
    )
    ax.set_xlim(0, 100)
    ax.set_ylim(0, 1.12 * share * max(float(found.counts.max()), found.upper))
    percent_axis(ax)
    title, x = "Returns in their forecast distribution", "percentile of the forecast (0 is the worst loss)"
    return finish(ax, theme, title, x=x)


def plot_exceedances(result: BacktestResult | ReportData, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot daily returns, value at risk at 5% and 1%, and the exceedances."""
    data = ReportData.of(result)
    frame, percent = data.exceedances, 100 * data.exceedances["returns"]
    ax = prepare(ax, theme)
    values(ax, percent, theme.muted, 0.6, "daily return", alpha=0.5)
    looks = ((MARKERS[0], theme.ink, 3.2), (MARKERS[3], theme.realized, 4.8))
    for tail, (marker, color, size) in zip(reversed(TAILS), looks, strict=True):
        beyond = frame[f"beyond_{tail:.0%}"]
        values(ax, 100 * frame[f"limit_{tail:.0%}"], theme.predicted, 0.7, f"_limit {tail:.0%}", alpha=0.6)
        name = f"beyond {tail:.0%}: {int(beyond.sum())} days, {count(tail * len(frame))} expected"
        look: dict[str, Any] = {
            "linestyle": "none",
            "marker": marker,
            "markersize": size,
            "markeredgewidth": 0.4,
            "zorder": 3,
        }
        ax.plot(percent.index[beyond], percent[beyond], color=color, markeredgecolor=theme.paper, label=name, **look)
    ax.axhline(0, color=theme.ink, linewidth=0.8)
    return finish_dates(ax, theme, "Losses beyond value at risk", frame.index)
