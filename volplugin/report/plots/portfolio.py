"""Plots of the portfolio: leverage, turnover, risk contributions."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from volplugin.errors import ParameterError
from volplugin.report.measures import contributions, monthly_turnover
from volplugin.report.plots.axes import finish, is_narrow, line, prepare, reference
from volplugin.report.result import BacktestResult
from volplugin.report.theme import LIGHT, Theme

MAX_POINTS = 260
"""Points of a stacked area, each the mean of neighbouring sessions; single sessions are illegible."""


def plot_leverage(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot gross leverage at each close, and the cap if the run has a `max_leverage`."""
    if "gross_leverage" not in result.perf:
        raise ParameterError("the run recorded no gross_leverage")
    ax = prepare(ax, theme)
    leverage = result.perf["gross_leverage"]
    ax.fill_between(leverage.index, 0, leverage, color=theme.predicted, alpha=0.16, linewidth=0)
    line(ax, leverage, theme.predicted, 1.5, "gross leverage")
    cap = result.details.parameters.get("max_leverage")
    if cap is not None:
        reference(ax, theme, float(cap), f"cap {float(cap):g}")
    ax.set_ylim(0, 1.08 * max(float(leverage.max()), float(cap or 0)))
    return finish(ax, theme, "Gross leverage", y="gross exposure / value", dates=leverage.index)


def plot_turnover(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot traded value (purchases plus sales) over portfolio value, per month."""
    monthly = 100 * monthly_turnover(result.perf)
    ax = prepare(ax, theme)
    ax.bar(monthly.index, monthly, width=26, align="edge", color=theme.predicted, linewidth=0, label="of the month")
    mean = float(monthly.mean())
    reference(ax, theme, mean, f"mean {mean:.0f}%")
    return finish(ax, theme, "Turnover", y="traded in a month (%)", dates=result.perf.index)


def plot_risk_contributions(result: BacktestResult, ax: Axes | None = None, theme: Theme = LIGHT, top: int = 8) -> Axes:
    """Plot the share of predicted volatility by asset, stacked: the `top` assets and the rest.

    A share is the asset's risk contribution over the sum of all; negative shares (hedges) are below zero.
    """
    frame = contributions(result, top)
    if frame.empty:
        raise ParameterError("the run recorded no risk contributions")
    ax = prepare(ax, theme)
    share = 100 * frame.div(frame.sum(axis=1), axis=0)
    share = _thinned(share, MAX_POINTS // 2 if is_narrow(ax) else MAX_POINTS)
    colors = [*theme.series[: min(top, frame.shape[1])], theme.rest][: frame.shape[1]]
    for sign in (1, -1):
        part = (sign * share).clip(lower=0) * sign
        if part.to_numpy().any():
            ax.stackplot(
                share.index, part.to_numpy().T, colors=colors, linewidth=0.35, edgecolor=theme.paper,
                labels=list(share.columns) if sign == 1 else (),
            )  # fmt: skip
    ax.set_ylim(min(0.0, float(share.clip(upper=0).sum(axis=1).min())), float(share.clip(lower=0).sum(axis=1).max()))
    return finish(ax, theme, "Share of predicted volatility by asset", y="share (%)", dates=share.index)


def _thinned(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """Average consecutive sessions to at most `most` rows, each labelled with its first session."""
    block = -(-len(frame) // most)
    means = frame.groupby(np.arange(len(frame)) // block).mean()
    return means.set_axis(frame.index[::block])
