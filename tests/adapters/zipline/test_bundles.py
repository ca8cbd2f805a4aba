"""`read_bundle`: exactly adjusted bars, and named errors."""

import os
import shutil
import sqlite3
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from zipline.api import order_target_percent
from zipline.data import bundles
from zipline.data.bundles.csvdir import csvdir_equities
from zipline.utils.calendar_utils import get_calendar

import zipline_market
from adapters.zipline import strategies
from volplugin import read_bundle
from volplugin._bundles import bundle_from_frames, ingest_bundle, register_csv_folder
from volplugin.adapters.zipline import bundle_calendar, bundle_sessions, check_range
from volplugin.errors import AssetMismatchError, BundleError, BundleNotFoundError, BundleRangeError, PanelError


@pytest.fixture(scope="module")
def tables():
    return zipline_market.market()


@pytest.mark.parametrize("symbol", zipline_market.SYMBOLS)
def test_closes_are_adjusted_as_by_hand(small, tables, symbol):
    expected = zipline_market.adjusted_close(tables[symbol])
    got = read_bundle(small, anchor="last").close[symbol].loc[expected.index]
    assert got.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-12)


def test_bars_before_listing_and_after_delisting_are_missing(small):
    panel = read_bundle(small)
    assert panel.close["DDD"].first_valid_index() == pd.Timestamp(zipline_market.LISTED)
    assert panel.close["EEE"].last_valid_index() == pd.Timestamp(zipline_market.DELISTED)
    assert panel.volume["DDD"].isna().equals(panel.close["DDD"].isna())


def test_a_split_keeps_bar_shape_and_traded_value(small, tables):
    panel, raw = read_bundle(small), tables["AAA"]
    for field in ("open", "high", "low"):
        shape = getattr(panel, field)["AAA"] / panel.close["AAA"]
        assert shape.to_numpy() == pytest.approx((raw[field] / raw["close"]).to_numpy(), rel=1e-12)
    value = panel.volume["AAA"] * panel.close["AAA"]  # AAA pays no dividends
    assert value.to_numpy() == pytest.approx((raw["volume"] * raw["close"]).to_numpy(), rel=1e-12)


def test_returns_do_not_depend_on_the_anchor(small):
    last, first = read_bundle(small, anchor="last"), read_bundle(small)
    pd.testing.assert_frame_equal(last.returns, first.returns, atol=1e-14, rtol=0)
    assert last.fingerprint() == first.fingerprint()


def test_anchored_first_the_past_holds_nothing_of_the_future(small, poisoned):
    before = slice(None, pd.Timestamp(zipline_market.POISON) - pd.Timedelta(days=1))
    clean, other = (read_bundle(name) for name in (small, poisoned))
    for field in ("open", "high", "low", "close", "volume"):
        pd.testing.assert_frame_equal(
            getattr(clean, field).loc[before], getattr(other, field).loc[before], check_exact=True
        )


def test_end_leaves_later_adjustments_out(small, tables):
    panel = read_bundle(small, start="2015-06-01", end="2016-06-03")  # the split is of the session after
    raw = tables["AAA"].loc["2015-06-01":"2016-06-03", "close"]
    assert panel.close["AAA"].to_numpy() == pytest.approx(raw.to_numpy(), rel=1e-12)
    assert panel.sessions[[0, -1]].tolist() == [raw.index[0], raw.index[-1]]


def test_chosen_assets_keep_the_bundle_as_market(small):
    panel = read_bundle(small, assets=["FFF", "BBB"])
    assert list(panel.assets) == ["FFF", "BBB"]
    assert list(panel.market.assets) == zipline_market.SYMBOLS


def test_reading_is_quick_and_repeatable(small):
    begin = time.perf_counter()
    first, second = read_bundle(small), read_bundle(small)
    assert time.perf_counter() - begin < 2
    assert first.fingerprint() == second.fingerprint()
    assert first.close is not second.close


def test_sessions_are_those_of_the_data(small):
    assert bundle_sessions(small).equals(zipline_market.sessions())


