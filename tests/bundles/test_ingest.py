"""An ingestion is there whole or not at all, however it is started and however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from zipline.data import bundles

import zipline_market
from volplugin import read_bundle
from volplugin._bundles import ingest_bundle, load_csv_folder, register_csv_folder
from volplugin.errors import BundleError, BundleNotFoundError, PanelError


def visible(root: dict[str, str], name: str) -> list[Path]:
    """Ingestions that zipline would look at."""
    folder = Path(root["ZIPLINE_ROOT"], "data", name)
    return sorted(child for child in folder.glob("*") if not child.name.startswith("."))


def hidden(root: dict[str, str], name: str) -> list[str]:
    return [child.name for child in Path(root["ZIPLINE_ROOT"], "data", name).glob(".*")]


def test_bars_adjustments_and_assets_come_back(small, ingested):
    tables = zipline_market.market()
    with bundles.load(small, ingested) as data:
        reader, finder = data.equity_daily_bar_reader, data.asset_finder
        assert reader.sessions[0] == pd.Timestamp(zipline_market.FIRST)
        assert reader.last_available_dt == pd.Timestamp(zipline_market.LAST)
        assets = {asset.symbol: asset for asset in finder.retrieve_all(finder.equities_sids)}
        assert list(assets) == zipline_market.SYMBOLS
        assert assets["DDD"].start_date == pd.Timestamp(zipline_market.LISTED)
        assert assets["EEE"].end_date == pd.Timestamp(zipline_market.DELISTED)
        assert finder.equities_sids_for_country_code("US") == tuple(range(6))
        (close,) = reader.load_raw_arrays(["close"], reader.sessions[0], reader.last_available_dt, [0])
        assert close[:, 0] == pytest.approx(tables["AAA"]["close"].to_numpy(), abs=1e-9)
        splits = data.adjustment_reader.get_df_from_table("splits", convert_dates=True)
        assert dict(zip(splits["sid"], splits["ratio"], strict=True)) == {0: 0.5, 5: pytest.approx(2 / 3)}
        paid = data.adjustment_reader.get_df_from_table("dividend_payouts", convert_dates=True)
        assert len(paid) == len(zipline_market.DIVIDENDS)
        assert (paid["pay_date"] == paid["ex_date"]).all()


def test_success_leaves_no_staging(small, ingested):
    assert len(visible(ingested, small)) == 1
    assert hidden(ingested, small) == []


def test_ingesting_again_adds_a_newer_one(small, ingested):
    ingest_bundle(small, environ=ingested)
    assert len(visible(ingested, small)) == 2


def test_zipline_itself_ingests_the_same_way(small, root):
    bundles.ingest(small, root)
    assert len(visible(root, small)) == 1
    assert hidden(root, small) == []


@pytest.mark.parametrize("moment", ["SQLiteAdjustmentWriter.write", "os.replace"])
def test_a_kill_leaves_the_old_one_and_the_next_ingest_cleans_up(small, ingested, csv_folder, moment):
    before = visible(ingested, small)
    code = f"""
