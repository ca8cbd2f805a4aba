"""Files, plots and text of a study."""

import dataclasses
import json

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from webpage import check

from volplugin.report.axes import DARK, LIGHT, STYLE, WIDE, new_figure
from volplugin.workflows.study import page
from volplugin.workflows.study.page import study_text, write_study
from volplugin.workflows.study.result import CAUSAL, KNOWN, SEED


@pytest.fixture(scope="module")
def written(result, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    assert write_study(result, folder) == folder / "study.html"
    return folder


def with_table(portfolio, model, **changes):
    table = portfolio.table.copy()
    for column, value in changes.items():
        table.loc[model, column] = value
    return dataclasses.replace(portfolio, table=table)


def test_files_are_written(written):
    files = {file.relative_to(written).as_posix() for file in written.rglob("*") if file.is_file()}
    plots = {f"plots/book{portfolio}_{kind}.png" for portfolio in (1, 2) for kind in ("seed", "causal")}
    named = {"plots/average_correlation.png", "study.html", "study.json", "predictions.csv", "SHA256SUMS"}
    assert files == plots | named


def test_page_is_self_contained(written):
    text = (written / "study.html").read_text()
    check(text)
    assert text.count("<figure ") == 5
    for word in ("Equal weights", "Mine", "the common sample is used", SEED, CAUSAL):
        assert word in text


def test_numbers_are_plain_json(written, result):
    numbers = json.loads((written / "study.json").read_text())
    assert numbers["settings"]["epochs"] == 1
    assert numbers["books"]["mine"]["weights"] == {"ALFA": 0.75, "BRAV": 0.0, "DELT": 0.25}
    score = numbers["books"]["mine"]["scores"][SEED]
    assert score["qlike"] == pytest.approx(result.portfolios["mine"].table.at[SEED, "qlike"], rel=1e-6)
    assert numbers["stocks"].keys() == {"ALFA", "BRAV", "DELT"}


def test_predictions_contain_every_plotted_line(written, result):
    table = pd.read_csv(written / "predictions.csv")
    mine = table[table["book"] == "mine"]
    np.testing.assert_allclose(mine[SEED], result.portfolios["mine"].predicted[SEED])
    np.testing.assert_allclose(mine["true"], result.portfolios["mine"].true)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_true_and_predicted_are_annual_and_share_the_scale(result, theme):
    plots, portfolio = page.plots(result), result.portfolios["equal weights"]
    axes = [plots[f"book1_{kind}"](ax=Figure().add_subplot(), theme=theme) for kind in ("seed", "causal")]
    for ax, model in zip(axes, (SEED, CAUSAL), strict=True):
        lines = {line.get_label(): line.get_ydata() for line in ax.get_lines()}
        np.testing.assert_allclose(lines["true"], 100 * np.sqrt(252) * portfolio.true)
        np.testing.assert_allclose(lines["predicted"], 100 * np.sqrt(252) * portfolio.predicted[model])
        ax.figure.canvas.draw()
    assert axes[0].get_ylim() == axes[1].get_ylim()


@matplotlib.rc_context(STYLE)
def test_long_titles_wrap_in_a_narrow_figure(result):
    for size, lines in ((WIDE, 1), ((4.0, 3.7), 2)):
        ax = page.plots(result)["book2_seed"](ax=new_figure(size).add_subplot())
        assert len(ax.get_title(loc="left").splitlines()) == lines


def test_average_correlation_has_a_line_per_estimator(result):
    ax = page.plots(result)["average_correlation"]()
    assert len(ax.get_lines()) == 3
    assert len(set(ax.get_lines()[0].get_ydata())) == 1


def test_text_has_a_table_per_portfolio_and_the_caveats(result):
    text = study_text(result)
    assert text.count("below seed") == 2
    assert "looks ahead twice" in text
    assert "istories are unequal" in text
    assert "shares 19 of 20 returns" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize(
    ("worth", "t", "expected"),
    [
        (20.0, 3.0, "Worth of the look-ahead: 20.0%, loss lowered: QLIKE 0.400; 0.500 without (t 3.0)."),
        (-25.0, -3.0, "Worth of the look-ahead: 25.0%, loss raised: QLIKE 0.500; 0.400 without (t -3.0)."),
        (20.0, 1.0, "(t 1.0, which may be chance)"),
    ],
)
def test_effect_of_the_future_correlation_has_the_right_sign(result, worth, t, expected):
    low, high = (0.4, 0.5) if worth > 0 else (0.5, 0.4)
    portfolio = with_table(result.portfolios["mine"], SEED, qlike=low)
    portfolio = with_table(portfolio, KNOWN, qlike=high, dm_seed=t)
    assert expected in " ".join(page.findings(portfolio, 20))


@pytest.mark.parametrize(("below", "expected"), [(12.34, "12.3%, lower loss"), (-3.0, "3.0%, higher loss")])
def test_causal_model_is_called_better_or_worse(result, below, expected):
    portfolio = with_table(result.portfolios["mine"], CAUSAL, below_seed=below)
    assert expected in " ".join(page.findings(portfolio, 20))


def test_raised_forecasts_are_mentioned(result):
    assert any("1,234 forecasts" in line for line in page.caveats(dataclasses.replace(result, raised=1234)))
    assert not any("raised" in line for line in page.caveats(dataclasses.replace(result, raised=0)))
