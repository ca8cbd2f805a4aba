"""Simulated markets: reproducible, consistent, and like real ones in what volatility models live on."""

from __future__ import annotations

from inspect import signature

import exchange_calendars
import numpy as np
import pandas as pd
import pytest

from volplugin import simulated_panel
from volplugin.data.simulated import MIN_LIFE, SECTORS, simulated_market
from volplugin.errors import ParameterError

FIELDS = ("open", "high", "low", "close", "volume")


@pytest.fixture(scope="module")
def market():
    return simulated_market(80, "2000-01-03", "2020-12-31", seed=5)


@pytest.fixture(scope="module")
def panel(market):
    return market.panel()


def bytes_of(market) -> list[bytes]:
    return [market.raw[field].to_numpy().tobytes() for field in FIELDS] + [market.splits.to_numpy().tobytes()]


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(market):
    assert bytes_of(simulated_market(80, "2000-01-03", "2020-12-31", seed=5)) == bytes_of(market)
    other = simulated_market(80, "2000-01-03", "2020-12-31", seed=6)
    assert not any(mine == theirs for mine, theirs in zip(bytes_of(other), bytes_of(market), strict=True))


def test_more_assets_leave_the_first_as_they_are(market):
    few = simulated_market(3, "2000-01-03", "2020-12-31", seed=5)
    for field in FIELDS:
        pd.testing.assert_frame_equal(few.raw[field], market.raw[field][few.splits.columns], check_exact=True)


def test_the_numbers_of_a_seed_stay():
    """Examples and measured figures name a simulated market by its seed alone."""
    market = simulated_market(14, "2005-01-03", "2012-12-31", seed=3)
    sums = {"open": 1342254.332, "high": 1357332.39, "low": 1327566.703, "close": 1342521.465, "volume": 36885719948.0}
    for field, total in sums.items():
        assert market.raw[field].sum().sum() == pytest.approx(total, rel=1e-9)
    bars = market.raw["close"].notna().sum().tolist()
    assert bars == [1368, 2013, 2013, 2013, 2013, 2013, 2013, 354, 2013, 2013, 2013, 1556, 2013, 407]
    assert market.sectors.tolist() == [9, 6, 5, 8, 0, 4, 10, 7, 5, 9, 2, 1, 7, 9]
    splits = {str(day.date()): ratio for (day, _), ratio in market.splits.stack().items() if ratio != 1}
    assert splits == {"2008-11-11": 2.0, "2009-04-08": 2.0, "2012-06-05": 2.0}
    assert (market.splits.index.name, list(market.splits.columns[[0, -1]])) == ("date", ["SIM0001", "SIM0014"])


def test_the_arguments_of_both_functions_are_the_same():
    assert signature(simulated_panel).parameters == signature(simulated_market).parameters
    defaults = {"n_assets": 30, "start": "2000-01-03", "end": "2020-12-31", "seed": 0, "calendar": "XNYS"}
    assert {name: known.default for name, known in signature(simulated_panel).parameters.items()} == defaults
    one, other = (simulated_panel(2, "2018-01-02", "2020-01-03", seed=seed) for seed in (1, 2))
    assert len(one.sessions) == 2 * MIN_LIFE + 1
    assert one.fingerprint() == simulated_market(2, "2018-01-02", "2020-01-03", seed=1).panel().fingerprint()
    assert one.fingerprint() != other.fingerprint()


def test_it_says_that_it_is_simulated(market, panel):
    assert list(panel.assets[[0, -1]]) == ["SIM0001", "SIM0080"]
    assert repr(market) == "SimulatedMarket(80 simulated assets, 5284 sessions, 2000-01-03 to 2020-12-31, seed=5)"


def test_sessions_are_those_of_the_exchange(panel):
    calendar = exchange_calendars.get_calendar("XNYS", start="2000-01-01", end="2021-01-01")
    assert panel.sessions.equals(calendar.sessions_in_range("2000-01-03", "2020-12-31"))
    london = simulated_panel(1, "2015-01-01", "2018-01-01", calendar="XLON")
    assert pd.Timestamp("2015-07-03") in london.sessions
    assert pd.Timestamp("2015-08-31") not in london.sessions