# -- errors -------------------------------------------------------------------------------------


def test_unknown_bundle_lists_the_known(small):
    with pytest.raises(BundleNotFoundError, match=r"no bundle 'nothing': there are .*dow30.*small-market"):
        read_bundle("nothing")


def test_bundle_that_is_not_ingested_names_the_command(tmp_path):
    with pytest.raises(BundleNotFoundError, match="run `volplugin ingest dow30` or `zipline -e"):
        read_bundle("dow30", environ={"ZIPLINE_ROOT": str(tmp_path)})


def test_partial_ingestion_of_another_tool_is_named(small, tmp_path):
    (tmp_path / "data" / small / "2020-01-01T00;00;00" / "daily_equities.bcolz").mkdir(parents=True)
    with pytest.raises(BundleError, match="newest ingestion of bundle 'small-market' is incomplete"):
        read_bundle(small, environ={"ZIPLINE_ROOT": str(tmp_path)})


def test_unknown_asset_is_named(small):
    with pytest.raises(AssetMismatchError, match="bundle 'small-market' has no XYZ; it holds AAA, BBB"):
        read_bundle(small, assets=["AAA", "XYZ"])


@pytest.mark.parametrize(
    ("dates", "error", "message"),
    [
        ({"end": "2018-01-02"}, BundleRangeError, "2018-01-02 is after the last session: .* to 2017-12-29"),
        ({"start": "2014-12-31"}, BundleRangeError, "2014-12-31 is before the first session"),
        ({"start": "2016-01-02", "end": "2016-01-03"}, BundleRangeError, "no session from"),
        ({"start": "2016-03-01", "end": "2016-02-01"}, BundleRangeError, "no session from"),
        ({"end": pd.Timestamp("2016-01-04", tz="UTC")}, PanelError, "pass 2016-01-04"),
    ],
)
def test_dates_out_of_range_are_named(small, dates, error, message):
    with pytest.raises(error, match=message):
        read_bundle(small, **dates)


def test_check_range_passes_what_the_bundle_holds(small):
    assert check_range(small, zipline_market.FIRST, zipline_market.LAST) is None
    with pytest.raises(BundleRangeError, match="end there, or ingest newer data"):
        check_range(small, "2016-01-04", "2019-01-04")


def test_unknown_anchor_is_refused(small):
    with pytest.raises(BundleError, match="anchor is 'middle'"):
        read_bundle(small, anchor="middle")


# -- finding the registration -------------------------------------------------------------------


def test_the_users_own_extension_is_loaded(tmp_path, tables):
    prices = zipline_market.write_csv(tmp_path / "prices", {"AAA": tables["AAA"]})
    (tmp_path / "extension.py").write_text(
        f"from volplugin.adapters.zipline import register_csv_folder\nregister_csv_folder('mine', {str(prices)!r})\n"
    )
    root = {"ZIPLINE_ROOT": str(tmp_path)}
    with pytest.raises(BundleNotFoundError, match="bundle 'mine' is not ingested"):
        read_bundle("mine", environ=root)
    ingest_bundle("mine", environ=root)
    assert list(read_bundle("mine", environ=root).assets) == ["AAA"]


def test_an_ingested_bundle_is_readable_where_nothing_registers_it(tmp_path, tables):
    root = {"ZIPLINE_ROOT": str(tmp_path / "root")}
    register_csv_folder("orphan", zipline_market.write_csv(tmp_path / "prices", {"AAA": tables["AAA"]}))
    ingest_bundle("orphan", environ=root)
    bundles.unregister("orphan")  # as in another process
    assert len(read_bundle("orphan", environ=root).sessions) == len(tables["AAA"])
    with pytest.raises(BundleError, match="registered for reading only"):
        ingest_bundle("orphan", environ=root)


