"""The judge, as a user runs it: what it prints and keeps, and what a second run finds again."""

import json

import pytest
from webpage import check

SPAN = ["--bundle", "market-by-command", "--start", "2017-04-03", "--end", "2017-09-29"]


@pytest.fixture(scope="module")
def judge(home):
    """Evaluate over the span into a folder, with the store trained where it is not."""

    def run(*options, out=home.folder / "judged"):
        result = home.run("evaluate", *SPAN, "--store", home.store, "--jobs", "1", "--out", out, *options)
        assert result.exit_code == 0, result.output
        return result, out

    return run


@pytest.fixture(scope="module")
def first(judge):
    return judge("--models", "LSTM,HAR,EWMA94", "--horizons", "1,5")


def test_it_prints_the_answer_and_the_tables(first):
    result, _ = first
    for output in (
        "1 session ahead",
        "5 sessions ahead",
        "lowest loss",
        "lower by (%) than",
        "Mincer-Zarnowitz",
        "of the equal-weight portfolio",
        "LSTM + rolling correlation",
    ):
        assert output in result.stdout
    assert max(map(len, result.stdout.splitlines()[:-1])) <= 100


def test_it_writes_what_it_prints(first):
    result, out = first
    numbers = json.loads((out / "evaluation.json").read_text())
    lstm = numbers["volatility"]["scores"]["5"]["LSTM"]
    assert f"{lstm['qlike']:.4f}" in result.stdout
    assert numbers["volatility"]["calibration"]["book"]["1"]["LSTM"]["bias"] > 0
    assert set(numbers["book"]) == {"LSTM", "LSTM + rolling correlation", "EWMA94"}
    assert (out / "evaluation.txt").read_text() in result.stdout
    assert (out / "plots" / "reductions.png").exists()
    page = check((out / "evaluation.html").read_text())
    assert {"models", "h1", "h5", "portfolio", "tables"} <= set(page.ids)
    assert f"{lstm['qlike']:.4f}" in page.words


def test_a_second_run_finds_the_forecasts_and_prints_the_same(first, judge):
    again, out = judge("--models", "LSTM,HAR,EWMA94", "--horizons", "1,5")
    assert again.stdout == first[0].stdout
    assert f"found in {out / 'forecasts'}" in again.stderr
    assert "forecasts of LSTM, HAR, EWMA94" in again.stderr
    assert "equal weight by LSTM, LSTM + rolling correlation, EWMA94" in again.stderr


def test_wrong_models_and_horizons_are_named_before_anything_is_done(home):
    for options, output in (
        (["--models", "LSTM,FOO"], "model is 'FOO'; pass all, or some of LSTM"),
        (["--horizons", "1,x"], "--horizons is '1,x'"),
    ):
        assert output in home.fails("evaluate", *SPAN, "--store", home.folder / "untouched", *options)
    assert not (home.folder / "untouched").exists()
