"""The gallery's strategy holds its target, and runs by file, by name and by zipline's own command."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import volplugin._bundles
import volplugin._gallery
import zipline_market
from volplugin.adapters.zipline import run_backtest

START, END = "2017-01-03", "2017-12-27"
FILE = Path(volplugin._gallery.__path__[0]) / "vol_target.py"


@pytest.fixture(scope="module")
def perf(small, store):
    return run_backtest("vol_target", small, START, END, 1e6, {"store": store})


def fills(perf: pd.DataFrame) -> np.ndarray:
    """Rows on which a rebalance was filled; one transaction alone is zipline closing a delisted stock."""
    return np.flatnonzero(perf["transactions"].map(len).gt(1).to_numpy())


def traded_days(perf: pd.DataFrame) -> int:
    return int(perf["orders"].map(len).gt(0).sum())


def test_the_portfolio_is_held_at_its_target(perf):
    """Each order is pinned in ``tests/adapters/zipline/test_targeting.py``; this is the year as a whole."""
    assert perf["returns"].iloc[2:].std() * np.sqrt(252) == pytest.approx(0.10, rel=0.1)
    assert perf["predicted_vol"].iloc[2:].mean() == pytest.approx(0.10, rel=0.2)


def test_scorecard_judges_against_the_target(perf):
    report = perf.attrs["risk_report"]
    assert report["target"] == 0.10
    assert report["sessions"] > 200
    assert 0.06 < report["realized_vol"] < 0.16
    assert 0.7 < report["bias_statistic"]["value"] < 1.4


def test_stocks_are_held_while_they_are_listed(perf):
    held = perf["positions"].map(lambda positions: {p["sid"].symbol for p in positions})
    assert held.iloc[30] == set(zipline_market.SYMBOLS)
    assert "EEE" not in held.iloc[-1]
    assert perf["unmodelled_weight"].iloc[1:].eq(0).all()


def test_weights_are_equal_after_a_rebalance(perf):
    row = perf.iloc[fills(perf)[0]]
    values = [p["amount"] * p["last_sale_price"] for p in row["positions"]]
    assert max(values) / min(values) < 1.1


def test_costs_are_charged(perf):
    transactions = [t for day in perf["transactions"] for t in day]
    bought = next(t for t in transactions if t["amount"] > 0)
    close = next(
        p["last_sale_price"]
        for p in perf["positions"].loc[perf.index.normalize() == bought["dt"].normalize()].iloc[0]
        if p["sid"] == bought["sid"]
    )
    assert bought["price"] == pytest.approx(close * 1.0002)
    assert sum(o["commission"] for day in perf["orders"] for o in day) > 0


@pytest.mark.parametrize(("frequency", "least"), [("weekly", 12), ("daily", 55)])
def test_frequency_sets_how_often_it_trades(small, store, frequency, least):
    end = "2017-03-31"
    perf = run_backtest("vol_target", small, START, end, 1e6, {"store": store, "frequency": frequency, "band": 0})
    assert traded_days(perf) >= least


def test_month_is_the_default_frequency(small, store, perf):
    chosen = {"store": store, "frequency": "monthly"}
    monthly = run_backtest("vol_target", small, START, "2017-02-28", 1e6, chosen)
    pd.testing.assert_series_equal(monthly["returns"], perf["returns"].loc[monthly.index])


def test_target_and_cap_are_parameters(small, store):
    chosen = {"store": store, "target": "0.50", "max_leverage": "1.2", "band": 0}
    perf = run_backtest("vol_target", small, START, "2017-03-31", 1e6, chosen)
    assert perf["gross_leverage"].iloc[5:].between(1.1, 1.3).all()
    assert perf["cash_weight"].iloc[5:].lt(0).all()


def test_the_plain_rolling_correlation_is_one_parameter_away(small, store, perf):
    chosen = {"store": store, "correlation": "rolling"}
    rolling = run_backtest("vol_target", small, START, "2017-03-31", 1e6, chosen)["predicted_vol"]
    default = perf["predicted_vol"].loc[rolling.index]
    assert not np.allclose(rolling.iloc[5:], default.iloc[5:], rtol=1e-3)
    assert rolling.iloc[5:].between(0.05, 0.2).all()


def test_band_saves_trades(small, store):
    chosen = {"store": store, "frequency": "daily"}
    bands = [0.0, 0.5]
    perfs = [run_backtest("vol_target", small, START, "2017-02-28", 1e6, chosen | {"band": band}) for band in bands]
    without, wide = map(traded_days, perfs)
    assert wide < without / 2


def test_file_and_gallery_run_alike(small, store, perf):
    by_file = run_backtest(FILE, small, START, "2017-02-28", 1e6, {"store": store})
    pd.testing.assert_series_equal(by_file["predicted_vol"], perf["predicted_vol"].loc[by_file.index])
    pd.testing.assert_series_equal(by_file["returns"], perf["returns"].loc[by_file.index])


# -- zipline's own command ----------------------------------------------------------------------


def zipline(*arguments: str, root: Path) -> str:
    environ = {**os.environ, "ZIPLINE_ROOT": str(root)}
    finished = subprocess.run(
        [sys.executable, "-m", "zipline", *arguments], env=environ, capture_output=True, text=True, cwd=root
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def root(small, tmp_path_factory):
    """A user's ZIPLINE_ROOT: the sample extension with one line of their own, and their bundle."""
    root = tmp_path_factory.mktemp("root")
    prices = zipline_market.write_csv(root / "prices", zipline_market.market())
    sample = Path(volplugin._bundles.__path__[0], "extension.py").read_text()
    (root / "extension.py").write_text(f"{sample}\nregister_csv_folder('mine', {str(prices)!r})\n")
    return root


def test_zipline_run_with_the_sample_extension_gives_the_same(root, store, small):
    zipline("ingest", "-b", "mine", root=root)
    options = ["-x", f"volplugin.store={store}", "-x", "volplugin.bundle=mine", "-x", "volplugin.target=0.12"]
    dates = ["--start", START, "--end", "2017-02-28", "--no-benchmark", "--capital-base", "1000000"]
    out = ["--metrics-set", "volplugin", "-o", "perf.pkl"]
    zipline(*options, "run", "-f", str(FILE), "-b", "mine", *dates, *out, root=root)
    perf = pd.read_pickle(root / "perf.pkl")
    ours = run_backtest("vol_target", small, START, "2017-02-28", 1e6, {"store": store, "target": 0.12})
    for column in ("returns", "predicted_vol", "realized_vol", "gross_leverage"):
        pd.testing.assert_series_equal(perf[column], ours[column])


def test_the_importable_extension_registers_the_shipped_bundle(tmp_path):
    listed = zipline("-e", "volplugin.adapters.zipline.extension", "bundles", root=tmp_path)
    assert "dow30 <no ingestions>" in listed


def test_extension_can_be_loaded_over_and_over():
    import importlib

    from zipline.data import bundles
    from zipline.finance import metrics

    import volplugin.adapters.zipline.extension as extension

    for _ in range(2):
        importlib.reload(extension)
    assert "dow30" in bundles.bundles
    assert "volplugin" in metrics.metrics_sets