def test_an_orphan_is_registered_with_the_calendar_that_it_was_written_with(tmp_path):
    root = {"ZIPLINE_ROOT": str(tmp_path)}
    days = get_calendar("XLON").sessions_in_range("2016-01-04", "2016-06-30")
    close = pd.DataFrame({"VOD": 200.0 + np.arange(len(days)) % 7}, days)
    bundle_from_frames("london", {"close": close}, environ=root, calendar="XLON")
    bundles.unregister("london")  # as in another process
    assert bundle_calendar("london", root) == "XLON"
    assert bundles.bundles["london"].calendar_name == "XLON"
    assert bundle_sessions("london", root).equals(pd.DatetimeIndex(days, freq=None))


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of zipline's own csvdir and asset writer
def test_a_csvdir_bundle_without_an_end_ends_with_its_last_bar(tmp_path, tables):
    root = {"ZIPLINE_ROOT": str(tmp_path)}
    zipline_market.write_csv(tmp_path / "prices" / "daily", {symbol: tables[symbol] for symbol in ("AAA", "EEE")})
    bundles.register("plain-csvdir", csvdir_equities(["daily"], str(tmp_path / "prices")), calendar_name="XNYS")
    bundles.ingest("plain-csvdir", root)
    assert bundle_sessions("plain-csvdir", root)[[0, -1]].tolist() == [
        pd.Timestamp(zipline_market.FIRST),
        pd.Timestamp(zipline_market.LAST),
    ]
    assert read_bundle("plain-csvdir", environ=root).last_session == pd.Timestamp(zipline_market.LAST)
    with pytest.raises(BundleRangeError, match="end there, or ingest newer data"):
        check_range("plain-csvdir", "2016-01-04", "2018-01-04", root)


def test_two_stocks_of_one_symbol_are_refused(small, tmp_path):
    source = Path(os.environ["ZIPLINE_ROOT"], "data", small)
    target = shutil.copytree(source, tmp_path / "data" / small)
    database = max(target.glob("*/assets-*.sqlite"))  # of the newest ingestion
    with sqlite3.connect(database) as connection:
        connection.execute("update equity_symbol_mappings set symbol = 'AAA', company_symbol = 'AAA' where sid = 1")
    connection.close()
    with pytest.raises(BundleError, match="AAA: two stocks"):
        read_bundle(small, environ={"ZIPLINE_ROOT": str(tmp_path)})


def test_missing_bars_stay_missing():
    """A bar that another tool stored as zeros reads as missing in every field, volume included."""
    from volplugin.adapters.zipline.bundles import _factors

    ratios = np.array([[1.0], [0.5], [1.0], [0.9]])
    assert _factors(ratios, "last")[:, 0] == pytest.approx([0.45, 0.9, 0.9, 1.0])
    assert _factors(ratios, "first")[:, 0] == pytest.approx([1.0, 2.0, 2.0, 2.0 / 0.9])


def test_a_run_earns_prices_splits_and_dividends(small, tables):
    """zipline keeps a position's value over a split and pays dividends in cash, on the ex-date."""

    def initialize(context):
        context.assets = [a for a in strategies.universe(context) if a.symbol in ("AAA", "BBB", "CCC", "FFF")]
        context.bought = False

    def buy_and_hold(context, data):
        for asset in () if context.bought else context.assets:
            order_target_percent(asset, 0.24)
        context.bought = True

    perf = strategies.run(small, "2016-03-01", "2017-09-01", initialize, handle_data=buy_and_hold)
    days = perf.index.normalize().tz_localize(None)
    earned = {symbol: _simple_returns(bars) for symbol, bars in tables.items()}
    for row in range(6, len(perf)):
        yesterday = perf.iloc[row - 1]
        worth = {p["sid"].symbol: p["amount"] * p["last_sale_price"] for p in yesterday["positions"]}
        gain = sum(earned[symbol][days[row]] * value for symbol, value in worth.items())
        assert perf["returns"].iloc[row] == pytest.approx(gain / yesterday["portfolio_value"], abs=1e-5)


def _simple_returns(bars):
    return (bars["close"] * bars["split"] + bars["dividend"]) / bars["close"].shift(1) - 1
