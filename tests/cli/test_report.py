"""``volplugin report``: the page of a result folder, written again."""

import numpy as np
import pandas as pd
import pytest
from webpage import check

from volplugin.evaluation import portfolio_scorecard
from volplugin.report import BacktestResult, RunDetails
from volplugin.report.folder import write_result


@pytest.fixture
def folder(tmp_path):
    """Return the folder of a run of 70 sessions, too short for most sections."""
    sessions = pd.bdate_range("2015-01-01", periods=70)
    returns = np.random.default_rng(0).normal(0, 0.01, 70)
    perf = pd.DataFrame({"returns": returns, "predicted_vol": np.linspace(0.12, 0.2, 70)}, sessions)
    card = portfolio_scorecard(perf["predicted_vol"] / np.sqrt(252), perf["returns"])
    write_result(BacktestResult(RunDetails("mine", "own", "EWMA"), perf, card), tmp_path / "out")
    return tmp_path / "out"


def test_page_is_written_and_the_answers_are_printed(home, folder):
    result = home.run("report", folder)
    assert result.exit_code == 0, result.output
    first, *answers = result.output.splitlines()
    assert first.startswith(f"report: {folder / 'report.html'} (0.")
    assert [line.split(":")[0] for line in answers] == ["Forecast", "Peak", "Biggest miss", "Money"]
    assert "Biggest miss" in check((folder / "report.html").read_text()).words


def test_errors_of_wrong_folders_are_one_line(home, folder, tmp_path):
    assert "nowhere" in home.fails("report", tmp_path / "nowhere")
    assert "holds no scorecard.json" in home.fails("report", tmp_path)
    assert "no such folder" in home.fails("report", folder / "history.npz")
    (folder / "history.npz").write_bytes(b"PK")
    assert "damaged, or of another run" in home.fails("report", folder)
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize(
    "arguments", [["report", ""], ["backtest", "vol_target", "--out", ""], ["train", "--store", ""]]
)
def test_an_empty_name_is_not_the_current_folder(home, arguments):
    result = home.run(*arguments)
    assert result.exit_code == 2
    assert "an empty text is no path" in result.stderr


def test_help_describes_the_input(home):
    assert "without a new run" in " ".join(home.run("report", "--help").output.split())
