import copy
import dataclasses

import pytest

from volplugin.report import tables, words


def with_card(result, bias, realized):
    card = copy.deepcopy(dict(result.scorecard)) | {"mean_predicted_vol": 0.10, "realized_vol": realized}
    card["bias_statistic"]["value"] = bias
    return dataclasses.replace(result, scorecard=card)


@pytest.mark.parametrize(
    ("bias", "realized", "said"),
    [
        (1.00, 0.104, "Risk was predicted well on average: 10.0% a year forecast, 10.4% came true"),
        (0.96, 0.093, "Risk was predicted fairly on average: 10.0% a year forecast, 9.3% came true"),
        (1.08, 0.100, "Risk was predicted fairly on average: 10.0% a year forecast, 10.0% came true"),
        (0.98, 0.125, "Risk was under-predicted: 10.0% a year forecast, 12.5% came true"),
        (0.70, 0.098, "Risk was over-predicted: 10.0% a year forecast, 9.8% came true"),
    ],
)
def test_headline_follows_the_worse_of_bias_and_level(result, bias, realized, said):
    assert words.headline(with_card(result, bias, realized)) == said


@pytest.mark.parametrize(("realized", "verdict"), [(0.105, "was held"), (0.13, "was missed")])
def test_target_is_held_or_missed(result, realized, verdict):
    card = dict(result.scorecard) | {"realized_vol": realized}
    said = " ".join(words.sentences(dataclasses.replace(result, scorecard=card)))
    assert f"The target of 10.0% {verdict}" in said


def test_sentences_name_the_rivals_and_the_other_run(result):
    said = " ".join(words.sentences(result))
    assert "With rolling correlation" in said
    assert "of LSTM is" in said
    assert "EWMA94 and" in said
    assert "It was worst from 20" in said
    assert "inside the band" in said


def test_without_target_or_models_nothing_is_said_of_them(bare):
    said = " ".join(words.sentences(bare))
    assert "target" not in said
    assert "QLIKE" not in said
    assert words.tiles(bare)[2].note == "from the forecast"


def test_universe_and_choice_of_defaults_are_stated_for_dow30_alone(result, bare):
    assert any("as of late 2024" in note for note in words.notes(result))
    assert any("studies that include 2006 to 2021" in note for note in words.notes(result))
    assert not any("Dow" in note for note in words.notes(bare))


def test_free_leverage_is_admitted_only_where_it_was_used(result):
    assert any("borrowing" in note for note in words.notes(result))
    perf = result.perf.assign(gross_leverage=0.5)
    assert not any("borrowing" in note for note in words.notes(dataclasses.replace(result, perf=perf)))


def test_tables_have_a_cell_for_every_column(result, bare):
    for given in (result, bare):
        made = [tables.runs, tables.years, tables.exceedances, tables.models, tables.books, tables.vintages]
        for table in filter(None, (make(given) for make in made)):
            assert {len(row) for row in table.rows} <= {1, len(table.columns)}


def test_model_table_shows_scores_and_verdicts(result):
    rows = tables.models(result).rows
    assert rows[0] == ["1 session"]
    scores = result.volatility.table.loc[(1, "LSTM")]
    assert rows[1][1] == f"{scores['qlike']:.3f}"
    assert rows[1][-1] in ("yes", "no")
    assert rows[3][3:5] == ["–", "–"]


def test_metrics_without_a_value_are_left_out(bare):
    names = [row[0] for row in tables.runs(bare).rows]
    assert "realised volatility" in names
    assert not any("target" in name for name in names)


def test_stocks_without_a_forecast_are_admitted(result):
    perf = result.perf.assign(unmodelled_weight=0.0)
    assert not any("without a forecast" in note for note in words.notes(dataclasses.replace(result, perf=perf)))
    perf.iloc[:7, -1] = 0.1
    notes = words.notes(dataclasses.replace(result, perf=perf))
    assert any("On 7 sessions the book held stocks without a forecast" in note for note in notes)
