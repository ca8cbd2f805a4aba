"""Plots of a backtest: each is ``plot_x(result, ax=None, theme=LIGHT)`` and returns its axes.

Without `ax` a new pyplot figure is made, which a notebook shows; ``plot_target(result).figure.savefig("target.png")``
writes it. `ax` may be any axes, also one of several: nothing outside of it changes. ``result.plot.target()`` is
the same as ``plot_target(result)``. The second paragraph of a docstring is the caption of the plot on the page.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes

from volplugin.errors import ParameterError
from volplugin.evaluation import TAILS, sampling_band
from volplugin.report import axes
from volplugin.report.axes import LIGHT, Theme, finish, finish_dates, plot_lines, prepare, reference, values
from volplugin.report.evaluation_plots import plot_reductions
from volplugin.report.format import count
from volplugin.report.measures import ReportData
from volplugin.report.page import draw
from volplugin.report.result import BacktestResult
from volplugin.units import QUARTER_SESSIONS

Run: TypeAlias = BacktestResult | ReportData

SHORT = "fewer than 63 sessions with a forecast"
BAND = "95% band of right forecasts"
ROUND = (1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 60, 80, 120, 160)
"""Percentages at the ticks of a logarithmic axis."""
MAX_POINTS = 130
"""Points of a stacked area, each the mean of neighbouring sessions; single sessions are illegible."""
MONEY = {"untouched": ("same stocks, untouched", "muted"), "run": ("this run", "ink")}
VALUES = (0.1, 0.2, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 13, 20, 50)
"""Ticks of the value of 1 invested."""


def _given(result: Run, measure: str, reason: str = SHORT) -> tuple[ReportData, Any]:
    """Return the data of a result and a measure; raise `ParameterError` with the reason if it is None."""
    data = ReportData.of(result)
    found = attrgetter(measure)(data)
    if found is None:
        raise ParameterError(reason)
    return data, found


def _color(data: ReportData, model: str, theme: Theme) -> str:
    """Return the colour that a model has in all plots of the result."""
    scores = data.result.volatility
    known = [*(scores.models if scores else []), *data.result.portfolios, *data.result.comparisons]
    return theme.series[axes.model_slots(known)[model] % len(theme.series)]


def plot_volatility(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot realised volatility with and without the model.

    Volatility of the 63 sessions up to each date: the run, and the same stocks at a leverage of 1. Stress periods are
    shaded on all plots.
    """
    data, frame = _given(result, "volatilities")
    ax = prepare(ax, theme)
    _target(ax, theme, data)
    looks = MONEY | {"run": ("this run", "realized")}
    return plot_lines(frame, looks, "Volatility with and without the model", ax, theme)


