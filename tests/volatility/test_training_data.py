"""Stores outlive changes of their training prices, and say what changed."""

import json
import logging

import numpy as np
import pandas as pd
import pytest

from volplugin import HARVolatility, ModelStore, PricePanel, WalkForward, simulated_panel
from volplugin.errors import StoreConfigurationError, StoreCorruptError
from volplugin.storage import vintage_checksum
from volplugin.volatility.pretrained import SHIPPED, require_trained

SPAN = ("2015-01-05", "2015-12-31")
FIELDS = ("open", "high", "low", "close")


@pytest.fixture(scope="module")
def prices() -> PricePanel:
    return simulated_panel(6, "2013-01-02", "2016-12-30", seed=3)


def changed(panel: PricePanel, change) -> PricePanel:
    """Return a panel whose price frames a function changed."""
    return PricePanel(**{field: change(getattr(panel, field).copy()) for field in FIELDS}, volume=panel.volume)


def train(panel: PricePanel, folder, span=SPAN) -> WalkForward:
    return WalkForward(HARVolatility(), store=ModelStore(folder)).train(panel, *span, progress=False)


def with_dividend(panel: PricePanel) -> PricePanel:
    """Every price of one stock before a day lower by 0.7%, as a dividend found later leaves it."""

    def change(frame):
        frame.loc[:"2014-05-05", "SIM0002"] *= 0.993
        return frame

    return changed(panel, change)


def test_the_same_prices_say_nothing(prices, tmp_path, caplog):
    train(prices, tmp_path)
    train(prices, tmp_path)
    require_trained(tmp_path, prices.last_session, prices)
    assert caplog.text == ""


@pytest.mark.parametrize("factor", [1.0, 0.98, 0.25])
def test_a_history_readjusted_and_rounded_to_thousandths_says_nothing(prices, tmp_path, caplog, factor):
    train(changed(prices, lambda frame: frame.round(3)), tmp_path)
    train(changed(prices, lambda frame: (frame * factor).round(3)), tmp_path)
    assert caplog.text == ""


def test_a_new_dividend_is_named_and_the_model_stays(prices, tmp_path, caplog):
    before = train(prices, tmp_path)
    after = with_dividend(prices)
    again = train(after, tmp_path, ("2015-01-05", "2016-12-30"))
    assert "SIM0002: 1 of 504 returns" in caplog.text
    assert "a return by 0.70% on 2014-05-06" in caplog.text
    assert "SIM0003" not in caplog.text
    assert [str(day.date()) for day in again.vintage_dates()] == ["2014-12-31", "2015-12-31"]
    known = prices.asof("2015-06-30")
    pd.testing.assert_series_equal(again.predict(known), before.predict(known), check_exact=True)
    caplog.clear()
    require_trained(tmp_path, after.last_session, after)
    assert caplog.text == ""  # the vintage in use was trained on these prices
    require_trained(tmp_path, pd.Timestamp("2015-06-30"), after.asof("2015-06-30"))
    assert "SIM0002: 1 of 504 returns" in caplog.text


def test_another_volume_is_named(prices, tmp_path, caplog):
    train(prices, tmp_path)
    volume = prices.volume.copy()
    volume.loc["2014-06-02", "SIM0003"] *= 7
    frames = {field: getattr(prices, field) for field in FIELDS}
    train(PricePanel(**frames, volume=volume), tmp_path)
    assert "SIM0003: 66 of 504 volumes" in caplog.text


def test_stocks_that_come_and_go_are_named(prices, tmp_path, caplog):
    train(prices, tmp_path)
    frames = {field: getattr(prices, field).drop(columns="SIM0002") for field in FIELDS}
    fewer = PricePanel(**{field: frame.assign(NEW=frame["SIM0001"] * 2) for field, frame in frames.items()})
    require_trained(tmp_path, fewer.last_session, fewer)
    assert "NEW added; SIM0002 not among these prices" in caplog.text


