"""Plots of a study: true against predicted volatility, and what the correlation was taken for."""

from __future__ import annotations

from matplotlib.axes import Axes

from volplugin.report.plots.axes import date_axis, label, legend, prepare, stroke
from volplugin.report.study.result import CAUSAL, CURRENT, KNOWN, SEED, BookStudy, StudyResult
from volplugin.report.theme import LIGHT, Theme
from volplugin.units import annualize


def plot_true_predicted(
    book: BookStudy, model: str = SEED, ax: Axes | None = None, theme: Theme = LIGHT, title: str | None = None
) -> Axes:
    """Draw true against predicted volatility of a book over the test part, both at the origin.

    The scale is the same for the seed and the causal model, so that their pictures compare.
    """
    ax = prepare(ax, theme)
    for line, color, name in (
        (book.true, theme.realized, "true"),
        (book.predicted[model], theme.predicted, "predicted"),
    ):
        ax.plot(line.index, 100 * annualize(line), color=color, linewidth=stroke(ax, 1.7), label=name)
    highest = max(float(book.true.max()), float(book.predicted[[SEED, CAUSAL]].max().max()))
    ax.set_ylim(0, 105 * annualize(highest))
    label(ax, theme, title or f"True and predicted volatility: {model}", y="annual volatility (%)")
    date_axis(ax, book.true.index)
    legend(ax, theme)
    return ax


def plot_average_correlation(result: StudyResult, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Draw the average correlation of the whole sample, and what was known of it at each test origin."""
    ax = prepare(ax, theme)
    names = {
        SEED: "whole sample, as in the seed",
        KNOWN: "all sessions so far",
        CURRENT: "the causal model's estimator",
    }
    colors = (theme.realized, theme.series[2], theme.predicted)
    for (column, name), color in zip(names.items(), colors, strict=True):
        line = result.correlation[column]
        ax.plot(line.index, line, color=color, linewidth=stroke(ax, 1.7), label=name)
    ax.set_ylim(min(0.0, float(result.correlation.min().min())), None)
    label(ax, theme, "Average correlation between stocks", y="correlation")
    date_axis(ax, result.correlation.index)
    legend(ax, theme)
    return ax
