"""Forecasts are never stale: stores retrained under a live model, user classes in the cache, threads."""

import importlib
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from volplugin import (
    EWMACorrelation,
    HARVolatility,
    ModelStore,
    RiskModel,
    WalkForward,
    simulated_panel,
)
from volplugin.storage.forecast_cache import ForecastCache

PANEL = simulated_panel(4, "2012-01-03", "2016-06-30", seed=1)
OTHER = simulated_panel(4, "2012-01-03", "2016-06-30", seed=2)
START, END = pd.Timestamp("2016-01-04"), pd.Timestamp("2016-06-30")
SESSION = pd.Timestamp("2016-03-31")


def trained(folder, panel=PANEL):
    return WalkForward(HARVolatility(), store=ModelStore(folder)).train(panel, START, END, progress=False)


def retrain(folder):
    """Replace every vintage by one trained on other prices, as another process would."""
    shutil.rmtree(folder)
    trained(folder, OTHER)


def overwrite(folder):
    """Write other vintages over the files, so that no folder of a vintage comes or goes."""
    trained(folder.with_name("other"), OTHER)
    shutil.copytree(folder.with_name("other"), folder, dirs_exist_ok=True)


def same(one, other):
    return np.allclose(one.covariance, other.covariance, rtol=1e-9, atol=0)


@pytest.mark.parametrize("replace", [retrain, overwrite])
def test_a_store_retrained_under_a_live_model_is_noticed(tmp_path, replace, caplog):
    folder, panel = tmp_path / "store", PANEL.asof(SESSION)
    model = RiskModel(trained(folder), EWMACorrelation(42))
    live = model.backtest_forecaster()
    live.precompute_vintage(PANEL, START, 21)
    arrays, before = live.arrays(SESSION), model.forecast(panel)
    assert same(live.forecast(panel), before)
    replace(folder)
    fresh = RiskModel(WalkForward(HARVolatility(), store=ModelStore(folder)), EWMACorrelation(42)).forecast(panel)
    assert not np.allclose(before.volatility, fresh.volatility, rtol=1e-3)
    assert same(model.forecast(panel), fresh)
    with caplog.at_level("WARNING"):
        assert same(live.forecast(panel), fresh)
    assert "the vintage used at 2016-03-31 was replaced" in caplog.text
    live.precompute_vintage(PANEL, START, 21)
    np.testing.assert_allclose(live.arrays(SESSION).volatility, fresh.volatility, rtol=1e-9)
    assert not np.allclose(arrays.volatility, live.arrays(SESSION).volatility, rtol=1e-3)


def test_precomputed_arrays_follow_a_retrained_store_at_the_next_session(tmp_path):
    folder = tmp_path / "store"
    live = RiskModel(trained(folder), EWMACorrelation(42)).backtest_forecaster()
    live.precompute_vintage(PANEL, START, 21)
    assert live.arrays(SESSION) is not None
    retrain(folder)
    assert live.arrays(SESSION + pd.offsets.BDay()) is None


def test_members_of_a_retrained_store_are_those_of_the_new_vintages(tmp_path):
    folder = tmp_path / "store"
    walk_forward = trained(folder)
    first = walk_forward.vintage_at(SESSION)
    assert walk_forward.vintage_at(SESSION) is first
    retrain(folder)
    assert walk_forward.vintage_at(SESSION) is not first
    assert walk_forward.predict(PANEL.asof(SESSION)).equals(
        WalkForward(HARVolatility(), store=ModelStore(folder)).predict(PANEL.asof(SESSION))
    )


SOURCE = """
import numpy as np
from volplugin import EWMAVolatility

def helper():
    return {factor}

class Base(EWMAVolatility):
    requires_fit = True

    def __init__(self, decay=0.94, table=None):
        super().__init__(decay)
        self.table = table

    def _predict_path(self, panel, horizon, first):
        scale = helper() if self.table is None else float(np.asarray(self.table).sum())
        return super()._predict_path(panel, horizon, first) * scale
"""


def user_class(folder, factor, name="users_model"):
    """Write and import a user's module."""
    (folder / f"{name}.py").write_text(SOURCE.format(factor=factor))
    sys.modules.pop(name, None)
    importlib.invalidate_caches()
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    return importlib.import_module(name).Base


