"""A result folder: written, read again, and damaged."""

import json
import pickle
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from webpage import check

from volplugin.errors import ResultFolderError
from volplugin.report.backtest_page import report_folder
from volplugin.report.folder import read_result, write_result
from volplugin.storage.atomic import write_files
from volplugin.storage.reading import sealed


@pytest.fixture
def folder(storm, tmp_path):
    write_result(storm, tmp_path)
    return tmp_path


def test_what_was_written_is_read(folder, storm):
    read = read_result(folder)
    assert asdict(read.details) == asdict(storm.details)
    assert read.scorecard == storm.scorecard
    assert read.target == storm.target
    for column in ("returns", "predicted_vol", "gross_leverage"):
        pd.testing.assert_series_equal(read.perf[column], storm.perf[column], check_freq=False)
    np.testing.assert_allclose(read.contributions, storm.contributions, rtol=1e-6)
    pd.testing.assert_series_equal(
        read.average_correlation, storm.average_correlation, check_freq=False, check_names=False
    )
    (name, other), (_, kept) = *storm.comparisons.items(), *read.comparisons.items()
    assert list(read.comparisons) == [name]
    pd.testing.assert_series_equal(kept.perf["returns"], other.perf["returns"], check_freq=False)
    assert kept.scorecard == other.scorecard


def test_scores_and_portfolios_are_read_whole(folder, storm):
    read = read_result(folder)
    ours, theirs = read.volatility, storm.volatility
    assert ours.models == theirs.models
    assert ours.horizons == theirs.horizons
    assert ours.benchmarks == theirs.benchmarks
    pd.testing.assert_frame_equal(ours.table, theirs.table, check_dtype=False)
    pd.testing.assert_series_equal(ours.left_out, theirs.left_out)
    for name, table in theirs.parts.items():
        pd.testing.assert_frame_equal(ours.parts[name], table, check_dtype=False, check_column_type=False)
    np.testing.assert_allclose(ours.losses, theirs.losses, rtol=1e-6)
    for name, portfolio in storm.portfolios.items():
        pd.testing.assert_series_equal(
            read.portfolios[name].predicted, portfolio.predicted, check_freq=False, check_names=False
        )
        pd.testing.assert_series_equal(
            read.portfolios[name].returns, portfolio.returns, check_freq=False, check_names=False
        )


def test_the_least_there_is_is_written_and_read(bare, tmp_path):
    write_result(bare, tmp_path)
    read = read_result(tmp_path)
    assert read.target is read.volatility is None
    assert not read.portfolios
    assert read.average_correlation is None


def test_the_page_of_a_folder_has_every_word_and_number_of_the_run(folder, report):
    assert check(report_folder(folder).read_text()).words == check(report.read_text()).words
    assert (folder / "plots" / "pit.png").read_bytes() == (report.parent / "plots" / "pit.png").read_bytes()


def lines(error):
    return str(error.value).splitlines()


def test_no_folder_and_no_results_are_named(tmp_path):
    with pytest.raises(ResultFolderError, match="no such folder; name a folder that volplugin backtest"):
        read_result(tmp_path / "nowhere")
    with pytest.raises(ResultFolderError, match=r"holds no scorecard\.json"):
        read_result(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "output"),
    [
        ("scorecard.json", b'{"details": {', "not valid JSON"),
        ("scorecard.json", b"\xff\xfe\x00", "not valid JSON"),
        ("scorecard.json", b"[1, 2]", "not the scorecard of a backtest"),
        ("scorecard.json", b'{"details": {}, "portfolio": {}}', "not the scorecard of a backtest"),
        (
            "scorecard.json",
            b'{"details": {}, "portfolio": {}, "history": {"format": 1}}',
            "written by another version of volplugin",
        ),
        ("history.npz", b"PK\x03\x04 damaged", "damaged, or of another run"),
        ("history.npz", None, "history.npz: cannot be read"),
    ],
)
def test_damaged_files_are_one_line_and_leave_the_page(folder, name, content, output):
    (folder / "report.html").write_text("old")
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(ResultFolderError, match=output) as error:
        report_folder(folder)
    assert len(lines(error)) == 1
    assert (folder / "report.html").read_text() == "old"


@pytest.mark.parametrize("lost", ["details", "strategy", "benchmarks"])
def test_numbers_that_do_not_fit_together_are_named(folder, lost):
    card = json.loads((folder / "scorecard.json").read_text())
    if lost == "details":
        card["details"] = {"colour": "red"}
    elif lost == "strategy":
        del card["details"]["strategy"]
    else:
        del card["volatility"]["benchmarks"]
    (folder / "scorecard.json").write_text(json.dumps(sealed(card)))
    with pytest.raises(ResultFolderError, match="do not fit together") as error:
        read_result(folder)
    assert len(lines(error)) == 1


def test_any_file_that_differs_from_its_checksum_is_noticed(folder):
    write_files(folder, {"perf.pkl": b"1", "report.html": b"old", "plots/target.png": b"1"})
    assert set((folder / "SHA256SUMS").read_text().split()[1::2]) == {
        *("history.npz", "perf.pkl", "plots/target.png", "report.html", "scorecard.json")
    }
    read_result(folder)
    (folder / "report.html").write_text("edited")  # written again, as the plots
    (folder / "plots" / "target.png").write_bytes(b"2")
    read_result(folder)
    (folder / "perf.pkl").write_bytes(b"2")
    with pytest.raises(ResultFolderError, match=r"perf\.pkl: damaged or altered, SHA256SUMS has another checksum"):
        read_result(folder)
    (folder / "perf.pkl").unlink()
    read_result(folder)
    (folder / "perf.pkl").mkdir()
    with pytest.raises(ResultFolderError, match=r"perf\.pkl: cannot be read .Is a directory"):
        read_result(folder)


def test_an_altered_number_is_noticed(folder):
    card = json.loads((folder / "scorecard.json").read_text())
    card["portfolio"]["realized_vol"] = 0.987654
    (folder / "scorecard.json").write_text(json.dumps(card))
    with pytest.raises(ResultFolderError, match="its checksum differs"):
        read_result(folder)


@pytest.mark.parametrize("content", [b"[" * 200_000, b'{"details": NaN}', b'{"details": {}, "details": {}}'])
def test_what_is_not_json_is_named(folder, content):
    (folder / "scorecard.json").write_bytes(content)
    with pytest.raises(ResultFolderError, match="not valid JSON"):
        read_result(folder)


def test_nothing_is_unpickled(folder):
    (folder / "history.npz").unlink()
    (folder / "perf.pkl").write_bytes(pickle.dumps(Trap(folder / "opened")))
    with pytest.raises(ResultFolderError):
        report_folder(folder)
    assert not (folder / "opened").exists()


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")
