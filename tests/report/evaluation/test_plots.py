import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from volplugin.errors import ParameterError
from volplugin.report import evaluation_plots as plots
from volplugin.report.axes import DARK, LIGHT

PLOTS = [plots.plot_years, plots.plot_deciles]


def lines(ax):
    return {drawn.get_label(): drawn for drawn in ax.get_lines() if not drawn.get_label().startswith("_")}


@pytest.mark.parametrize("plot", PLOTS)
def test_each_plot_draws_on_given_axes_in_both_themes_with_units(evaluation, plot):
    for theme in (LIGHT, DARK):
        ax = Figure().add_subplot()
        assert plot(evaluation, ax, theme) is ax
        assert ax.get_title(loc="left")
        ax.figure.canvas.draw()
        assert "%" in "".join(tick.get_text() for tick in [*ax.get_xticklabels(), *ax.get_yticklabels()])
    assert plot(evaluation) is plt.gca()


def test_reductions_equal_the_table(evaluation):
    ax = plots.plot_reductions(evaluation.scores)
    table = evaluation.scores.table["below_EWMA94"]
    for name, bars in zip(("LSTM", "HAR", "GJR", "rolling60"), ax.containers, strict=True):
        np.testing.assert_allclose([bar.get_width() for bar in bars], [table[(1, name)], table[(5, name)]])
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["1 session", "5 sessions"]
    assert ax.texts[0].get_text() == f"LSTM {table[(1, 'LSTM')]:+.1f}%".replace("-", "−")


def test_years_are_reductions_of_that_years_loss(evaluation):
    ax = plots.plot_years(evaluation, horizon=1)
    own = evaluation.scores.by_year.loc[1]
    np.testing.assert_allclose(lines(ax)["GJR"].get_ydata(), 100 * (1 - own.loc["GJR"] / own.loc["EWMA94"]))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["2010", "2011", "2012"]
    assert "EWMA94" not in lines(ax)


def test_a_model_has_the_same_colour_and_marker_in_all_plots(evaluation):
    looks = [
        {name: (line.get_color(), line.get_marker()) for name, line in lines(plot(evaluation)).items()}
        for plot in PLOTS
    ]
    for name in ("LSTM", "HAR", "GJR", "rolling60"):
        assert len({look[name] for look in looks}) == 1
    assert len(set(looks[1].values())) == len(looks[1])


def test_further_models_are_grey(evaluation, monkeypatch):
    monkeypatch.setattr(plots, "MAX_MODELS", 3)
    drawn = lines(plots.plot_years(evaluation))
    assert set(drawn) == {"LSTM", "HAR", "other models"}
    assert drawn["other models"].get_color() == LIGHT.rest


def test_deciles_show_realised_over_forecast(evaluation):
    ax = plots.plot_deciles(evaluation, horizon=5)
    table = evaluation.deciles.loc[(5, "LSTM")]
    np.testing.assert_allclose(lines(ax)["LSTM"].get_ydata(), table["ratio"])
    np.testing.assert_allclose(lines(ax)["LSTM"].get_xdata(), 100 * table["predicted"])
    low, high = ax.get_ylim()
    assert low < evaluation.deciles.loc[5]["ratio"].min()
    assert high > evaluation.deciles.loc[5]["ratio"].max()


def test_missing_numbers_raise(evaluation, bare_evaluation):
    with pytest.raises(ParameterError, match="nothing to be compared with"):
        plots.plot_reductions(bare_evaluation.scores)
    with pytest.raises(ParameterError, match="horizon 21 was not evaluated; pass one of 1, 5"):
        plots.plot_years(evaluation, horizon=21)
