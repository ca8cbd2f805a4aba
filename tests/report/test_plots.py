import base64
import dataclasses
import itertools
import re

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from volplugin.errors import ParameterError
from volplugin.report import ReportData, plots
from volplugin.report.axes import DARK, LIGHT, STYLE, WIDE, legend, new_figure, plot_lines, width
from volplugin.report.page import SIZE

PLOTS = [getattr(plots, name) for name in plots.__all__]


def line(ax, label):
    return next(drawn for drawn in ax.get_lines() if drawn.get_label() == label)


def test_default_figure_is_shown_by_pyplot(storm):
    for plot in (plots.plot_target, plots.plot_drawdown):
        assert plot(storm) is plt.gca()
    assert plt.get_fignums() == [1, 2]


@pytest.mark.parametrize("engine", ["constrained", "tight", None])
def test_plots_share_a_callers_figure_and_leave_its_style(storm, engine):
    """Every axes is drawn within its own place; neither the figure nor the settings change."""
    with plt.style.context("dark_background"):
        before = dict(plt.rcParams)
        figure, grid = plt.subplots(4, 4, figsize=(24, 18), layout=engine)
        for plot, ax in zip(PLOTS, grid.flat, strict=False):
            assert plot(storm, ax=ax) is ax
        figure.canvas.draw()
        assert dict(plt.rcParams) == before
        assert figure.get_facecolor() == (0.0, 0.0, 0.0, 1.0)
        assert plt.get_fignums() == [figure.number]
        assert len(figure.axes) == 16
    boxes = [ax.get_legend().get_window_extent() for ax in grid.flat[: len(PLOTS)] if ax.get_legend()]
    titles = [ax._left_title.get_window_extent() for ax in grid.flat[: len(PLOTS)]]
    for one, other in itertools.combinations([*boxes, *titles], 2):
        assert not one.padded(-1).overlaps(other.padded(-1))


def test_plots_fit_subfigures_and_narrow_axes(storm):
    left, right = plt.figure(figsize=(10, 4), layout="constrained").subfigures(1, 2)
    for part in (left, right):
        ax = plots.plot_target(storm, part.add_subplot())
        assert width(ax) == pytest.approx(5)
    half = plt.subplots(1, 2, figsize=(12, 4))[1][0]
    assert 5 < width(half) < 6
    assert width(plt.figure(figsize=(7, 3)).add_subplot()) == pytest.approx(7)


def test_plots_are_methods_of_a_result(storm):
    assert dir(storm.plot) == [name.removeprefix("plot_") for name in plots.__all__]
    ax = storm.plot.target(theme=DARK)
    assert ax.get_title(loc="left") == plots.plot_target(storm).get_title(loc="left")
    with pytest.raises(AttributeError, match="no plot 'targets'; choose one of"):
        storm.plot.targets()


def words_of(ax):
    """Title, labels, names of ticks in view and of the legend, each with its box."""
    ticks = [
        tick.label1
        for axis, limits in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim()))
        for tick in axis.get_major_ticks()
        if min(limits) - 1e-9 <= tick.get_loc() <= max(limits) + 1e-9
    ]
    legend = ax.get_legend().get_texts() if ax.get_legend() else []
    around = [ax._left_title, ax.xaxis.label, ax.yaxis.label, *ticks, *legend]
    return {text: text.get_window_extent() for text in around if text.get_text()}


@pytest.mark.parametrize("plot", PLOTS, ids=plots.__all__)
def test_texts_neither_overlap_nor_leave_the_picture(storm, plot):
    with matplotlib.rc_context(STYLE):
        figure = new_figure(SIZE)
        ax = figure.add_subplot()
        assert plot(storm, ax, DARK) is ax
        figure.canvas.draw()
    boxes = words_of(ax)
    assert ax.get_title(loc="left")
    page = figure.bbox.padded(1)
    for text, box in boxes.items():
        assert page.contains(box.x0, box.y0), text
        assert page.contains(box.x1, box.y1), text
    for (one, here), (other, there) in itertools.combinations(boxes.items(), 2):
        # Names of neighbouring rows may touch.
        assert not here.padded(-1.5).overlaps(there.padded(-1.5)), (one, other)


def test_predicted_and_realised_are_drawn_at_the_end_of_the_same_sessions(result):
    ax, windows = plots.plot_predicted_realized(result), ReportData(result).quarters
    realized, predicted = line(ax, "realised"), line(ax, "forecast")
    np.testing.assert_allclose(realized.get_ydata(), 100 * windows["realized"])
    np.testing.assert_array_equal(realized.get_xdata(), predicted.get_xdata())
    assert pd.Timestamp(realized.get_xdata()[0]) == result.perf.index[62]


def test_target_plot_has_the_target_and_every_run(result):
    ax = plots.plot_target(result)
    assert set(line(ax, "target 10.0%").get_ydata()) == {10.0}
    assert line(ax, "rolling correlation").get_ydata().mean() > 10


def test_orange_is_for_realised_risk_alone(storm):
    for plot in PLOTS:
        ax = plot(storm)
        orange = {drawn.get_label() for drawn in ax.get_lines() if drawn.get_color() == LIGHT.realized}
        assert all(one in ("this run", "realised") or one.startswith("beyond 1%") for one in orange)
    assert LIGHT.realized not in LIGHT.series


def test_stress_periods_are_shaded_within_the_run(storm, result):
    assert [len(plots.plot_drawdown(one).patches) for one in (storm, result)] == [2, 1]


