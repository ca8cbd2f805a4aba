"""`volplugin study` on a folder of closes."""

import json

import pytest
from click.testing import CliRunner

from volplugin import LSTMVolatility, ModelStore, PricePanel, RefitSchedule, WalkForward
from volplugin.cli import main


@pytest.fixture(scope="module")
def home(closes, tmp_path_factory):
    """Return a folder with closes, weights, and a store configured with a tiny network."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "closes").mkdir()
    # A little more than the required sample; DELT has the shortest history.
    for name, count in {"ALFA": 800, "BRAV": 800, "DELT": 480}.items():
        closes.close[name].tail(count).rename("close").to_csv(folder / "closes" / f"{name}.csv")
    (folder / "weights.csv").write_text("symbol,weight\nALFA,0.7\nDELT,0.3\n")
    (folder / "unknown.csv").write_text("symbol,weight\nALFA,0.7\nZULU,0.3\n")
    tiny = LSTMVolatility(units=(2,), window=10, seeds=(0,), steps=2)
    store = ModelStore(folder / "out" / "models")
    walk_forward = WalkForward(tiny, schedule=RefitSchedule("yearly"), store=store)
    walk_forward.train(PricePanel.from_csv(folder / "closes"), "2016-12-01", "2016-12-02", n_jobs=1, progress=False)
    return folder


def study(home, *options):
    settings = ["--closes", str(home / "closes"), "--epochs", "1", "--out", str(home / "out"), "--jobs", "1"]
    return CliRunner().invoke(main, ["study", *settings, *options])


def test_study_runs_and_a_second_one_trains_nothing(home):
    first = study(home, "--weights", str(home / "weights.csv"))
    assert first.exit_code == 0, first.output
    assert "0 of 3; to train: 3" in first.stderr
    for text in ("the common sample is used", "equal weights, 20 sessions ahead", "weights of weights.csv, 20"):
        assert text in first.stdout
    numbers = json.loads((home / "out" / "study.json").read_text())
    assert numbers["causal_model"].startswith("LSTMVolatility + TwoSpeedCorrelation")
    second = study(home)
    assert "3 of 3; to train: 0" in second.stderr
    again = json.loads((home / "out" / "study.json").read_text())
    assert again["books"]["equal weights"] == numbers["books"]["equal weights"]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("unknown.csv", "weights of unknown.csv: there are no closes of ZULU"),
        ("absent.csv", "absent.csv: no such file"),
    ],
)
def test_unusable_weights_raise_before_training(home, option, message):
    failed = study(home, "--weights", str(home / option), "--store", str(home / "never"))
    assert failed.exit_code == 1
    assert message in failed.stderr
    assert not (home / "never").exists()


def test_a_single_stock_is_an_error(home):
    failed = CliRunner().invoke(main, ["study", "--closes", str(home / "closes" / "ALFA.csv")])
    assert "no column 'symbol'" in failed.stderr
    alone = home / "alone"
    alone.mkdir()
    (alone / "ALFA.csv").write_text((home / "closes" / "ALFA.csv").read_text())
    failed = CliRunner().invoke(main, ["study", "--closes", str(alone)])
    assert "Error: a study requires two stocks or more" in failed.stderr