def test_a_longer_history_is_named(prices, tmp_path, caplog):
    longer = simulated_panel(6, "2013-01-02", "2016-12-30", seed=3)
    train(longer.tail(800), tmp_path)
    train(longer, tmp_path)
    assert "history from 2013-01-02, before 2013-" in caplog.text
    assert "returns" not in caplog.text


def test_other_stocks_under_the_same_names_are_refused_alike(prices, tmp_path):
    train(prices, tmp_path)
    others = simulated_panel(6, "2013-01-02", "2016-12-30", seed=4)
    for use in (
        lambda: train(others, tmp_path),
        lambda: require_trained(tmp_path, pd.Timestamp("2015-06-30"), others.asof("2015-06-30")),
    ):
        with pytest.raises(StoreConfigurationError, match="was trained on other prices, SIM0002"):
            use()


def test_vintages_of_other_stocks_are_not_added(prices, tmp_path, caplog):
    train(prices, tmp_path)
    others = PricePanel(close=prices.close.add_prefix("X"))
    require_trained(tmp_path, others.last_session, others)  # a wide store forecasts stocks it was not trained on
    assert "not among these prices" in caplog.text
    with pytest.raises(StoreConfigurationError, match="holds models of other stocks"):
        train(others, tmp_path, ("2016-01-04", "2016-12-30"))


def make_old(folder) -> None:
    """Rewrite a store as earlier versions wrote it."""
    for file in (folder / "training").iterdir():
        file.unlink()
    (folder / "training").rmdir()
    for place in (folder / "vintages").iterdir():
        metadata = json.loads((place / "manifest.json").read_text())
        del metadata["training"]
        metadata["checksum"] = vintage_checksum((place / "model.safetensors").read_bytes(), metadata)
        (place / "manifest.json").write_text(json.dumps(metadata))


def test_an_old_store_is_migrated_once(prices, tmp_path, caplog):
    before = train(prices, tmp_path)
    make_old(tmp_path)
    after = with_dividend(prices)
    known = after.asof("2015-06-30")
    require_trained(tmp_path, known.last_session, known)
    assert "written by a version that stored no training data" in caplog.text
    assert not (tmp_path / "training").exists()
    train(after, tmp_path)
    assert "later changes will be named" in caplog.text
    caplog.clear()
    again = train(after, tmp_path)
    assert caplog.text == ""
    pd.testing.assert_series_equal(again.predict(known), before.predict(known), check_exact=True)


def test_an_old_store_of_the_same_prices_only_gains_them(prices, tmp_path, caplog):
    train(prices, tmp_path)
    make_old(tmp_path)
    caplog.set_level(logging.WARNING, "volplugin")
    train(prices, tmp_path)
    assert caplog.text == ""
    assert len(list((tmp_path / "training").iterdir())) == 1


def test_training_data_go_with_their_last_vintage(prices, tmp_path):
    store = train(prices, tmp_path, ("2014-06-02", "2014-12-30")).store
    train(prices, tmp_path, ("2015-06-02", "2015-12-30"))
    assert len(list((tmp_path / "training").iterdir())) == 2
    store.remove(store.vintages()[0])
    assert [file.stem[:10] for file in (tmp_path / "training").iterdir()] == ["2014-12-31"]


def test_damaged_training_data_are_named(prices, tmp_path):
    train(prices, tmp_path)
    (file,) = (tmp_path / "training").iterdir()
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(StoreCorruptError, match="checksum"):
        train(prices, tmp_path)


def test_stored_in_single_precision(prices, tmp_path):
    store = train(prices, tmp_path).store
    state, metadata = store.load_training(store.manifest(store.vintages()[0]).training)
    assert {name for name, array in state.items() if array.dtype == np.float32} == {"returns", "variance", "volume"}
    assert json.loads(metadata["assets"]) == list(prices.assets)


def test_the_shipped_store_holds_no_training_data():
    assert not (SHIPPED / "training").exists()
