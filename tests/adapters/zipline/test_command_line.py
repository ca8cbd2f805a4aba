"""Everything that strategies use, under ``zipline run``."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

FILE = Path(__file__).with_name("command_line_strategy.py")
DATES = ["--start", "2017-02-06", "--end", "2017-03-17", "--no-benchmark"]


def zipline(*arguments, folder):
    command = [sys.executable, "-m", "zipline", "-e", "volplugin.adapters.zipline.extension", *arguments]
    return subprocess.run(command, env=os.environ, capture_output=True, text=True, cwd=folder)


@pytest.fixture
def arguments(small):
    return ["run", "-f", str(FILE), "-b", small, *DATES, "--metrics-set", "volplugin"]


@pytest.fixture(autouse=True)
def extension(small):
    """Register the small market for zipline's own process, in the user's extension."""
    file = Path(os.environ["ZIPLINE_ROOT"], "extension.py")
    file.write_text(
        f"from volplugin.adapters.zipline import register_csv_folder\nregister_csv_folder({small!r}, 'prices')\n"
    )
    yield
    file.unlink()


def test_parameters_pipeline_and_limit(arguments, small, tmp_path):
    chosen = ["-x", "volplugin.target=0.12", "-x", "volplugin.frequency=weekly", "-x", f"volplugin.bundle={small}"]
    ended = zipline(*chosen, *arguments, "-o", "perf.pkl", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    perf = pd.read_pickle(tmp_path / "perf.pkl")
    assert perf["target"].eq(0.12).all()
    assert perf["frequency"].eq("weekly").all()
    assert perf["apart"].max() < 1e-6
    assert perf["predicted_vol"].iloc[3:].between(0.02, 0.9).all()


def test_a_wrong_parameter_is_named(arguments, tmp_path):
    ended = zipline("-x", "volplugin.speed=3", *arguments, folder=tmp_path)
    assert ended.returncode != 0
    assert "Error: no parameter 'speed'; there are target, frequency" in ended.stderr


def test_a_backtest_that_fails_ends_with_one_line(small, tmp_path):
    """The run is in a process of its own, which ends with its error and leaves nothing to complain about."""
    (tmp_path / "plain.py").write_text("def initialize(context):\n    pass\n")
    program = [sys.executable, "-c", "from volplugin.cli import main; main()"]
    command = [*program, "backtest", "plain.py", "--bundle", small, "-x", "speed=3"]
    ended = subprocess.run(command, env=os.environ, capture_output=True, text=True, cwd=tmp_path)
    assert ended.returncode == 1
    running, error = ended.stderr.splitlines()
    assert "running plain.py" in running
    assert error == (
        "Error: plain.py does not read speed=3: leave it out, or use read_parameters().speed in initialize"
    )