def test_contributions_fill_a_hundred_percent_with_the_rest_last(result):
    ax = plots.plot_risk_contributions(result, top=3)
    names = ax.get_legend_handles_labels()[1]
    assert names == ["S11", "S10", "S09", "9 others"]
    top = max(vertex[1] for area in ax.collections for vertex in area.get_paths()[0].vertices)
    assert top == pytest.approx(100)


def test_hedges_are_stacked_below_zero(result):
    perf = result.perf.iloc[:100].copy()
    perf["risk_contributions"] = [{"long": 0.12, "hedge": -0.02}] * 100
    ax = plots.plot_risk_contributions(dataclasses.replace(result, perf=perf))
    assert ax.get_ylim() == pytest.approx((-20, 120))


def test_scores_are_reductions_against_the_benchmark(result):
    ax = plots.plot_forecast_scores(result)
    table = result.volatility.table
    widths = [bar.get_width() for bar in ax.containers[0]]
    expected = [table.loc[(h, "LSTM"), "below_EWMA94"] for h in (1, 21)]
    assert widths == pytest.approx(expected)
    assert [text.get_text()[-1] for text in ax.texts] == ["%"] * 4


def test_exceedances_are_marked_where_they_fell(result):
    ax = plots.plot_exceedances(result)
    (marked,) = [drawn for drawn in ax.get_lines() if drawn.get_marker() == "D"]
    limit = line(ax, "_limit 1%")
    limits = pd.Series(limit.get_ydata(), limit.get_xdata())
    assert len(marked.get_xdata()) > 0
    assert (marked.get_ydata() < limits[marked.get_xdata()]).all()


def test_bars_of_the_histogram_add_up_to_all_sessions(result):
    bars = plots.plot_pit(result).containers[0]
    assert sum(bar.get_height() for bar in bars) == pytest.approx(100)


def test_turnover_has_one_bar_per_month(result):
    ax = plots.plot_turnover(result)
    heights = [bar.get_height() for bar in ax.containers[0]]
    assert sum(heights) == pytest.approx(6.0 * sum(1 for trades in result.perf["transactions"] if trades))


def test_stress_has_two_dots_per_period(storm):
    ax = plots.plot_stress(storm)
    assert [tick.get_text().split("\n")[0] for tick in ax.get_xticklabels()] == ["2018Q4", "2020"]
    assert (line(ax, "realised").get_ydata() > line(ax, "forecast").get_ydata())[1]


@pytest.mark.parametrize(
    "plot",
    [
        plots.plot_target,
        plots.plot_leverage,
        plots.plot_risk_contributions,
        plots.plot_forecast_scores,
        plots.plot_average_correlation,
        plots.plot_turnover,
        plots.plot_stress,
    ],
)
def test_missing_numbers_raise(bare, plot):
    with pytest.raises(ParameterError):
        plot(bare)


def test_a_short_run_raises(bare):
    short = dataclasses.replace(bare, perf=bare.perf.iloc[:40])
    for plot in (plots.plot_predicted_realized, plots.plot_calibration, plots.plot_tenths, plots.plot_pit):
        with pytest.raises(ParameterError):
            plot(short)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (2842, ["2012", "2014", "2016", "2018", "2020"]),
        (300, ["2010-04", "2010-07", "2010-10", "2011-01", "2011-04"]),
        (40, ["2010-04-01", "2010-04-15", "2010-05-01"]),
    ],
)
def test_dates_are_round_and_fit(bare, days, expected):
    ax = new_figure(SIZE).add_subplot()
    sessions = pd.bdate_range("2010-03-17", periods=days)
    plot_lines(pd.DataFrame({"a": 1.0}, sessions), {"a": ("a", "ink")}, "", ax)
    ax.figure.canvas.draw()
    low, high = ax.get_xlim()
    ticks = zip(ax.get_xticks(), [tick.get_text() for tick in ax.get_xticklabels()], strict=True)
    assert [name for place, name in ticks if low <= place <= high] == expected


@matplotlib.rc_context(STYLE)
def test_legend_has_fewer_columns_for_longer_names():
    rows = []
    for name in ("a", "a rather long name of a model, with its parameters"):
        ax = new_figure(WIDE).add_subplot()
        for number in range(4):
            ax.plot([0, 1], [number, number], label=f"{name} {number}")
        legend(ax, LIGHT)
        ax.figure.canvas.draw()
        texts = ax.get_legend().get_texts()
        rows.append(len({round(text.get_window_extent().y0) for text in texts}))
        assert all(text.get_window_extent().x1 < ax.figure.bbox.x1 for text in texts)
    assert rows == [1, 2]


def test_result_and_scores_show_a_table_and_a_picture(storm):
    shown = storm._repr_html_()
    assert "vol_target on dow30" in shown
    assert f"{storm.scorecard['realized_vol']:.1%} a year" in shown
    assert base64.b64decode(re.search(r"base64,([^\"]+)", shown)[1]).startswith(b"\x89PNG")
    assert plt.get_fignums() == []
    scores = storm.volatility
    page = scores._repr_html_()
    below = scores.table.loc[(21, "LSTM"), "below_EWMA94"]
    assert (f"{below:.1f}%" in page) == (below > 0)
    assert f"{scores.table.loc[(1, 'HAR'), 'qlike']:.3f} (1 ahead)" in page
