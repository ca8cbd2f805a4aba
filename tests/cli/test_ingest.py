"""`volplugin ingest`: one command from files to a bundle, with a summary of what was done."""

import pandas as pd
import pytest
from click.testing import CliRunner
from zipline.utils.calendar_utils import get_calendar

from volplugin.cli import main


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs `volplugin ingest` with an empty ZIPLINE_ROOT."""
    monkeypatch.setenv("ZIPLINE_ROOT", str(tmp_path / "root"))
    return lambda *arguments: CliRunner().invoke(main, ["ingest", *map(str, arguments)])


def write(folder, calendar="XNYS", **changes):
    folder.mkdir(exist_ok=True)
    days = get_calendar(calendar).sessions_in_range("2019-01-02", "2019-02-28")
    close = [50 + 0.5 * (row % 5) for row in range(len(days))]
    bars = pd.DataFrame({"Date": days, "Open": close, "High": close, "Low": close, "Close": close, "Volume": 1e5})
    bars.assign(**changes).drop(index=7).to_csv(folder / "A.csv", index=False)
    return folder


def test_a_folder_becomes_a_bundle_with_a_summary_and_lines_for_extension(run, tmp_path):
    folder = write(tmp_path / "prices", "XLON")
    done = run("mine", "--csv", folder, "--calendar", "XLON", "--currency", "GBP")
    assert done.exit_code == 0, done.output
    assert "sessions of XLON, 1 symbols, 0 splits, 0 dividends, 1 sessions without a trade" in done.output
    assert f"register_prices('mine', '{folder}', calendar='XLON', currency='GBP')" in done.output
    assert "sessions without a trade, stored as missing: A (1, the first on 2019-01-11)" in done.output


def test_a_long_parquet_file(run, tmp_path):
    table = pd.read_csv(write(tmp_path / "prices") / "A.csv").assign(symbol="A")
    table.to_parquet(tmp_path / "p.parquet")
    assert "1 symbols" in run("mine", "--parquet", tmp_path / "p.parquet", "--start", "2019-02-01").output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--calendar", "XXXX"], "no exchange calendar is called 'XXXX'"),
        (["--on-gap", "error"], "A on 2019-01-11: no bar for this session of XNYS"),
        (["--start", "2030-01-02"], "no bars from 2030-01-02"),
    ],
)
def test_errors_are_one_line(run, tmp_path, options, message):
    done = run("mine", "--csv", write(tmp_path / "prices"), *options)
    assert done.exit_code == 1
    assert message in done.output
    assert "Traceback" not in done.output


def test_options_without_a_source(run):
    assert "--adjusted goes with --csv or --parquet" in run("dow30", "--adjusted").output


def test_a_bundle_of_zipline_without_its_environment_variable_is_one_line(run, monkeypatch):
    monkeypatch.delenv("CSVDIR", raising=False)
    assert run("csvdir").output == (
        "Error: bundle 'csvdir' cannot be ingested: CSVDIR environment variable is not set; correct its source, or "
        "read CSV files with `volplugin ingest csvdir --csv FOLDER`\n"
    )


@pytest.mark.parametrize(("option", "value"), [("--country", "Germany"), ("--currency", "euros")])
def test_codes_of_country_and_currency(run, tmp_path, option, value):
    done = run("mine", "--csv", write(tmp_path / "prices"), option, value)
    assert done.exit_code == 1
    assert f"'{value}' is not the ISO code of a {option[2:]}" in done.output
