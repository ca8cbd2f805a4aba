import re

import pytest

from volplugin.report import evaluation as tables
from volplugin.report.evaluation import evaluation_text
from volplugin.report.format import WIDTH, pvalue, sized


@pytest.fixture(scope="module")
def text(evaluation):
    return evaluation_text(evaluation)


def row(table, name):
    """Return the numbers of a row."""
    return [float(cell.rstrip("* ")) for cell in table.frame.loc[name] if cell not in ("-", "<.001")]


def test_no_line_is_wider_than_a_terminal(text, bare_evaluation):
    for shown in (text, evaluation_text(bare_evaluation)):
        assert max(map(len, shown.splitlines())) <= WIDTH


def test_the_answer_comes_first_then_scores_tests_years_stress_components(text):
    titles = re.findall(r"^(\w+)\b.*\n=+$", text, flags=re.M)
    assert titles == ["1", "5", "Tests", "Calibration", "Calibration", "Years", "Stress", "Components", "How"]
    assert text.index("lowest loss") < text.index("stock-days of")


def test_summary_names_the_best_and_those_that_cannot_be_told_from_it(evaluation, text):
    table = evaluation.scores.table.loc[5]
    best = table["qlike"].idxmin()
    answer = tables.answers(evaluation)[1]
    assert (answer.label, answer.value) == ("5 sessions ahead", best)
    inside = ", ".join(table.index[table["mcs_pvalue"] >= 0.10])
    assert answer.note.startswith(f"QLIKE {table['qlike'].min():.4f}; ")
    assert answer.note.endswith(f"in the 90% model confidence set: {inside}")
    assert answer.verdict.startswith("lowest loss")
    assert answer.note[:40] in " ".join(text.split())


def test_scores_are_those_of_the_judgement_with_components_below_their_model(evaluation):
    shown = tables.scores_table(evaluation, 5)
    scores = evaluation.scores.table.loc[(5, "HAR")]
    assert row(shown, "HAR")[:4] == [
        round(scores["qlike"], 4),
        round(scores["qlike_range"], 4),
        round(1e8 * scores["mse"], 2),
        round(scores["log_likelihood"], 4),
    ]
    # Against EWMA94 and GJR, not against itself.
    assert row(shown, "HAR")[4:6] == [round(scores["below_EWMA94"], 1), round(scores["below_GJR"], 1)]
    assert row(shown, "HAR")[6:8] == [round(scores["dm_EWMA94"], 1), round(scores["dm_GJR"], 1)]
    assert row(shown, "HAR")[-1] == round(scores["mcs_pvalue"], 3)
    assert [*shown.frame.index] == [
        "LSTM",
        "LSTM seed 0",
        "LSTM seed 1",
        "LSTM ensemble",
        "HAR",
        "GJR",
        "EWMA94",
        "rolling60",
    ]
    assert row(shown, "LSTM seed 0")[0] == round(evaluation.components.loc[(5, "LSTM seed 0"), "qlike"], 4)
    assert shown.frame.loc["LSTM seed 0"].iloc[-1] == "-"


def test_tests_show_t_values_and_the_regression_in_units_of_the_mean_forecast(evaluation):
    scores = evaluation.scores.table.loc[(1, "GJR")]
    found = row(tables.tests_table(evaluation, 1), "GJR")
    assert found[0] == pytest.approx(scores["mz_intercept"] / scores["mean_forecast"], abs=0.006)
    assert found[-2:] == [round(scores["level_ratio"], 3), round(scores["level_t"], 1)]


def test_calibration_shows_medians_shares_and_p_values(evaluation):
    stocks, portfolio = evaluation.stocks.loc[(5, "HAR")], evaluation.portfolio.loc[(5, "HAR")]
    found = row(tables.stocks_table(evaluation, 5), "HAR")
    assert found[:3] == [round(stocks["bias"], 3), round(stocks["mrad"], 3), round(stocks["q"], 2)]
    assert found[3:5] == [round(100 * stocks["level"]), round(100 * stocks["mz"])]
    assert len(found) == 5  # no exceedances of forecasts of several sessions
    assert len(row(tables.stocks_table(evaluation, 1), "HAR")) == 13
    assert ("p of", sized("MZ", "Mincer-Zarnowitz", 5)) in [*tables.portfolio_table(evaluation, 5).frame]
    found = row(tables.portfolio_table(evaluation, 5), "HAR")
    assert found[:2] == [round(portfolio["qlike"], 4), round(portfolio["bias"], 3)]
    first = evaluation.portfolio.loc[5].iloc[0]
    table = tables.portfolio_table(evaluation, 5)
    assert f"{first['bias_lower']:.3f} to {first['bias_upper']:.3f} (95%, {first.name})" in table.title
    assert "bias outside the model's own band: " in table.note


def test_years_and_stress_are_relative_to_the_first_benchmark(evaluation):
    for table, losses in (
        (tables.years_table, evaluation.scores.by_year),
        (tables.stress_table, evaluation.scores.by_stress),
    ):
        shown, own = table(evaluation, 1), losses.loc[1]
        assert row(shown, "EWMA94") == pytest.approx(own.loc["EWMA94"].round(3).tolist())
        expected = 100 * (1 - own.loc["HAR"] / own.loc["EWMA94"])
        assert row(shown, "HAR") == pytest.approx(expected.round(1).tolist())
    assert "2011, 2011-07-25 to 2011-12-30" in evaluation_text(evaluation)


def test_components_show_the_spread_of_the_seeds(evaluation):
    spread = evaluation.seeds.loc[(1, "LSTM")]
    shown = tables.components_table(evaluation, 1)
    assert f"a range of {spread['range']:.4f} and a standard deviation of {spread['std']:.4f}" in shown.note
    assert row(shown, "LSTM ensemble")[2] == round(evaluation.components.loc[(1, "LSTM ensemble"), "below_model"], 2)


def test_what_is_not_there_is_not_shown(bare_evaluation):
    text = evaluation_text(bare_evaluation)
    for absent in ("MCS p ", "seed", "Components", "Stress", "Calibration", "nan"):
        assert absent not in text.split("How to read")[0]
    assert "mine, lowest loss: QLIKE " in text


def test_p_values_are_short_and_never_rounded_to_what_they_are_not():
    assert [pvalue(value) for value in (0.0004, 0.049, 0.1, 0.9996, 1.0)] == [
        "<.001",
        ".049",
        ".100",
        "1.00",
        "1.00",
    ]
