"""The shipped bundle holds what the shipped file says."""

import numpy as np
import pandas as pd
import pytest
from zipline.data import bundles
from zipline.utils.calendar_utils import get_calendar

import zipline_market
from volplugin import read_bundle
from volplugin._bundles import check_bars, ingest_bundle, register_dow30
from volplugin._bundles.dow30 import FILE, FIRST_SESSION, LAST_SESSION, load_dow30


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return load_dow30()


@pytest.fixture(scope="module")
def environ(tmp_path_factory) -> dict[str, str]:
    root = {"ZIPLINE_ROOT": str(tmp_path_factory.mktemp("dow30"))}
    register_dow30()
    register_dow30()  # again, as a notebook would
    ingest_bundle("dow30", environ=root)
    return root


def test_file_holds_the_thirty(tables):
    assert len(tables) == 30
    assert sum(map(len, tables.values())) == 158_789
    assert min(bars.index[0] for bars in tables.values()) == pd.Timestamp(FIRST_SESSION)
    assert {bars.index[-1] for bars in tables.values()} == {pd.Timestamp(LAST_SESSION)}
    assert tables["V"].index[0] == pd.Timestamp("2008-03-19")


def test_every_stock_passes_the_checks(tables):
    calendar = get_calendar("XNYS")
    for symbol, bars in tables.items():
        assert check_bars(symbol, bars, calendar) is None


def test_licence_and_provenance_travel_with_the_data():
    assert "Jeffrey Varner" in FILE.with_name("LICENSE").read_text()
    assert "Survivorship" in FILE.with_name("README.md").read_text()


def test_registration_bounds_the_sessions():
    register_dow30()
    registered = bundles.bundles["dow30"]
    assert registered.start_session == pd.Timestamp(FIRST_SESSION)
    assert registered.end_session == pd.Timestamp(LAST_SESSION)
    assert registered.calendar_name == "XNYS"


def test_round_trip_equals_adjusting_the_file_by_hand(environ, tables):
    panel = read_bundle("dow30", environ=environ)
    assert len(panel.assets) == 30
    for symbol in ("AAPL", "HON", "KO", "NVDA", "V"):
        bars = tables[symbol].round({"close": 3})  # what zipline can store
        expected = np.log(zipline_market.adjusted_close(bars)).diff().iloc[1:]
        got = panel.returns[symbol].loc[expected.index]
        assert got.to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-6)


def test_last_prices_are_as_traded(environ, tables):
    last = read_bundle("dow30", environ=environ, anchor="last").close.iloc[-1]
    raw = pd.Series({symbol: bars["close"].iloc[-1] for symbol, bars in tables.items()})
    pd.testing.assert_series_equal(last.sort_index(), raw.sort_index(), check_names=False, atol=6e-4, rtol=0)