def volatility_from(cache, forecaster):
    """First asset's volatility at a precomputed session, with a new run's forecaster on one cache."""
    live = RiskModel(forecaster.fit(PANEL.asof(START)), EWMACorrelation(42)).backtest_forecaster(ForecastCache(cache))
    live.precompute(PANEL, START, END, 21)
    return float(live.arrays(SESSION).volatility[0])


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_user_class_whose_helper_changed_is_computed_anew(home):
    cache = home / "cache"
    once = volatility_from(cache, user_class(home, 1.0)())
    assert len(list(cache.iterdir())) == 1
    assert volatility_from(cache, user_class(home, 1.0)()) == once
    assert len(list(cache.iterdir())) == 1
    assert volatility_from(cache, user_class(home, 2.0)()) == pytest.approx(2 * once)


def test_a_user_class_whose_base_in_another_module_changed_is_computed_anew(home):
    cache = home / "cache"

    def derived(factor):
        user_class(home, factor)
        (home / "users_child.py").write_text("from users_model import Base\nclass Child(Base):\n    pass\n")
        sys.modules.pop("users_child", None)
        return importlib.import_module("users_child").Child()

    once = volatility_from(cache, derived(1.0))
    assert volatility_from(cache, derived(3.0)) == pytest.approx(3 * once)


def test_classes_of_one_name_in_two_modules_do_not_share_forecasts(home):
    cache = home / "cache"
    one = volatility_from(cache, user_class(home, 1.0, "users_a")())
    assert volatility_from(cache, user_class(home, 2.0, "users_b")()) == pytest.approx(2 * one)


def test_a_large_table_changed_in_its_middle_is_computed_anew(home):
    cache, kind = home / "cache", user_class(home, 1.0)
    table = pd.DataFrame(np.zeros((3000, 2)))
    table.iloc[0, 0] = 1.0
    once = volatility_from(cache, kind(table=table))
    changed = table.copy()
    changed.iloc[1500, 1] = 1.0  # in the part that repr leaves out
    assert repr(changed) == repr(table)
    assert volatility_from(cache, kind(table=changed)) == pytest.approx(2 * once)
    array = np.zeros(5000)
    array[2500] = 3.0
    assert volatility_from(cache, kind(table=array)) == pytest.approx(3 * once)


class Opaque(list):
    """A list whose attribute no text shows."""

    def __array__(self, dtype=None, copy=None):
        return np.array([self.value], dtype=float)


def test_what_has_no_complete_description_is_not_cached(home):
    cache, kind = home / "cache", user_class(home, 1.0)
    found = []
    for value in (1.0, 2.0):
        table = Opaque()
        table.value = value
        found.append(volatility_from(cache, kind(table=table)))
    assert found[1] == pytest.approx(2 * found[0])
    assert not cache.exists()
    volatility_from(cache, kind(table=np.ma.array([1.0, 2.0], mask=[False, True])))
    assert not cache.exists()


def test_an_attribute_that_is_no_parameter_is_a_part_of_the_key(home):
    cache, kind = home / "cache", user_class(home, 1.0)
    one, other = kind(), kind()
    one.note, other.note = [1.0], [2.0]
    volatility_from(cache, one)
    volatility_from(cache, other)
    assert len(list(cache.iterdir())) == 2


def test_threads_that_share_a_forecaster_return_the_numbers_of_one(tmp_path):
    model = RiskModel(trained(tmp_path / "store"), EWMACorrelation(42))
    sessions = list(PANEL.sessions[PANEL.sessions.slice_indexer(START, END)])[::6]
    alone = {session: model.forecast(PANEL.asof(session)).covariance for session in sessions}
    live = model.backtest_forecaster()
    jobs = [session for _ in range(4) for session in sessions]
    np.random.default_rng(0).shuffle(jobs)

    def work(session):
        live.precompute_vintage(PANEL, session, 21)
        arrays = live.arrays(session)
        forecast = live.forecast(PANEL.asof(session))
        return session, arrays, forecast

    with ThreadPoolExecutor(8) as threads:
        for session, arrays, forecast in threads.map(work, jobs):
            np.testing.assert_allclose(forecast.covariance, alone[session], rtol=1e-9)
            if arrays is not None:
                sigma = arrays.volatility
                np.testing.assert_allclose(arrays.correlation * np.outer(sigma, sigma), alone[session], rtol=1e-9)
