import copy
import dataclasses

import numpy as np
import pytest

from volplugin.report import ReportData, summary, tables


def with_card(result, bias, realized):
    card = copy.deepcopy(dict(result.scorecard)) | {"mean_predicted_vol": 0.10, "realized_vol": realized}
    card["bias_statistic"] |= {"value": bias, "lower": 0.97, "upper": 1.03}
    return ReportData(dataclasses.replace(result, scorecard=card))


@pytest.mark.parametrize(
    ("bias", "realized", "headline"),
    [
        (1.00, 0.104, "right on average"),
        (0.96, 0.093, "a little too high on average"),
        (1.08, 0.100, "a little too low on average"),
        (0.98, 0.125, "too low on average"),
        (0.70, 0.098, "too high on average"),
    ],
)
def test_headline_follows_the_worse_of_bias_and_level(bare, bias, realized, headline):
    data = with_card(bare, bias, realized)
    data.regimes = {}
    assert summary.headline(data) == f"Risk was forecast {headline}"
    if headline != "right on average":
        data.result.scorecard["bias_statistic"] |= {"lower": 0.5, "upper": 1.5}
        assert summary.headline(data) == "Risk was forecast right but for chance on average"


@pytest.mark.parametrize(
    ("calm", "storm", "words"),
    [
        (1.0, 1.0, "Risk was forecast right on average and at each size"),
        (0.9, 1.2, "Risk was forecast right on average, too high in calm times, too low in storms"),
        (1.0, 1.2, "Risk was forecast right on average, too low in storms"),
    ],
)
def test_headline_names_calm_times_and_storms(bare, calm, storm, words):
    perf = bare.perf.assign(predicted_vol=np.linspace(0.1, 0.3, len(bare.perf)))
    data = with_card(dataclasses.replace(bare, perf=perf), 1.0, 0.10)
    data.regimes = {name: data._ratio(perf.index) for name in ("calm", "storm")}
    assert abs(data.regimes["calm"].value - data.standardized.std()) < 1e-12
    wide = data.regimes["calm"]._replace(lower=0.95, upper=1.05)
    data.regimes = {"calm": wide._replace(value=calm), "storm": wide._replace(value=storm)}
    assert summary.headline(data) == words


def by_label(data):
    return {answer.label: answer for answer in summary.answers(data)}


@pytest.mark.parametrize(("realized", "verdict", "grade"), [(0.105, "held", "good"), (0.13, "missed by 3.0", "poor")])
def test_target_is_held_or_missed(result, realized, verdict, grade):
    card = dict(result.scorecard) | {"realized_vol": realized}
    answer = by_label(ReportData(dataclasses.replace(result, scorecard=card)))["Target"]
    assert answer.verdict.startswith(verdict)
    assert answer.grade == grade


def test_five_lines_have_a_verdict_each(result):
    lines = summary.five_lines(result).splitlines()
    assert [line.split(":")[0] for line in lines] == ["Forecast", "Target", "Peak", "Biggest miss", "Money"]
    assert "untouched" in lines[2]
    assert lines[-1].endswith("return per risk")
    assert max(map(len, lines)) <= 120


def test_answers_omit_target_and_comparison_if_absent(bare):
    answers = by_label(ReportData(bare))
    assert list(answers) == ["Forecast", "Peak", "Biggest miss", "Money"]
    assert answers["Money"].verdict == "nothing to compare with"
    assert summary.models(ReportData(bare)) == summary.sources(ReportData(bare)) == []


def test_years_are_counted_by_their_bands(result):
    years = {
        str(place): {"bias_statistic": {"value": value, "within": within}}
        for place, (value, within) in enumerate([(0.8, False), (1.2, False), (1.3, False), (1.01, True), (0.97, True)])
    }
    card = dict(result.scorecard) | {"by_year": years}
    counts = summary.years(ReportData(dataclasses.replace(result, scorecard=card)))[1]
    assert "Of 5 calendar years, forecasts were too high in 1, too low in 2, and right but for chance in 2" in counts


def test_numbers_of_losses_are_judged(result):
    gaussian = {
        "1%": {"exceedances": 47, "expected": 28.4, "kupiec_pvalue": 0.0004, "christoffersen_pvalue": 0.0001},
        "5%": {"exceedances": 135, "expected": 142.1, "kupiec_pvalue": 0.54, "christoffersen_pvalue": 0.01},
    }
    card = dict(result.scorecard) | {"exceedances": {"gaussian": gaussian}}
    one, five = summary.odds(ReportData(dataclasses.replace(result, scorecard=card)))
    assert one == "47 losses beyond the 1% value at risk, 28 expected: the number is unlikely to be chance."
    assert five.endswith("the number may be chance.")


