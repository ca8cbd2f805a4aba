"""Plots of series: of a study, and of the page "risk today"."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes

from volplugin.errors import ParameterError
from volplugin.report.plots.axes import finish_dates, prepare, values
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
    values(ax, 100 * annualize(true), theme.realized, 2.2, "true")
    values(ax, 100 * annualize(predicted[model]), theme.predicted, 2.2, "predicted")
    ax.set_ylim(0, 105 * annualize(max(float(true.max()), float(predicted.max().max()))))
    return finish_dates(ax, theme, title or f"True and predicted volatility: {model}", true.index)


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
    for (column, name), color in zip(labels.items(), (theme.ink, theme.series[2], theme.predicted), strict=False):
        values(ax, correlation[column], color, 2.2, name)
    ax.set_ylim(min(0.0, float(correlation.min().min())), None)
    return finish_dates(ax, theme, "Average correlation of the stocks", correlation.index, percent=False)


def plot_history(history: pd.Series, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Plot the annual volatility that the forecast of each session gives one portfolio.

    Raises
    ------
    ParameterError
        If there are fewer than two sessions.
    """
    if len(history) < 2:
        raise ParameterError("one session is too few for a line")
    ax = prepare(ax, theme)
    values(ax, 100 * history, theme.predicted, 2.0, "_forecast")
    ax.set_ylim(0, 108 * float(history.max()))
    return finish_dates(ax, theme, f"Volatility of these weights, last {len(history)} sessions", history.index)