def test_bars_hold_together(panel):
    top, bottom = np.maximum(panel.open, panel.close), np.minimum(panel.open, panel.close)
    here = panel.close.notna()
    assert ((panel.high >= top) == here).all(axis=None)
    assert ((panel.low <= bottom) == here).all(axis=None)
    assert (panel.high > panel.low).sum().sum() > 0.999 * here.sum().sum()
    assert ((panel.volume > 0) == here).all(axis=None)


def test_stocks_are_listed_and_delisted_and_live_without_gaps(panel):
    here = panel.close.notna().to_numpy()
    late, gone = ~here[0], ~here[-1]
    assert 0.15 < late.mean() < 0.5
    assert 0.05 < gone.mean() < 0.35
    assert here.sum(axis=0).min() >= MIN_LIFE
    changes = np.abs(np.diff(here.astype(int), axis=0)).sum(axis=0)
    assert (changes == late.astype(int) + gone).all()


def test_volatility_clusters_and_falls_move_it(panel):
    returns = panel.returns
    size = returns.abs()
    clustering = {lag: size.corrwith(size.shift(lag)).mean() for lag in (1, 21)}
    assert 0.1 < clustering[1] < 0.35
    assert 0.03 < clustering[21] < clustering[1]
    assert abs(returns.corrwith(returns.shift(1)).mean()) < 0.02
    after = panel.variance.rolling(5).mean().shift(-5)
    assert returns.corrwith(after).mean() < -0.08


def test_tails_are_fat_and_sizes_sane(panel):
    returns = panel.returns
    assert 4 < returns.kurt().median() < 20
    annual = returns.std() * np.sqrt(252)
    assert 0.2 < annual.median() < 0.45
    assert 0.1 < returns.mean(axis=1).std() * np.sqrt(252) < 0.25
    assert (returns**2).mean().div(panel.variance.mean()).between(0.75, 1.25).all()


def test_correlations_have_a_market_and_sectors(market, panel):
    correlation = panel.returns.corr(min_periods=MIN_LIFE).to_numpy()
    pairs = ~np.eye(len(correlation), dtype=bool)
    sectors = market.sectors.to_numpy()
    same = (sectors[:, None] == sectors) & pairs
    assert len(set(sectors)) == SECTORS
    assert 0.2 < np.nanmean(correlation[pairs]) < 0.5
    assert np.nanmean(correlation[same]) > np.nanmean(correlation[pairs & ~same]) + 0.05


def test_splits_are_in_the_raw_prices_and_not_in_the_adjusted(market, panel):
    assert ((market.splits == 2).sum() > 0).sum() > 10
    assert ((market.splits < 1).sum() > 0).any()
    jump = np.log(market.raw["close"]).diff() + np.log(market.splits)
    pd.testing.assert_frame_equal(jump, panel.returns, check_freq=False, atol=1e-12)
    pd.testing.assert_series_equal(panel.close.bfill().iloc[0], market.raw["close"].bfill().iloc[0])


def test_the_files_are_ingested_as_the_panel(tmp_path, monkeypatch):
    from volplugin import read_bundle
    from volplugin._bundles import ingest_bundle, register_csv_folder

    monkeypatch.setenv("ZIPLINE_ROOT", str(tmp_path / "zipline"))
    market = simulated_market(14, "2005-01-03", "2012-12-31", seed=3)
    assert (market.splits != 1).sum().sum() > 2
    register_csv_folder("simulated", market.write_csv(tmp_path / "files"))
    ingest_bundle("simulated")
    ingested, panel = read_bundle("simulated"), market.panel()
    for field in ("open", "high", "low", "close"):
        pd.testing.assert_frame_equal(
            getattr(ingested, field), getattr(panel, field), rtol=1e-9, check_freq=False, check_names=False
        )
    pd.testing.assert_frame_equal(ingested.volume, panel.volume, rtol=1e-6, check_freq=False, check_names=False)


def test_what_cannot_be_simulated_is_refused():
    with pytest.raises(
        ParameterError, match="n_assets is 0, .* simulate one or more assets over 504 sessions or more$"
    ):
        simulated_market(0)
    with pytest.raises(ParameterError, match="252 sessions of XNYS"):
        simulated_market(3, "2019-01-02", "2019-12-31")


def test_a_market_holds_its_seed_and_calendar():
    market = simulated_market(2, "2018-01-02", "2019-12-31", seed=7, calendar="XLON")
    assert (market.seed, market.calendar, market.panel().calendar) == (7, "XLON", "XLON")
