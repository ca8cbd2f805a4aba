import json

from webpage import check

from volplugin.report.evaluation import evaluation_text, write_evaluation


def test_numbers_text_and_plots_are_written(evaluation, portfolios, tmp_path):
    file = write_evaluation(evaluation, portfolios, tmp_path / "out")
    assert file.name == "evaluation.html"
    page = check(file.read_text())
    assert {"models", "h1", "h5", "portfolio", "tables"} <= set(page.ids)
    numbers = json.loads(file.with_suffix(".json").read_text())
    assert numbers["volatility"] == json.loads(json.dumps(evaluation.as_dict()))
    assert set(numbers["book"]) == {"EWMA94"}
    assert (file.parent / "evaluation.txt").read_text() == evaluation_text(evaluation, portfolios) + "\n"
    drawn = {plot.stem for plot in (file.parent / "plots").iterdir()}
    assert drawn == {
        "reductions", "years_1", "years_5", "deciles_1", "deciles_5",
    }  # fmt: skip
    assert all(plot.read_bytes().startswith(b"\x89PNG") for plot in (file.parent / "plots").iterdir())


def test_plots_without_numbers_are_skipped(bare_evaluation, portfolios, tmp_path):
    write_evaluation(bare_evaluation, portfolios, tmp_path)
    assert [plot.name for plot in (tmp_path / "plots").iterdir()] == ["deciles_5.png"]
