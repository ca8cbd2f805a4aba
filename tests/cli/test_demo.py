"""`volplugin demo`, which `make demo` runs: pretrained, or with TRAIN=1 from nothing."""

import json

import pytest

from volplugin.workflows import backtest as jobs


@pytest.fixture
def asked(home, monkeypatch) -> list[jobs.Backtest]:
    """What would be run, instead of running it."""
    asked: list[jobs.Backtest] = []
    monkeypatch.setattr("volplugin._bundles.ingest_bundle", lambda name, show_progress: None)
    monkeypatch.setattr(jobs, "backtest", lambda job, log: asked.append(job))
    return asked


def test_it_trains_only_on_request(asked, home, tmp_path):
    assert home.run("demo", "--out", tmp_path).exit_code == 0
    assert home.run("demo", "--out", tmp_path, "--train").exit_code == 0
    assert [job.store for job in asked] == ["pretrained", str(tmp_path / "models")]
    assert {job.strategy for job in asked} == {"vol_target"}


@pytest.mark.slow
@pytest.mark.parametrize(("options", "assets"), [([], 535), (["--train"], 30)])
def test_the_whole_job(home, tmp_path, options, assets):
    """The shipped vintages know up to 535 stocks, those trained from nothing the 30 of the bundle."""
    result = home.run("demo", "--out", tmp_path, *options)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "report.html").stat().st_size > 100_000
    details = json.loads((tmp_path / "scorecard.json").read_text())["details"]
    assert details["vintages"][-1]["assets"] == assets
    assert len(details["groups"]) == 30
    assert details["groups"]["JPM"] == "Financials"
    plots = {plot.name for plot in (tmp_path / "plots").iterdir()}
    assert "risk_contributions.png" in plots
    assert "factors.png" not in plots  # equal weights of all stocks have no risk beside the market's
    assert (tmp_path / "models").exists() is bool(options)
