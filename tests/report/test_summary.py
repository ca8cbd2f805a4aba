import copy
import dataclasses

import numpy as np
import pytest

from volplugin.report import summary, tables


def with_card(result, bias, realized):
    card = copy.deepcopy(dict(result.scorecard)) | {"mean_predicted_vol": 0.10, "realized_vol": realized}
    card["bias_statistic"]["value"] = bias
    return dataclasses.replace(result, scorecard=card)


@pytest.mark.parametrize(
    ("bias", "realized", "headline"),
    [
        (1.00, 0.104, "Risk was predicted well on average: 10.0% a year forecast, 10.4% realised"),
        (0.96, 0.093, "Risk was predicted fairly on average: 10.0% a year forecast, 9.3% realised"),
        (1.08, 0.100, "Risk was predicted fairly on average: 10.0% a year forecast, 10.0% realised"),
        (0.98, 0.125, "Risk was under-predicted: 10.0% a year forecast, 12.5% realised"),
        (0.70, 0.098, "Risk was over-predicted: 10.0% a year forecast, 9.8% realised"),
    ],
)
def test_headline_follows_the_worse_of_bias_and_level(result, bias, realized, headline):
    assert summary.headline(with_card(result, bias, realized)) == headline


def by_question(answers):
    return {answer.question: answer.answer for answer in answers}


@pytest.mark.parametrize(("realized", "verdict"), [(0.105, "was held"), (0.13, "was missed")])
def test_target_is_held_or_missed(result, realized, verdict):
    card = dict(result.scorecard) | {"realized_vol": realized}
    answer = by_question(summary.answers(dataclasses.replace(result, scorecard=card)))["Was the target held?"]
    assert f"The target of 10.0% {verdict}" in answer


def test_answers_cover_calibration_and_the_worst_quarter(result):
    answers = by_question(summary.answers(result))
    assert "inside the band" in answers["How well was risk predicted?"]
    assert answers["When was it worst?"].startswith("From 20")


def test_text_omits_target_and_models_if_absent(bare):
    assert list(by_question(summary.answers(bare))) == ["How well was risk predicted?", "When was it worst?"]
    assert summary.models(bare) == summary.stocks(bare) == []
    assert summary.tiles(bare)[2].note == "from the forecast"


def test_other_runs_and_benchmarks_are_named(result):
    assert summary.years(result)[1].startswith("With rolling correlation instead: ")
    verdicts = summary.models(result)
    row = result.volatility.table.loc[(21, "LSTM")]
    assert len(verdicts) == 2
    assert f"{abs(row['below_EWMA94']):.1f}%" in verdicts[1]
    assert " EWMA94's (t " in verdicts[1]
    assert "the 90% confidence set of the best holds" in verdicts[1]


def test_years_are_counted_by_their_bands(result):
    years = {
        str(place): {"bias_statistic": {"value": value, "within": within}}
        for place, (value, within) in enumerate([(0.8, False), (1.2, False), (1.3, False), (1.01, True), (0.97, True)])
    }
    card = dict(result.scorecard) | {"by_year": years}
    first = summary.years(dataclasses.replace(result, scorecard=card))[0]
    assert "Of 5 calendar years, risk was over-predicted in 1, under-predicted in 2, and right but for chance" in first


def test_tail_tests_cover_number_and_clusters(result):
    gaussian = {
        "1%": {"exceedances": 47, "expected": 28.4, "kupiec_pvalue": 0.0004, "christoffersen_pvalue": 0.0001},
        "5%": {"exceedances": 135, "expected": 142.1, "kupiec_pvalue": 0.54, "christoffersen_pvalue": 0.01},
    }
    card = dict(result.scorecard) | {"exceedances": {"gaussian": gaussian}}
    one, five, whole = summary.odds(dataclasses.replace(result, scorecard=card))
    assert one.startswith("47 losses beyond the 1% value at risk, 28 expected: the number is unlikely to be chance")
    assert five.endswith("the number may be chance (Kupiec p 0.540), but they cluster.")
    assert "agrees with right forecasts" in whole


def test_turnover_is_annual(result):
    # 60 of 1000 every 21 sessions: 6% twelve times a year.
    assert any("came to 7" in one and "% of the portfolio" in one for one in summary.portfolio(result))


def test_sources_name_the_largest_and_the_correlations(result):
    share, correlation = summary.sources(result)
    assert "(first, 2010-01-04)" in share
    means = [rho.to_numpy()[np.triu_indices(12, 1)].mean() for rho in result.correlations.values()]
    assert all(f"{mean:.2f}" in correlation for mean in means)


def test_universe_and_choice_of_defaults_are_stated_for_dow30_alone(result, bare):
    assert any("as of late 2024" in note for note in summary.notes(result))
    assert any("studies that include 2006 to 2021" in note for note in summary.notes(result))
    assert not any("Dow" in note for note in summary.notes(bare))


def test_free_leverage_is_mentioned_only_if_used(result):
    assert any("borrowing" in note for note in summary.notes(result))
    perf = result.perf.assign(gross_leverage=0.5)
    assert not any("borrowing" in note for note in summary.notes(dataclasses.replace(result, perf=perf)))


def test_tables_have_a_cell_for_every_column(storm, bare):
    for given in (storm, bare):
        made = [getattr(tables, name) for name in tables.__all__ if name not in ("Table", "details")]
        for table in filter(None, (make(given) for make in made)):
            assert {len(row) for row in table.rows} <= {1, len(table.columns)}


def test_model_table_shows_scores_and_verdicts(result):
    rows = tables.models(result).rows
    assert rows[0] == ["1 session"]
    scores = result.volatility.table.loc[(1, "LSTM")]
    assert rows[1][1] == f"{scores['qlike']:.3f}"
    assert rows[1][-1] in ("yes", "no")
    assert rows[3][3:5] == ["–", "–"]


def test_metrics_without_a_value_are_omitted(bare):
    names = [row[0] for row in tables.runs(bare).rows]
    assert "realised volatility" in names
    assert not any("target" in name for name in names)


def test_stocks_without_a_forecast_are_mentioned(result):
    perf = result.perf.assign(unmodelled_weight=0.0)
    assert not any("without a forecast" in note for note in summary.notes(dataclasses.replace(result, perf=perf)))
    perf.iloc[:7, -1] = 0.1
    notes = summary.notes(dataclasses.replace(result, perf=perf))
    assert any("On 7 sessions the portfolio held stocks without a forecast" in note for note in notes)


def test_the_sources_of_the_worst_windows_are_named(result):
    window = {
        "first": "2008-09-15", "last": "2008-10-13", "predicted": 0.2, "realized": 0.5,
        "level": 0.2, "correlation": 0.08, "stocks": 0.02, "other": 0.0, "largest_stocks": {"JPM": 0.01},
    }  # fmt: skip
    card = {**result.scorecard, "worst_windows": [window, {**window, "stocks": -0.5}]}
    found = by_question(summary.answers(dataclasses.replace(result, scorecard=card)))
    assert found["Where did the largest errors come from?"] == (
        "Worst 21 sessions, 2008-09-15 to 2008-10-13: 50.0% realised, 20.0% forecast; in points of volatility +20.0 "
        "from the level of volatility, +8.0 from average correlation, +2.0 from single stocks (most: JPM). The largest "
        "part was the level of volatility in 1, single stocks in 1 of the 2 worst windows."
    )