def test_a_specific_part_that_rounds_to_nothing_is_not_stated(result, monkeypatch):
    monkeypatch.setattr(ReportData, "market_share", 0.9961)
    assert summary.sources(ReportData(result)) == ["Of the predicted variance, nearly all came from the market."]
    monkeypatch.undo()
    assert "64% came from the market" in summary.sources(ReportData(result))[0]


def test_the_best_model_is_named_by_horizon(result):
    one, other = summary.models(ReportData(result))
    table = result.volatility.table.loc[21]
    assert one.startswith("1 session ahead: ")
    assert other.startswith(f"21 sessions ahead: {table['qlike'].idxmin()}, lowest loss")
    assert "90% model confidence set" in other


def test_notes_state_hindsight_leverage_and_missing_or_stale_models(result, bare):
    notes = " ".join(summary.notes(ReportData(result)))
    for words in ("as of late 2024", "studies that include 2006 to 2021", "borrowing"):
        assert words in notes
    assert "without a forecast" not in notes
    assert len(summary.notes(ReportData(bare))) == 3
    perf = result.perf.assign(gross_leverage=0.5, unmodelled_weight=0.0)
    perf.iloc[:7, -1] = 0.1
    notes = " ".join(summary.notes(ReportData(dataclasses.replace(result, perf=perf))))
    assert "borrowing" not in notes
    assert "On 7 sessions the portfolio held stocks without a forecast" in notes


def test_a_stale_model_is_a_warning(result, bare):
    (warning,) = summary.warnings(ReportData(result))
    assert warning.startswith("Stale model: on 2")
    assert summary.warnings(ReportData(bare)) == []


TABLES = ("money", "runs", "years", "exceedances", "stress", "vintages", "stocks")


def test_tables_have_a_cell_for_every_column(storm, bare):
    for given in (storm, bare):
        found = [getattr(tables, name)(ReportData(given)) for name in TABLES]
        found += [*tables.models(ReportData(given)), tables.portfolios(given.portfolios)]
        for table in found:
            assert table is None or table.frame.map(lambda cell: isinstance(cell, str) and cell != "").all(axis=None)


def test_model_table_shows_scores_and_verdicts(result):
    one, _ = tables.models(ReportData(result))
    assert one.title.startswith("1 session ahead: ")
    scores = result.volatility.table.loc[(1, "LSTM")]
    assert one.frame.loc["LSTM"].iloc[0] == f"{scores['qlike']:.4f}"
    assert one.frame.loc["LSTM"].iloc[-1] == f"{scores['mcs_pvalue']:.3f}{'*' if scores['mcs_pvalue'] >= 0.1 else ' '}"
    assert [*one.frame][4:6] == [("lower by (%) than", "EWMA94"), ("lower by (%) than", "HAR")]
    # The benchmark is not compared with itself.
    assert [*one.frame.loc["EWMA94"].iloc[[4, 6]]] == ["-", "-"]


def test_metrics_without_a_value_are_omitted(bare):
    names = tables.runs(ReportData(bare)).frame.index
    assert "realised volatility" in names
    assert not any("target" in name for name in names)


def test_the_sources_of_the_worst_windows_are_named(bare):
    window = {
        "first": "2008-09-15", "last": "2008-10-13", "predicted": 0.2, "realized": 0.5,
        "level": 0.2, "correlation": 0.08, "stocks": 0.02, "other": 0.0, "largest_stocks": {"JPM": 0.01},
    }  # fmt: skip
    card = {**bare.scorecard, "worst_windows": [window, {**window, "stocks": -0.5}]}
    assert summary.errors(ReportData(dataclasses.replace(bare, scorecard=card))) == [
        "Worst 21 sessions, 2008-09-15 to 2008-10-13: 50.0% realised, 20.0% forecast; in points of volatility +20.0 "
        "from the level of volatility, +8.0 from average correlation, +2.0 from single stocks (most: JPM).",
        "The largest part was the level of volatility in 1, single stocks in 1 of the 2 worst such windows.",
    ]
    assert summary.errors(ReportData(bare)) == []