import os, signal
from volplugin._bundles import ingest_bundle, register_csv_folder, staged
from volplugin._bundles.staged import *
owner, name = {moment!r}.split(".")
setattr(globals()[owner], name, lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL))
register_csv_folder({small!r}, {str(csv_folder)!r})
ingest_bundle({small!r}, environ={ingested!r})
"""
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert visible(ingested, small) == before
    assert any(name.startswith(".staging-") for name in hidden(ingested, small))
    ingest_bundle(small, environ=ingested)
    assert len(visible(ingested, small)) == 2
    assert hidden(ingested, small) == []


def test_a_running_ingest_is_left_alone(small, ingested):
    theirs = visible(ingested, small)[0].with_name(f".staging-{os.getpid()}-now")
    theirs.mkdir()
    ingest_bundle(small, environ=ingested)
    assert theirs.is_dir()


def test_an_empty_folder_of_a_killed_ingest_is_removed(small, ingested):
    # zipline makes the folder before it calls an ingest function: a kill in between leaves it empty.
    empty = visible(ingested, small)[0].with_name("2001-01-01T00;00;00.000000")
    empty.mkdir()
    ingest_bundle(small, environ=ingested)
    assert not empty.exists()


def test_the_last_whole_ingestion_is_read_where_a_killed_one_left_an_empty_folder(small, ingested):
    before = read_bundle(small, environ=ingested).fingerprint()
    empty = visible(ingested, small)[0].with_name("2999-01-01T00;00;00.000000")
    empty.mkdir()
    assert read_bundle(small, environ=ingested).fingerprint() == before
    assert not empty.exists()


def test_bad_prices_write_nothing(tmp_path, root):
    tables = zipline_market.market()
    tables["CCC"].loc["2016-05-02", "close"] = float("nan")
    register_csv_folder("broken", zipline_market.write_csv(tmp_path / "prices", tables))
    with pytest.raises(PanelError, match="CCC on 2016-05-02: close nan is missing"):
        ingest_bundle("broken", environ=root)
    assert visible(root, "broken") == []
    assert hidden(root, "broken") in ([], [".cache"])


def test_registering_again_is_silent_and_takes_the_newer_folder(tmp_path, root):
    tables = {"AAA": zipline_market.market()["AAA"]}
    register_csv_folder("twice", tmp_path / "absent")
    register_csv_folder("twice", zipline_market.write_csv(tmp_path / "prices", tables))
    ingest_bundle("twice", environ=root)
    assert len(visible(root, "twice")) == 1


def test_unregistered_name_says_what_there_is(root, small):
    with pytest.raises(BundleNotFoundError, match=f"no bundle 'nothing' is registered .*{small}"):
        ingest_bundle("nothing", environ=root)


# -- the folder itself --------------------------------------------------------------------------


def test_csvdir_layout_and_compressed_files_are_read(tmp_path):
    bars = zipline_market.market()["AAA"]
    (tmp_path / "daily").mkdir()
    bars.to_csv(tmp_path / "daily" / "AAA.csv.gz", index_label="date")
    pd.testing.assert_frame_equal(load_csv_folder(tmp_path)["AAA"], bars, check_freq=False, check_names=False)


def test_dividend_and_split_columns_are_optional(tmp_path):
    bars = zipline_market.market()["AAA"].drop(columns=["dividend", "split"])
    bars.to_csv(tmp_path / "AAA.csv", index_label="Date")
    table = load_csv_folder(tmp_path)["AAA"]
    assert (table["dividend"] == 0).all()
    assert (table["split"] == 1).all()


def test_dates_bound_what_is_kept(tmp_path):
    zipline_market.write_csv(tmp_path, zipline_market.market())
    tables = load_csv_folder(tmp_path, start="2015-03-02", end="2015-03-31")
    assert sorted(tables) == ["AAA", "BBB", "CCC", "EEE", "FFF"]  # DDD is listed later
    assert tables["AAA"].index[[0, -1]].tolist() == [pd.Timestamp("2015-03-02"), pd.Timestamp("2015-03-31")]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "no such folder"),
        ({}, "holds no CSV files"),
        ({"A.csv": ""}, "not a readable CSV file"),
        ({"A.csv": "date,open,close\n2016-01-04,1,1\n"}, "no column high, low; give open, high and low"),
        (
            {"A.csv": "date,open,high,low,close,volume\n2016-01-04,1,one,1,1,5\n"},
            "high is 'one', which is not a number",
        ),
        ({"A.csv": "date,open,high,low,close,volume\n4 Jan,1,1,1,1,5\n"}, "4 Jan"),
        ({"A.csv": "date,open,high,low,close,volume\n", "A.csv.gz": ""}, "both A.csv and A.csv.gz"),
        ({"A.csv": "date,open,high,low,close,volume\n"}, "no rows"),
    ],
)
def test_unusable_folder_is_named(tmp_path, files, message):
    folder = tmp_path / "prices"
    if files is not None:
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
    with pytest.raises(BundleError, match=message):
        load_csv_folder(folder)


def test_a_bundle_of_others_that_fails_is_one_line(tmp_path):
    def broken(*_):
        raise TypeError("Expected data of type float\nfor column 'amount'.")

    bundles.register("theirs", broken)
    with pytest.raises(
        BundleError, match="'theirs' cannot be ingested: Expected data of type float for column 'amount'; "
    ):
        ingest_bundle("theirs", environ={"ZIPLINE_ROOT": str(tmp_path)})
    bundles.unregister("theirs")