def plot_tenths(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot forecast and outcome by size of forecast.

    Sessions in ten groups from the lowest forecasts to the highest, for the stocks at a leverage of 1. A circle above
    its bar: the forecasts were too low.
    """
    _, table = _given(result, "tenths", "fewer than 200 sessions with a forecast")
    ax = prepare(ax, theme)
    places = np.arange(1, len(table) + 1)
    _forecast_and_outcome(ax, theme, places, 100 * table, 8)
    ax.set_xticks(places)
    axes.log_axis(ax, 100 * table, ROUND, "{}%")
    return finish(ax, theme, "Forecast and outcome, by size of forecast", "tenth of the sessions, calm to stormy")


def plot_stress(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot predicted and realised volatility in each stress period.

    A circle above its bar: the period was wilder than the forecasts made day by day within it.
    """
    data, table = _given(result, "stress", "none of the stress periods lies within the run")
    ax = prepare(ax, theme)
    places = axes.places_of(ax, [f"{name}\n{row['sessions']} sessions" for name, row in table.iterrows()])
    shown = 100 * table[["predicted", "realized", "lower", "upper"]].astype(float)
    _forecast_and_outcome(ax, theme, places, shown, 10)
    _target(ax, theme, data)
    ax.set_ylim(0, 1.15 * shown.to_numpy().max())
    axes.percent_axis(ax.yaxis)
    return finish(ax, theme, "Volatility under stress")


def _target(ax: Axes, theme: Theme, data: ReportData) -> None:
    if data.result.target is not None:
        reference(ax, theme, 100 * data.result.target, f"target {data.result.target:.1%}")


def _forecast_and_outcome(ax: Axes, theme: Theme, places: np.ndarray, table: Any, width: float) -> None:
    """Draw predicted and realised volatility at each place, and the band of right forecasts as a bar."""
    ax.vlines(places, table["lower"], table["upper"], color=theme.predicted, alpha=0.3, linewidth=width, label=BAND)
    axes.dots(ax, theme, places, table["predicted"], theme.predicted, "s", "forecast")
    axes.dots(ax, theme, places, table["realized"], theme.realized, "o", "realised")


def plot_predicted_realized(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot predicted and realised volatility of the portfolio held.

    Both of the 63 sessions up to each date: the standard deviation of the returns, and the root mean square of the
    forecasts made at the close before each session.
    """
    data, windows = _given(result, "quarters")
    ax, band, single = prepare(ax, theme), 100 * windows.iloc[::5], 100 * data.held["predicted_vol"]
    look: dict[str, Any] = {"color": theme.predicted, "alpha": 0.16, "linewidth": 0, "label": BAND}
    ax.fill_between(band.index, band["lower"], band["upper"], **look)
    ax.plot(single.index, single, color=theme.muted, alpha=0.4, linewidth=0.5, label="each day's forecast")
    looks = {"predicted": ("forecast", "predicted"), "realized": ("realised", "realized")}
    top = 1.25 * windows[["upper", "realized"]].max().max()
    return plot_lines(windows, looks, f"Forecast and realised, last {QUARTER_SESSIONS} sessions", ax, theme, top=top)


def plot_target(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot realised volatility of the last 63 sessions and the target, for all runs.

    The band has 95% probability for 63 sessions of a portfolio at exactly the target volatility.
    """
    data, windows = _given(result, "quarters")
    if data.result.target is None:
        raise ParameterError("the run had no volatility target")
    ax = prepare(ax, theme)
    lower, upper = (100 * data.result.target * bound for bound in sampling_band(QUARTER_SESSIONS))
    ax.axhspan(lower, upper, color=theme.muted, alpha=0.14, linewidth=0, label="95% band of a perfect forecast")
    _target(ax, theme, data)
    for name, other in data.comparisons.items():
        if other.quarters is not None:
            values(ax, 100 * other.quarters["realized"], _color(data, name, theme), 1.0, name)
    values(ax, 100 * windows["realized"], theme.realized, 1.6, "this run")
    ax.set_ylim(bottom=0)
    return finish_dates(ax, theme, f"Realised volatility, last {QUARTER_SESSIONS} sessions", data.held.index)


def plot_calibration(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the rolling bias statistic.

    Standard deviation of each day's return divided by its forecast: the bias statistic. Above the band forecasts were
    too low, below it too high.
    """
    data, path = _given(result, "bias_path")
    ax, band = prepare(ax, theme), sampling_band(data.bias_window, dof=data.tail_dof)
    ax.axhspan(*band, color=theme.muted, alpha=0.14, linewidth=0, label=BAND)
    reference(ax, theme, 1)
    for name, other in data.comparisons.items():
        if other.bias_path is not None:
            values(ax, other.bias_path, _color(data, name, theme), 1.0, name)
    values(ax, path, theme.predicted, 1.6, "this run")
    axes.sides(ax, theme, path, 0.4)
    return finish_dates(ax, theme, f"Realised over forecast, last {data.bias_window} sessions", data.held.index, False)


def plot_pit(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the histogram of returns in their forecast distribution.

    Each return's place in the normal distribution forecast for it; right forecasts fill all bars alike. A hump in the
    middle: calmer than forecast on most days; high ends: fat tails.
    """
    _, found = _given(result, "pit", "fewer than the 50 sessions of a histogram of ten bins")
    ax, shown = prepare(ax, theme), 100 * found
    look: dict[str, Any] = {"color": theme.realized, "edgecolor": theme.paper}
    ax.bar(100 * found.index, shown["share"], 100 / len(found), align="edge", **look)
    lower, upper = shown[["lower", "upper"]].iloc[0]
    ax.axhspan(lower, upper, color=theme.ink, alpha=0.18, linewidth=0, zorder=2.5, label=BAND)
    ax.set(xlim=(0, 100), ylim=(0, 1.12 * shown.max().max()))
    axes.percent_axis(ax.yaxis)
    return finish(ax, theme, "Returns in their forecast distribution", "percentile of the forecast (0: the worst loss)")


def plot_exceedances(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot daily returns, value at risk at 5% and 1%, and the exceedances.

    Days on which the loss went beyond the 5% and the 1% quantile of a normal distribution with the forecast volatility.
    Crowded marks: a storm that came too fast.
    """
    _, frame = _given(result, "exceedances")
    ax, percent = prepare(ax, theme), 100 * frame["returns"]
    values(ax, percent, theme.muted, 0.45, "daily return", alpha=0.5)
    looks = ((theme.ink, axes.MARKERS[0], 3.2), (theme.realized, axes.MARKERS[3], 4.8))
    for tail, (color, marker, size) in zip(reversed(TAILS), looks, strict=True):
        beyond = frame[f"beyond_{tail:.0%}"]
        values(ax, 100 * frame[f"limit_{tail:.0%}"], theme.predicted, 0.5, f"_limit {tail:.0%}", alpha=0.6)
        name = f"beyond {tail:.0%}: {int(beyond.sum())} days, {count(tail * len(frame))} expected"
        axes.dots(ax, theme, percent.index[beyond], percent[beyond], color, marker, name, size)
    ax.axhline(0, color=theme.ink, linewidth=0.8)
    return finish_dates(ax, theme, "Losses beyond value at risk", frame.index)


def plot_growth(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the value of 1 invested.

    The run, and the same stocks at a leverage of 1. Leverage is free of interest, cash earns nothing.
    """
    _, frame = _given(result, "growth")
    ax = plot_lines(frame, MONEY, "Value of 1 invested, log scale", ax, theme, percent=False)
    axes.log_axis(ax, frame, VALUES, "{:g}")
    ax.set_ylim(0.95 * frame.min().min(), 1.05 * frame.max().max())
    return ax


def plot_drawdown(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the drawdown.

    Loss since the highest value so far. A loss is negative on all plots.
    """
    return plot_lines(_given(result, "drawdown")[1], MONEY, "Drawdown", ax, theme)


def plot_leverage(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot gross leverage, and the cap if the run has a `max_leverage`.

    Sum of absolute positions over the portfolio's value, at each close.
    """
    data, leverage = _given(result, "leverage", "the run recorded no gross_leverage")
    ax, cap = prepare(ax, theme), float(data.result.details.parameters.get("max_leverage") or 0)
    if cap:
        reference(ax, theme, cap, f"cap {cap:g}")
    looks, top = {"leverage": ("gross leverage", "predicted")}, 1.08 * max(float(leverage.max()), cap)
    return plot_lines(leverage.to_frame("leverage"), looks, "Gross leverage", ax, theme, percent=False, top=top)


def plot_turnover(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot turnover per month.

    Value bought and sold in each month over the portfolio's value.
    """
    data, monthly = _given(result, "monthly_turnover", "the perf frame holds no transactions")
    ax, monthly = prepare(ax, theme), 100 * monthly
    ax.bar(monthly.index, monthly, width=26, align="edge", color=theme.predicted, linewidth=0, label="per month")
    values(ax, monthly, theme.ink, 0, "_traded in the month", visible=False)
    reference(ax, theme, float(monthly.mean()), f"mean {monthly.mean():.0f}%")
    return finish_dates(ax, theme, "Turnover per month", data.result.perf.index)


def plot_risk_contributions(result: Run, ax: Axes | None = None, theme: Theme = LIGHT, top: int = 7) -> Axes:
    """Plot the share of predicted volatility by group, or by asset: the `top` largest and the rest.

    Share in the predicted volatility of the portfolio held; the shares add up to 100%, and hedges are below zero.
    """
    data, share = _given(result, "shares", "the run recorded no risk contributions")
    ax, block = prepare(ax, theme), -(-len(share) // MAX_POINTS)
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
    """Plot predicted volatility by source.

    Market: what the portfolio shares with all stocks, equally weighted. The squares of both add up to the predicted
    variance.
    """
    _, frame = _given(result, "factors", "the run recorded no split of its predicted volatility")
    looks = {"market": ("market", "predicted"), "specific": ("specific", "series-2")}
    return plot_lines(frame, looks, "Predicted volatility by source", ax, theme)


def plot_average_correlation(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the average correlation of different stocks.

    Mean forecast correlation of different stocks. It rises in storms, when diversification fails.
    """
    _, average = _given(result, "result.average_correlation", "the result has no average correlation")
    frame, looks = average.to_frame("average"), {"average": ("forecast", "predicted")}
    return plot_lines(frame, looks, "Average correlation of the stocks", ax, theme, percent=False)


def plot_forecast_scores(result: Run, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the loss of each volatility model, by horizon.

    Mean QLIKE over all stock-days against squared returns, lower than the benchmark's by so many percent. QLIKE
    punishes a forecast that is too low more than one that is too high.
    """
    return plot_reductions(_given(result, "result.volatility", "the volatility models were not scored")[1], ax, theme)


PREFIX = "plot_"
__all__ = sorted(name for name in globals() if name.startswith(PREFIX) and name[5:] not in ("lines", "reductions"))


class PlotAccessor:
    """The plots of a backtest, each a method ``name(ax=None, theme=LIGHT)`` that returns its axes.

    Parameters
    ----------
    result : BacktestResult

    Examples
    --------
    >>> from volplugin.report import read_result
    >>> read_result("results").plot.target()  # doctest: +SKIP
    """

    def __init__(self, result: Run) -> None:
        self._result = result

    def __getattr__(self, name: str) -> Callable[..., Axes]:
        """Return ``plot_NAME`` of this result."""
        if PREFIX + name in __all__:
            return partial(globals()[PREFIX + name], self._result)
        raise AttributeError(f"there is no plot {name!r}; choose one of {', '.join(dir(self))}")

    def html(self, name: str = "predicted_realized") -> str:
        """Return a plot as an ``<img>`` element that contains its PNG file."""
        code = base64.b64encode(draw(getattr(self, name))).decode()
        return f'<img width="440" alt="Plot, {name.replace("_", " ")}" src="data:image/png;base64,{code}">'

    def __dir__(self) -> list[str]:
        """Return the names of the plots."""
        return [name.removeprefix(PREFIX) for name in __all__]

    def __repr__(self) -> str:
        return f"<plots: {', '.join(dir(self))}>"
