"""Plots of predicted and realised risk of the portfolio held."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from volplugin.evaluation import TAILS, sampling_band
from volplugin.report.format import count
from volplugin.report.plots.axes import (
    MARKERS,
    SHORT,
    Run,
    begin,
    dots,
    finish,
    finish_dates,
    log_axis,
    percent_axis,
    places_of,
    reference,
    stroke,
    values,
)
from volplugin.report.theme import LIGHT, Theme
from volplugin.units import QUARTER_SESSIONS

BAND = "95% band of right forecasts"
ROUND = (1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 60, 80, 120, 160)
"""Percentages at the ticks of a logarithmic axis."""


def plot_volatility(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot realised volatility of the last 63 sessions: the run, and its stocks at a leverage of 1."""
    data, frame, ax = begin(result, ax, theme, "volatilities")
    if data.result.target is not None:
        reference(ax, theme, 100 * data.result.target, f"target {data.result.target:.1%}")
    if "untouched" in frame:
        values(ax, 100 * frame["untouched"], theme.muted, 1.8, "same stocks, untouched")
    values(ax, 100 * frame["run"], theme.realized, 2.2, "this run")
    ax.set_ylim(bottom=0)
    return finish_dates(ax, theme, "Volatility with and without the model", data.held.index)


def plot_tenths(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot predicted and realised volatility of the sessions in tenths of their forecast, at a leverage of 1."""
    _, table, ax = begin(result, ax, theme, "tenths", "fewer than 200 sessions with a forecast")
    places = np.arange(1, len(table) + 1)
    _forecast_and_outcome(ax, theme, places, 100 * table, 8)
    ax.set_xticks(places)
    log_axis(ax, 100 * table, ROUND, "{}%")
    return finish(ax, theme, "Forecast and outcome, by size of forecast", x="tenth of the sessions, calm to stormy")


def plot_stress(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot predicted and realised volatility in each stress period, with the 95% band of right forecasts."""
    data, table, ax = begin(result, ax, theme, "stress", "none of the stress periods lies within the run")
    places = places_of(ax, [f"{name}\n{row['sessions']} sessions" for name, row in table.iterrows()])
    shown = 100 * table[["predicted", "realized", "lower", "upper"]].astype(float)
    _forecast_and_outcome(ax, theme, places, shown, stroke(ax, 14))
    if data.result.target is not None:
        reference(ax, theme, 100 * data.result.target, f"target {data.result.target:.1%}")
    ax.set_ylim(0, 1.15 * shown.to_numpy().max())
    percent_axis(ax)
    return finish(ax, theme, "Volatility under stress")


def _forecast_and_outcome(ax: Axes, theme: Theme, places: np.ndarray, table: pd.DataFrame, width: float) -> None:
    """Draw predicted and realised volatility at each place, and the band of right forecasts as a bar."""
    ax.vlines(places, table["lower"], table["upper"], color=theme.predicted, alpha=0.3, linewidth=width, label=BAND)
    dots(ax, theme, places, table["predicted"], theme.predicted, "s", "forecast")
    dots(ax, theme, places, table["realized"], theme.realized, "o", "realised")


def plot_predicted_realized(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot predicted and realised volatility of the portfolio held, over the last 63 sessions.

    The standard deviation of the returns, and the root mean square of the volatilities forecast for them. The thin
    line shows single forecasts; the band has 95% probability if they are right.
    """
    data, windows, ax = begin(result, ax, theme, "quarters")
    windows, single = 100 * windows, 100 * data.held["predicted_vol"]
    band = windows.iloc[::5]
    ax.fill_between(
        band.index, band["lower"], band["upper"], color=theme.predicted, alpha=0.16, linewidth=0, label=BAND
    )
    ax.plot(single.index, single, color=theme.muted, alpha=0.4, linewidth=0.5, label="each day's forecast")
    values(ax, windows["predicted"], theme.predicted, 2.2, "forecast")
    values(ax, windows["realized"], theme.realized, 2.2, "realised")
    ax.set_ylim(0, 1.25 * max(windows["upper"].max(), windows["realized"].max()))
    return finish_dates(ax, theme, f"Forecast and realised, last {QUARTER_SESSIONS} sessions", data.held.index)


def plot_target(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot realised volatility of the last 63 sessions and the target, for all runs.

    The band has 95% probability for 63 sessions of a portfolio at exactly the target volatility.
    """
    data, windows, ax = begin(result, ax, theme, "targeted", f"the run had no volatility target, or {SHORT}")
    target = 100 * float(data.result.target or 0)
    lower, upper = (target * bound for bound in sampling_band(QUARTER_SESSIONS))
    ax.axhspan(lower, upper, color=theme.muted, alpha=0.14, linewidth=0, label="95% band of a perfect forecast")
    reference(ax, theme, target, f"target {target:.1f}%")
    for name, other in data.comparisons.items():
        if other.quarters is not None:
            values(ax, 100 * other.quarters["realized"], data.color(name, theme), 1.4, name)
    values(ax, 100 * windows["realized"], theme.realized, 2.2, "this run")
    ax.set_ylim(bottom=0)
    return finish_dates(ax, theme, f"Realised volatility, last {QUARTER_SESSIONS} sessions", data.held.index)


def plot_calibration(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the rolling bias statistic: the standard deviation of returns over their forecast volatility."""
    data, path, ax = begin(result, ax, theme, "bias_path")
    ax.axhspan(
        *sampling_band(data.bias_window, dof=data.tail_dof), color=theme.muted, alpha=0.14, linewidth=0, label=BAND
    )
    reference(ax, theme, 1)
    for name, other in data.comparisons.items():
        if other.bias_path is not None:
            values(ax, other.bias_path, data.color(name, theme), 1.4, name)
    values(ax, path, theme.predicted, 2.2, "this run")
    ax.set_ylim(min(0.6, 0.95 * path.min()), max(1.4, 1.05 * path.max()))
    ax.annotate("forecasts too low", (0.01, 0.97), xycoords="axes fraction", va="top", color=theme.muted)
    ax.annotate("forecasts too high", (0.01, 0.03), xycoords="axes fraction", color=theme.muted)
    title = f"Realised over forecast, last {data.bias_window} sessions"
    return finish_dates(ax, theme, title, data.held.index, percent=False)


def plot_pit(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the histogram of returns in their forecast distribution; it is flat if forecasts are right.

    A hump in the middle: risk was over-predicted on most days. High ends: the tails are fatter than normal.
    """
    _, found, ax = begin(result, ax, theme, "pit", "fewer than the 50 sessions of a histogram of ten bins")
    bins, share = len(found.counts), 100 / found.counts.sum()
    ax.bar(
        np.linspace(0, 100, bins + 1)[:-1], share * found.counts, 100 / bins, align="edge", color=theme.realized,
        edgecolor=theme.paper, linewidth=1.0,
    )  # fmt: skip
    lower, upper = share * found.lower, share * found.upper
    ax.axhspan(lower, upper, color=theme.ink, alpha=0.18, linewidth=0, zorder=2.5, label=BAND)
    ax.set_xlim(0, 100)
    ax.set_ylim(0, 1.12 * max(share * float(found.counts.max()), upper))
    percent_axis(ax)
    title, x = "Returns in their forecast distribution", "percentile of the forecast (0 is the worst loss)"
    return finish(ax, theme, title, x=x)


def plot_exceedances(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot daily returns, value at risk at 5% and 1%, and the exceedances."""
    _, frame, ax = begin(result, ax, theme, "exceedances")
    percent = 100 * frame["returns"]
    values(ax, percent, theme.muted, 0.6, "daily return", alpha=0.5)
    looks = ((theme.ink, MARKERS[0], 3.2), (theme.realized, MARKERS[3], 4.8))
    for tail, (color, marker, size) in zip(reversed(TAILS), looks, strict=True):
        beyond = frame[f"beyond_{tail:.0%}"]
        values(ax, 100 * frame[f"limit_{tail:.0%}"], theme.predicted, 0.7, f"_limit {tail:.0%}", alpha=0.6)
        name = f"beyond {tail:.0%}: {int(beyond.sum())} days, {count(tail * len(frame))} expected"
        dots(ax, theme, percent.index[beyond], percent[beyond], color, marker, name, size)
    ax.axhline(0, color=theme.ink, linewidth=0.8)
    return finish_dates(ax, theme, "Losses beyond value at risk", frame.index)
