"""Plots of a study: true against predicted volatility, and what the correlation was taken for."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes

from volplugin.report.plots.axes import date_axis, label, legend, prepare, stroke
from volplugin.report.theme import LIGHT, Theme
from volplugin.units import annualize


def plot_true_predicted(
    true: pd.Series,
    predicted: pd.DataFrame,
    model: str,
    ax: Axes | None = None,
    theme: Theme = LIGHT,
    title: str | None = None,
) -> Axes:
    """Draw true against predicted volatility of a portfolio, both at the forecast's origin.

    Parameters
    ----------
    true : Series of shape (n_origins,)
        Realised daily volatility of the sessions after each origin.
    predicted : DataFrame of shape (n_origins, n_models)
        Forecast daily volatility. All models set the scale, so that their pictures compare.
    model : str
        The column drawn.
    """
    ax = prepare(ax, theme)
    for line, color, name in (
        (true, theme.realized, "true"),
        (predicted[model], theme.predicted, "predicted"),
    ):
        ax.plot(line.index, 100 * annualize(line), color=color, linewidth=stroke(ax, 1.7), label=name)
    highest = max(float(true.max()), float(predicted.max().max()))
    ax.set_ylim(0, 105 * annualize(highest))
    label(ax, theme, title or f"True and predicted volatility: {model}", y="annual volatility (%)")
    date_axis(ax, true.index)
    legend(ax, theme)
    return ax


def plot_average_correlation(
    correlation: pd.DataFrame, labels: Mapping[str, str], ax: Axes | None = None, theme: Theme = LIGHT
) -> Axes:
    """Draw the average correlation of up to three estimators at each origin.

    Parameters
    ----------
    correlation : DataFrame of shape (n_origins, n_estimators)
    labels : mapping of column to str
        The columns drawn, and their names in the legend.
    """
    ax = prepare(ax, theme)
    colors = (theme.realized, theme.series[2], theme.predicted)
    for (column, name), color in zip(labels.items(), colors, strict=False):
        line = correlation[column]
        ax.plot(line.index, line, color=color, linewidth=stroke(ax, 1.7), label=name)
    ax.set_ylim(min(0.0, float(correlation.min().min())), None)
    label(ax, theme, "Average correlation between stocks", y="correlation")
    date_axis(ax, correlation.index)
    legend(ax, theme)
    return ax
