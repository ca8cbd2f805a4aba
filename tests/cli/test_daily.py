"""Daily commands (forecast, monitor, vintages), and options from a file."""

import json
import shutil

import pytest

from volplugin import ModelStore

BUNDLE = "market-by-command"
BASE = ["--bundle", BUNDLE, "--asof", "2017-06-30"]


@pytest.fixture(scope="module")
def trained(home):
    span = ["--bundle", BUNDLE, "--start", "2017-04-03", "--end", "2017-09-29"]
    assert home.run("train", *span, "--store", home.store, "--jobs", "1").exit_code == 0
    return home


def test_monitor_reports_success_and_every_failure(trained):
    options = [*BASE, "--store", trained.store, "--today", "2017-06-30", "--window", "40"]
    limits = ["--confidence", "0.9999", "--loss", "50", "--still", "20", "--missing", "0.9", "--coverage", "0.5"]
    good = trained.run("monitor", *options, *limits, "--json")
    report = json.loads(good.stdout)
    assert (good.exit_code, report["ok"]) == (0, True), good.output
    assert report["configuration"]["window"] == 40
    late = trained.run("monitor", *BASE, "--store", trained.store, "--today", "2017-09-29")
    assert late.exit_code == 3
    assert late.stderr.startswith("prices are recent: 63 sessions behind 2017-09-29")
    failed = [line.removeprefix("FAIL ").split("  ")[0] for line in late.stdout.splitlines() if line.startswith("FAIL")]
    assert [line.split(":")[0] for line in late.stderr.splitlines()] == failed


def test_vintages_are_listed_and_pruned(trained, tmp_path):
    store = tmp_path / "models"
    shutil.copytree(trained.store, store)
    listed = trained.run("vintages", "--store", store, "--losses", BUNDLE).output
    assert "2017-03-31" in listed
    assert "2 vintages" in listed
    assert "QLIKE" in listed
    assert (
        "would delete 1 of 2: 2017-03-31" in trained.run("vintages", "--store", store, "--keep", 1, "--dry-run").output
    )
    assert len(ModelStore(store).vintages()) == 2
    assert "all 2 vintages" in trained.fails("vintages", "--store", store, "--before", "2020-01-01", "--yes")
    assert trained.run("vintages", "--store", store, "--before", "2017-06-01", "--yes").exit_code == 0
    assert [str(date.date()) for date in ModelStore(store).vintages()] == ["2017-06-30"]
    assert [file.name for file in (store / "vintages").iterdir()] == ["2017-06-30"]


def test_shipped_vintages_are_not_deleted(home):
    assert "21 vintages" in home.run("vintages").output
    assert "come with the package cannot be deleted" in home.fails("vintages", "--keep", 1, "--yes")


def test_flags_override_options_from_a_file(trained, tmp_path):
    file = tmp_path / "volplugin.toml"
    file.write_text(
        f'bundle = "{BUNDLE}"\nstore = "{trained.store}"\n[forecast]\nhorizon = 5\nasof = 2017-06-30\njson = true\n'
    )
    numbers = json.loads(trained.run("forecast", "--config", file).output)
    assert (numbers["horizon"], numbers["asof"]) == (5, "2017-06-30")
    assert numbers["configuration"] == {
        "bundle": BUNDLE, "store": str(trained.store), "asof": "2017-06-30", "horizon": 5, "json": True,
    }  # fmt: skip
    assert json.loads(trained.run("forecast", "--config", file, "--horizon", 3).output)["horizon"] == 3


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("[forecast]\nhorizn = 5\n", "horizn is no option of forecast; is it horizon?"),
        ("[forecast]\nhorizon = [5]\n", "horizon is [5]; write one value"),
        ("horizon =\n", "is not TOML"),
    ],
)
def test_errors_in_the_file_are_one_line(home, tmp_path, text, output):
    (tmp_path / "c.toml").write_text(text)
    assert output in home.fails("forecast", "--config", tmp_path / "c.toml")


def test_results_include_the_options_of_the_run(trained, tmp_path):
    from volplugin.cli.config import read_configuration

    options = [
        "--bundle",
        BUNDLE,
        "--start",
        "2017-04-03",
        "--end",
        "2017-09-29",
        "--store",
        trained.store,
        "--no-judge",
    ]
    out = tmp_path / "results"
    result = trained.run("backtest", "vol_target", *options, "--jobs", "1", "--target", "0.12", "--out", out)
    assert result.exit_code == 0, result.output
    recorded = read_configuration(out / "configuration.toml")["backtest"]
    assert (recorded["target"], recorded["end"], recorded["judge"]) == (0.12, "2017-09-29", False)
    again = trained.run("backtest", "vol_target", "--config", out / "configuration.toml", "--out", tmp_path / "again")
    assert again.exit_code == 0, again.output
    first, second = (json.loads((folder / "scorecard.json").read_text()) for folder in (out, tmp_path / "again"))
    assert first["portfolio"] == second["portfolio"]


def test_quiet_writes_nothing_to_standard_error(trained):
    options = ["vintages", "--store", trained.store]
    assert trained.run("-q", *options).stderr == ""
