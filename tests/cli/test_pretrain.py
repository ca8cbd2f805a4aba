"""`volplugin pretrain` on the small market."""

import re

import pytest

from volplugin import ModelStore, PricePanel
from volplugin.volatility.lstm import fitting
from volplugin.volatility.pretrained import PretrainedVolatility

BUNDLE = "market-by-command"

SMALL = ("--panel", BUNDLE, "--first", "2016", "--seeds", "2", "--steps", "4", "--no-closes", "--jobs", "1")
"""Two vintages of two networks each."""


@pytest.fixture(scope="module")
def store(home) -> ModelStore:
    assert home.run("pretrain", *SMALL, "--store", home.folder / "backbone").exit_code == 0
    return ModelStore(home.folder / "backbone")


def checksums(store: ModelStore) -> list[str]:
    return [store.load(date)[1].checksum for date in store.vintages()]


def test_output_describes_the_vintages_and_the_cost(store, home):
    output = home.run("pretrain", *SMALL, "--store", store.path).stdout
    assert "2 vintages of PricePanel(6 assets, 755 sessions" in output
    assert "trained through 2016-12-30 to 2017-12-29" in output
    assert re.search(r"\d+ s on the clock, \d+ s of the processors, at most \d+\.\d GiB", output)


def test_interrupted_training_resumes_and_writes_the_same_files(store, home, tmp_path, monkeypatch):
    """After an interruption behind three of four networks, only the fourth is trained."""
    real, trained = fitting.train, []

    def interrupted(*given):
        if len(trained) == 3:
            raise KeyboardInterrupt
        trained.append(1)
        return real(*given)

    monkeypatch.setattr(fitting, "train", interrupted)
    assert home.run("pretrain", *SMALL, "--store", tmp_path).exit_code == 1
    monkeypatch.setattr(fitting, "train", lambda *given: trained.append(1) or real(*given))
    assert home.run("pretrain", *SMALL, "--store", tmp_path).exit_code == 0
    assert len(trained) == 4
    assert checksums(ModelStore(tmp_path)) == checksums(store)


def test_early_stopping_selects_steps_per_network(home, tmp_path):
    assert home.run("pretrain", *SMALL, "--early-stopping", "--store", tmp_path).exit_code == 0
    model = PretrainedVolatility(tmp_path)
    assert model.forecaster.steps == [1, 2, 4, 8]
    for date in model.store.vintages():
        chosen = model.vintage_at(date).vintage["steps"].split(", ")
        assert len(chosen) == 2
        assert {int(steps) for steps in chosen} <= {1, 2, 4, 8}


def test_a_market_of_the_panels_own_symbols(home, tmp_path):
    """Named by symbols, it is the reference universe that the vintages name."""
    own = ModelStore(tmp_path / "own")
    symbols = PricePanel.from_csv(home.folder / "prices").assets[:4]
    assert home.run("pretrain", *SMALL, "--market", ",".join(symbols), "--store", own.path).exit_code == 0
    for date in own.vintages():
        metadata = own.manifest(date)
        assert (metadata.universe, len(metadata.assets)) == (list(symbols), 6)


def test_the_manifest_counts_the_assets_with_data(store, home):
    panel = PricePanel.from_csv(home.folder / "prices")
    for date in store.vintages():
        assert store.manifest(date).assets_with_data == int(panel.close.loc[:date].notna().any().sum())


def test_a_market_that_ends_before_the_panel(home, tmp_path):
    panel = PricePanel.from_csv(home.folder / "prices")
    early = panel.asof(panel.sessions[-2]).close.stack().rename("close").rename_axis(["date", "symbol"]).reset_index()
    early.to_csv(tmp_path / "early.csv", index=False)
    output = home.fails("pretrain", *SMALL, "--market", tmp_path / "early.csv", "--store", tmp_path / "store")
    assert f"early.csv ends on {panel.sessions[-2].date()}, before the prices that it belongs to, " in output
