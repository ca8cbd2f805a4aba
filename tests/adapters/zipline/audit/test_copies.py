"""Copies with another future: the same before the cut to the last bit, and a valid market after it."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import zipline_market
from volplugin import read_bundle
from volplugin.adapters.zipline.audit import copies
from volplugin.adapters.zipline.audit.copies import scrambled_root
from volplugin.adapters.zipline.audit.scramble import other_future
from volplugin.adapters.zipline.bundles import newest_ingestion, open_bundle
from volplugin.data.panel import PRICES

CUT = pd.Timestamp("2017-02-01")  # FFF splits that morning
FIELDS = (*PRICES, "volume")


def copied(small, cut, seed=0, **settings):
    with scrambled_root([small], os.environ, cut, seed, **settings) as root:
        environ = {"ZIPLINE_ROOT": root}
        with open_bundle(small, environ) as data:
            assets = data.asset_finder.retrieve_all(data.asset_finder.sids)
        assert all(asset.auto_close_date == asset.end_date + pd.Timedelta(days=1) for asset in assets)
        ends = {asset.symbol: asset.end_date for asset in assets}
        return read_bundle(small, environ=environ), ends


@pytest.fixture(scope="module")
def other(small):
    return copied(small, CUT)


def test_a_plain_copy_is_the_bundle(small):
    panel, original = copied(small, None)[0], read_bundle(small)
    for field in FIELDS:
        pd.testing.assert_frame_equal(getattr(panel, field), getattr(original, field), check_exact=True)


def test_before_the_cut_nothing_is_replaced(small, other):
    original = read_bundle(small)
    for field in FIELDS:
        one, two = (getattr(panel, field)[: CUT - pd.Timedelta(days=1)] for panel in (original, other[0]))
        pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_from_the_cut_on_everything_is(small, other):
    original = read_bundle(small)
    for field in FIELDS:
        one, two = (getattr(panel, field)[CUT:] for panel in (original, other[0]))
        assert not (one == two).to_numpy().any()
    assert (other[0].returns.loc[CUT].abs() > 0.04).all()


def test_returns_over_the_new_splits_are_ordinary(other):
    assert other[0].returns[CUT:].abs().max().max() < 0.5
    assert other[0].returns[CUT:].std().min() > 0.01


def test_a_split_of_the_session_before_the_cut_is_in_its_prices(small):
    next_morning = pd.Timestamp("2017-02-02")
    assert copied(small, next_morning)[0].returns.loc[next_morning].abs().max() < 0.2


def events(environ, small):
    with open_bundle(small, environ) as data:
        return data.adjustment_reader.unpack_db_to_component_dfs(convert_dates=True)


def test_splits_of_the_morning_stay_and_later_events_are_others(small):
    with scrambled_root([small], os.environ, CUT, 0) as root:
        true, other = events(os.environ, small), events({"ZIPLINE_ROOT": root}, small)
    for name in ("splits", "dividends"):
        past, future = (
            [set(map(tuple, frame[keep(frame["effective_date"])].to_numpy())) for frame in (true[name], other[name])]
            for keep in (lambda dates: dates <= CUT, lambda dates: dates > CUT)
        )
        assert past[0] == past[1]
        assert len(past[0]) >= 2
        assert not future[0] & future[1]
        assert len(future[1]) >= 5
    assert len(other["dividends"]) == len(other["dividend_payouts"])


def test_files_that_could_hold_the_true_future_are_left_out(small):
    source = newest_ingestion(small, os.environ)
    left = [source / "prices.csv", source / "minute_equities.bcolz" / "true.bcolz"]
    try:
        for file in left:
            file.write_text("1")
        with scrambled_root([small], os.environ, CUT, 0) as root:
            copy = Path(root, "data", small, source.name)
            assert [file for file in left if (copy / file.relative_to(source)).exists()] == []
            assert (copy / "minute_equities.bcolz" / "metadata.json").exists()
    finally:
        for file in left:
            file.unlink()


def test_a_mirrored_future_goes_the_other_way(small, other):
    mirrored = copied(small, CUT, mirrored=True)[0]
    one, two = (panel.returns.loc[CUT] for panel in (other[0], mirrored))
    assert (np.sign(one) == -np.sign(two)).all()


def test_some_are_delisted_early_and_the_bundle_ends_where_it_did(small):
    ends = [copied(small, CUT, seed)[1] for seed in range(3)]
    true = copied(small, None)[1]
    assert any(end != true for end in ends)
    assert all(max(end.values()) == pd.Timestamp(zipline_market.LAST) for end in ends)
    assert all(end[symbol] <= true[symbol] for end in ends for symbol in true)
    assert all(end[symbol] > CUT for end in ends for symbol in true)


@pytest.mark.parametrize(("share", "mirrored"), [(1.0, False), (0.0, True)])
def test_where_every_asset_is_drawn_to_end_early_one_lives_on(share, mirrored, small, monkeypatch):
    """The bundle has to end where it did; in the mirrored copy it is another asset."""
    monkeypatch.setattr(copies, "EARLY_ENDS", share)
    panel, ends = copied(small, CUT, mirrored=mirrored)
    last = pd.Timestamp(zipline_market.LAST)
    alive = [symbol for symbol, end in copied(small, None)[1].items() if end == last]
    assert [symbol for symbol in alive if ends[symbol] == last] == [alive[-1 if mirrored else 0]]
    assert {symbol: panel.close[symbol].last_valid_index() for symbol in ends} == ends


# -- one asset ----------------------------------------------------------------------------------


def bars(count=300, price=50.0, seed=1):
    random = np.random.default_rng(seed)
    close = price * np.exp(np.cumsum(0.01 * random.standard_normal(count)))
    return np.column_stack([close, close * 1.01, close * 0.99, close, np.full(count, 1e6)]).round(3)


def future(table, first=200, **settings):
    return other_future(table, first, 1.0, 3, np.random.default_rng(0), **settings)


@pytest.mark.parametrize("price", [0.02, 50.0, 3e6])
def test_bars_are_valid_at_any_price(price):
    made = future(bars(price=price)).bars
    opened, high, low, close, volume = made[200:].T
    assert (low > 0).all()
    assert (high <= 4.29e6).all()
    assert (low <= np.minimum(opened, close)).all()
    assert (high >= np.maximum(opened, close)).all()
    assert ((volume >= 1) & (volume <= 4.29e9)).all()


def test_gaps_stay_gaps():
    table = bars()
    table[220:225] = [np.nan, np.nan, np.nan, np.nan, 0]
    made = future(table)
    assert np.isnan(made.bars[220:225, :4]).all()
    assert np.isfinite(np.delete(made.bars, np.s_[220:225], axis=0)).all()
    assert all(np.isfinite(amount) for _, amount, _ in made.dividends)


def test_dividends_fit_the_closes_before_them():
    made = future(bars())
    assert len(made.dividends) == 3
    for row, amount, ratio in made.dividends:
        assert row > 200
        assert 1 - amount / made.bars[row - 1, 3] == pytest.approx(ratio)


@pytest.mark.parametrize("first", [0, 299, 300])
def test_the_edges_of_an_asset_s_life(first):
    made = future(bars(), first, delist=True)
    assert len(made.bars) == 300 or first == 0
    assert np.array_equal(made.bars[:first], bars()[:first])
    assert not np.isnan(made.bars).any()


@pytest.mark.parametrize(
    ("arguments", "settings", "totals", "splits", "dividends"),
    [
        (
            (200, 1.0, 3, 0, 50.0),
            {},
            [2030.342, 2074.823, 1994.323, 2035.094, 113341501.0],
            [(214, 1 / 3)],
            [(227, 0.0365, 0.99741), (259, 0.1228, 0.99286), (265, 0.3115, 0.98138)],
        ),
        (
            (200, 1.0, 3, 0, 50.0),
            {"mirrored": True},
            [1684.896, 1720.504, 1652.879, 1685.03, 113341501.0],
            [(214, 1 / 3)],
            [(227, 0.0381, 0.99741), (259, 0.0858, 0.99286), (265, 0.2304, 0.98138)],
        ),
        (
            (200, 0.5, 2, 0, 50.0),
            {"delist": True},
            [1768.911, 1809.26, 1738.939, 1775.701, 95043286.0],
            [(273, 0.5)],
            [(225, 0.2634, 0.98775), (278, 0.0992, 0.99253)],
        ),
        (
            (10, 1.0, 3, 3, 3.0),
            {},
            [1216.999, 1251.393, 1184.916, 1219.119, 333842550.0],
            [(223, 2.0)],
            [(117, 0.0324, 0.9858), (127, 0.042, 0.98322), (252, 0.0509, 0.99022)],
        ),
        (
            (200, 1.0, 1, 0, 6.0),
            {},
            [243.648, 248.985, 239.325, 244.217, 113341501.0],
            [(214, 1 / 3)],
            [(228, 0.0201, 0.98782)],
        ),
        (
            (21, 1.0, 1, 0, 50.0),
            {},
            [6023.238, 6186.009, 5857.621, 6015.997, 326976819.0],
            [(60, 1 / 3)],
            [(175, 0.0561, 0.99706)],
        ),
        (
            (297, 1.0, 1, 0, 50.0),
            {},
            [70.5, 71.234, 67.78, 68.373, 2308888.0],
            [(298, 0.5)],
            [(299, 0.1137, 0.99331)],
        ),
        (
            (298, 1.0, 5, 0, 50.0),
            {"delist": True},
            [70.362, 71.019, 67.877, 68.517, 1263397.0],
            [],
            [(299, 0.0361, 0.99895)],
        ),
        (
            (0, 1.0, 3, 0, 50.0),
            {},
            [13787.8, 14174.327, 13383.154, 13767.037, 337657974.0],
            [(239, 1 / 3)],
            [(33, 0.3146, 0.99179), (253, 0.2594, 0.98136), (292, 0.0728, 0.9918)],
        ),
    ],
)
def test_a_seed_gives_the_same_future_again(arguments, settings, totals, splits, dividends):
    """A verdict can be reproduced by its seed."""
    first, morning, wanted, seed, price = arguments
    made = other_future(bars(price=price), first, morning, wanted, np.random.default_rng(seed), **settings)
    assert made.bars[first:].sum(axis=0) == pytest.approx(totals, rel=1e-9)
    np.testing.assert_allclose(np.reshape(made.splits, (-1, 2)), np.reshape(splits, (-1, 2)))
    np.testing.assert_allclose(made.dividends, dividends, atol=1e-4)
