"""Plots of a study: true and predicted volatility, and average correlation."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes

from volplugin.report.plots.axes import finish, line, prepare
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
    """Plot true and predicted volatility of a portfolio, both at the forecast's origin.

    Parameters
    ----------
    true : Series of shape (n_origins,)
        Realised daily volatility of the sessions after each origin.
    predicted : DataFrame of shape (n_origins, n_models)
        Forecast daily volatility. All columns set the scale of the axis.
    model : str
        The column to plot.
    """
    ax = prepare(ax, theme)
    line(ax, 100 * annualize(true), theme.realized, 1.7, "true")
    line(ax, 100 * annualize(predicted[model]), theme.predicted, 1.7, "predicted")
    highest = max(float(true.max()), float(predicted.max().max()))
    ax.set_ylim(0, 105 * annualize(highest))
    title = title or f"True and predicted volatility: {model}"
    return finish(ax, theme, title, y="annual volatility (%)", dates=true.index)


def plot_average_correlation(
    correlation: pd.DataFrame, labels: Mapping[str, str], ax: Axes | None = None, theme: Theme = LIGHT
) -> Axes:
    """Plot the average correlation of up to three estimators at each origin.

    Parameters
    ----------
    correlation : DataFrame of shape (n_origins, n_estimators)
    labels : mapping of column to str
        The columns to plot, and their names in the legend.
    """
    ax = prepare(ax, theme)
    colors = (theme.realized, theme.series[2], theme.predicted)
    for (column, name), color in zip(labels.items(), colors, strict=False):
        line(ax, correlation[column], color, 1.7, name)
    ax.set_ylim(min(0.0, float(correlation.min().min())), None)
    return finish(ax, theme, "Average correlation between stocks", y="correlation", dates=correlation.index)
