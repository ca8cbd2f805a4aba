import os
import pickle
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from registry import tiny_lstm
from sklearn.base import clone
from synthetic import ASOF, SESSIONS, poisoned

from volplugin import (
    EWMAVolatility,
    HARVolatility,
    ModelStore,
    PricePanel,
    RefitSchedule,
    RollingVolatility,
    WalkForward,
)
from volplugin.errors import (
    InsufficientHistoryError,
    MissingVintageError,
    PanelError,
    ParameterError,
    StoreConfigurationError,
    StoreCorruptError,
)
from volplugin.volatility import VolatilityForecaster

BUSINESS_DAYS = pd.bdate_range("2007-01-01", "2012-06-29")


def dates(schedule: str, start: str, end: str) -> list[str]:
    return [str(date.date()) for date in RefitSchedule(schedule).dates(BUSINESS_DAYS, start, end)]


def states_equal(one: VolatilityForecaster, other: VolatilityForecaster) -> bool:
    left, right = one.get_state(), other.get_state()
    return left.keys() == right.keys() and all(np.array_equal(left[key], right[key]) for key in left)


# -- the schedule ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "start", "end", "expected"),
    [
        ("yearly", "2010-01-04", "2010-12-30", ["2009-12-31"]),
        ("yearly", "2010-01-01", "2012-06-29", ["2009-12-31", "2010-12-31", "2011-12-30"]),
        ("yearly", "2010-12-31", "2011-01-03", ["2009-12-31", "2010-12-31"]),
        ("yearly", "2010-06-15", "2010-06-15", ["2009-12-31"]),
        ("quarterly", "2010-02-01", "2010-08-02", ["2009-12-31", "2010-03-31", "2010-06-30"]),
        ("monthly", "2011-01-03", "2011-03-01", ["2010-12-31", "2011-01-31", "2011-02-28"]),
    ],
)
def test_dates_are_the_last_sessions_of_calendar_periods(schedule, start, end, expected):
    assert dates(schedule, start, end) == expected


def test_runs_that_begin_on_different_days_share_vintages():
    assert set(dates("yearly", "2011-05-05", "2012-03-01")) < set(dates("yearly", "2010-02-02", "2012-03-01"))


def test_a_period_that_ends_on_a_holiday():
    assert dates("monthly", "2011-05-02", "2011-05-31") == ["2011-04-29"]


def test_yearly_by_default():
    assert RefitSchedule() == RefitSchedule("yearly")
    assert WalkForward(EWMAVolatility(calibrated=True)).configuration["schedule"] == "yearly"


@pytest.mark.parametrize("frequency", ["weekly", "Y", "", None])
def test_unknown_schedule(frequency):
    with pytest.raises(ParameterError, match="pass one of yearly, quarterly, monthly"):
        RefitSchedule(frequency)


def test_nothing_before_the_start():
    with pytest.raises(InsufficientHistoryError, match="nothing to train on through 2006-12-31: prices begin on 2007"):
        dates("yearly", "2007-06-01", "2010-01-01")


def test_an_end_before_the_start():
    with pytest.raises(ParameterError, match="2011-01-03.*2010-01-04"):
        dates("yearly", "2011-01-03", "2010-01-04")


def test_aware_dates():
    with pytest.raises(PanelError, match="naive"):
        dates("yearly", "2010-01-04 00:00+00:00", "2011-01-03")


# -- which vintage answers -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def walk_forward(synthetic) -> WalkForward:
    """Quarterly vintages from the end of 2015 on. Not to be changed."""
    walk_forward = WalkForward(HARVolatility(), RefitSchedule("quarterly"))
    return walk_forward.train(synthetic, "2016-01-04", "2016-11-30", progress=False)


VINTAGES = ["2015-12-31", "2016-03-31", "2016-06-30", "2016-09-30"]


def test_the_newest_vintage_trained_by_the_date_is_used(walk_forward):
    def answering(date: str) -> str:
        return str(walk_forward.vintage_at(pd.Timestamp(date)).trained_through_.date())

    assert answering("2015-12-31") == "2015-12-31"
    assert answering("2016-03-30") == "2015-12-31"
    assert answering("2016-03-31") == "2016-03-31"
    assert answering("2016-06-29") == "2016-03-31"
    assert answering("2017-03-01") == "2016-09-30"
    assert walk_forward.vintage_at(ASOF).vintage == {"model": "HARVolatility", "trained_through": "2015-12-31"}


def test_each_vintage_is_a_plain_fit_through_its_date(walk_forward, synthetic):
    for date in VINTAGES:
        alone = HARVolatility().fit(synthetic.asof(date))
        assert states_equal(walk_forward.vintage_at(pd.Timestamp(date)), alone)
        assert walk_forward.vintage_at(pd.Timestamp(date)).data_fingerprint_ == synthetic.asof(date).fingerprint()


def test_a_path_changes_vintage_where_it_should(walk_forward, synthetic):
    path = walk_forward.predict_path(synthetic, "2016-03-24", "2016-04-05")
    old, new = (HARVolatility().fit(synthetic.asof(date)) for date in VINTAGES[:2])
    for session in path.index:
        model = new if session >= pd.Timestamp("2016-03-31") else old
        expected = model.predict(synthetic.asof(session))
        pd.testing.assert_series_equal(path.loc[session], expected, check_names=False, rtol=1e-9)


def test_iter_vintages_covers_each_session_once(walk_forward, synthetic):
    found = list(walk_forward.iter_vintages(synthetic, "2016-02-01", "2017-01-31"))
    assert [str(model.trained_through_.date()) for model, _ in found] == VINTAGES
    joined = found[0][1].append([sessions for _, sessions in found[1:]])
    assert list(joined) == list(synthetic.sessions[synthetic.sessions.slice_indexer("2016-02-01", "2017-01-31")])
    for model, sessions in found:
        assert sessions[0] >= model.trained_through_


def test_predictions_are_the_vintages(walk_forward, synthetic):
    known = synthetic.asof(ASOF)
    pd.testing.assert_series_equal(
        walk_forward.predict(known, 5), walk_forward.vintage_at(ASOF).predict(known, 5), check_exact=True
    )
    replayed = walk_forward.predict_in_sample(synthetic, SESSIONS[1000], ASOF, (5,))[5]
    expected = walk_forward.vintage_at(ASOF).predict_in_sample(synthetic, SESSIONS[1000], ASOF, (5,))[5]
    pd.testing.assert_frame_equal(replayed, expected, check_exact=True)


def test_a_path_without_sessions_raises(walk_forward, synthetic):
    with pytest.raises(InsufficientHistoryError, match="no session between 2016-07-02 and 2016-07-03"):
        walk_forward.predict_path(synthetic, "2016-07-02", "2016-07-03")


def test_a_forecaster_without_training_needs_no_vintages(synthetic, tmp_path):
    walk_forward = WalkForward(RollingVolatility(40), store=ModelStore(tmp_path / "models"))
    walk_forward.train(synthetic, "2010-01-01", "2030-01-01", progress=False)
    assert not (tmp_path / "models").exists()
    known = synthetic.asof(ASOF)
    pd.testing.assert_series_equal(walk_forward.predict(known), RollingVolatility(40).predict(known))
    path = walk_forward.predict_path(synthetic, SESSIONS[900], ASOF)
    pd.testing.assert_frame_equal(path, RollingVolatility(40).predict_path(synthetic, SESSIONS[900], ASOF))


# -- a missing vintage -----------------------------------------------------------------------------


def test_missing_vintage_prints_the_train_command(synthetic, tmp_path):
    walk_forward = WalkForward(HARVolatility(), store=ModelStore(tmp_path / "models"))
    command = f"volplugin train --start 2016-01-01 --end {ASOF.date()} --store {tmp_path / 'models'}"
    with pytest.raises(MissingVintageError, match=f"HARVolatility .*{ASOF.date()}; train it: {re.escape(command)}$"):
        walk_forward.predict(synthetic.asof(ASOF))


def test_missing_vintage_in_memory(walk_forward, synthetic):
    with pytest.raises(
        MissingVintageError, match="in memory .* 2015-12-30; train it: volplugin train --start 2015-10-01"
    ):
        walk_forward.predict(synthetic.asof("2015-12-30"))
    with pytest.raises(MissingVintageError, match="2015-12-01"):
        walk_forward.predict_path(synthetic, "2015-12-01", "2016-06-30")


def test_only_later_vintages_are_no_vintages(synthetic, tmp_path):
    WalkForward(HARVolatility(), store=ModelStore(tmp_path)).train(
        synthetic, "2016-01-04", "2016-02-01", progress=False
    )
    fresh = WalkForward(HARVolatility(), store=ModelStore(tmp_path))
    with pytest.raises(MissingVintageError, match="at or before 2015-12-30"):
        fresh.vintage_at(pd.Timestamp("2015-12-30"))


def test_fit_raises_and_names_train(walk_forward, synthetic):
    with pytest.raises(ParameterError, match=r"train\(panel, start, end\)"):
        clone(walk_forward).fit(synthetic)


# -- the store -------------------------------------------------------------------------------------


class Counting(EWMAVolatility):
    """Counts how often it is fitted, and fails when told to."""

    fits = 0
    fail_at = 0

    def _fit(self, panel: PricePanel) -> None:
        type(self).fits += 1
        if type(self).fits == type(self).fail_at:
            raise KeyboardInterrupt
        super()._fit(panel)


@pytest.fixture
def counting() -> Counting:
    Counting.fits = Counting.fail_at = 0
    return Counting(calibrated=True)


SPAN = ("2014-01-02", "2016-12-30")


def test_stored_vintages_are_not_trained_again(counting, synthetic, tmp_path):
    first = WalkForward(counting, store=ModelStore(tmp_path)).train(synthetic, *SPAN, progress=False)
    assert Counting.fits == 3
    again = WalkForward(Counting(calibrated=True), store=ModelStore(tmp_path)).train(synthetic, *SPAN, progress=False)
    assert Counting.fits == 3
    further = again.train(synthetic, "2014-06-01", "2017-02-01", progress=False)
    assert Counting.fits == 4
    assert states_equal(first.vintage_at(SESSIONS[700]), further.vintage_at(SESSIONS[700]))


def test_vintages_in_memory_are_not_trained_again(counting, synthetic):
    walk_forward = WalkForward(counting).train(synthetic, *SPAN, progress=False)
    walk_forward.train(synthetic, *SPAN, progress=False)
    assert Counting.fits == 3


def test_memory_is_of_the_prices_it_was_trained_on(counting, synthetic):
    walk_forward = WalkForward(counting).train(synthetic, *SPAN, progress=False)
    other = poisoned(synthetic, SESSIONS[300])
    walk_forward.train(other, *SPAN, progress=False)
    expected = WalkForward(EWMAVolatility(calibrated=True)).train(other, *SPAN, progress=False)
    assert states_equal(walk_forward.vintage_at(ASOF), expected.vintage_at(ASOF))


def test_a_store_of_other_prices(counting, synthetic, tmp_path):
    WalkForward(counting, store=ModelStore(tmp_path)).train(synthetic, *SPAN, progress=False)
    with pytest.raises(StoreConfigurationError, match="trained through 2013-12-31 in .* was trained on other prices"):
        WalkForward(counting, store=ModelStore(tmp_path)).train(
            poisoned(synthetic, SESSIONS[300]), *SPAN, progress=False
        )


def test_later_prices_do_not_make_them_other_prices(counting, synthetic, tmp_path):
    WalkForward(counting, store=ModelStore(tmp_path)).train(synthetic.asof(ASOF), *SPAN, progress=False)
    WalkForward(counting, store=ModelStore(tmp_path)).train(poisoned(synthetic, ASOF), *SPAN, progress=False)
    assert Counting.fits == 3


def test_a_store_of_another_configuration(synthetic, tmp_path):
    WalkForward(HARVolatility(), store=ModelStore(tmp_path)).train(synthetic, *SPAN, progress=False)
    other = WalkForward(HARVolatility("market"), store=ModelStore(tmp_path))
    complaint = "terms is 'har' there and 'market' here"
    with pytest.raises(StoreConfigurationError, match=complaint):
        other.train(synthetic, *SPAN, progress=False)
    with pytest.raises(StoreConfigurationError, match=complaint):
        other.predict(synthetic.asof(ASOF))


def test_parameters_of_numpy_are_described_in_plain_values(synthetic, tmp_path):
    model = tiny_lstm().set_params(seeds=np.arange(1))
    walk_forward = WalkForward(model, store=ModelStore(tmp_path))
    walk_forward.train(synthetic, "2016-01-04", "2016-02-01", progress=False)
    plain = WalkForward(tiny_lstm().set_params(seeds=(0,)), store=ModelStore(tmp_path))
    known = synthetic.asof(ASOF)
    pd.testing.assert_series_equal(plain.predict(known), walk_forward.predict(known), check_exact=True)


def test_a_damaged_vintage(synthetic, tmp_path):
    store = ModelStore(tmp_path)
    WalkForward(HARVolatility(), store=store).train(synthetic, *SPAN, progress=False)
    file = tmp_path / "vintages" / "2014-12-31" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    fresh = WalkForward(HARVolatility(), store=store)
    assert fresh.predict(synthetic.asof("2014-06-30")).notna().any()
    with pytest.raises(StoreCorruptError, match="2014-12-31"):
        fresh.predict(synthetic.asof("2015-06-30"))


def test_a_clone_finds_the_store(synthetic, tmp_path):
    walk_forward = WalkForward(HARVolatility(), store=ModelStore(tmp_path)).train(synthetic, *SPAN, progress=False)
    copy = clone(walk_forward)
    known = synthetic.asof(ASOF)
    pd.testing.assert_series_equal(copy.predict(known), walk_forward.predict(known), check_exact=True)


def test_a_clone_starts_without_vintages_in_memory(walk_forward):
    copy = clone(walk_forward)
    assert copy.vintage_dates() == []
    assert [str(date.date()) for date in walk_forward.vintage_dates()] == VINTAGES
    with pytest.raises(MissingVintageError):
        copy.vintage_at(ASOF)


def test_pickling_keeps_vintages_in_memory(walk_forward, synthetic):
    copy = pickle.loads(pickle.dumps(walk_forward))
    assert copy.vintage_dates() == walk_forward.vintage_dates()
    known = synthetic.asof(ASOF)
    pd.testing.assert_series_equal(copy.predict(known), walk_forward.predict(known), check_exact=True)


def test_a_progress_bar_on_request(synthetic, capsys):
    WalkForward(EWMAVolatility(calibrated=True)).train(synthetic, *SPAN, progress=False)
    assert capsys.readouterr().err == ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr.isatty", lambda: True, raising=False)
        WalkForward(EWMAVolatility(calibrated=True)).train(synthetic, *SPAN)
    assert "3/3" in capsys.readouterr().err


def test_training_past_the_end_of_prices_trains_what_can_be(synthetic, counting):
    walk_forward = WalkForward(counting).train(synthetic, "2016-01-04", "2030-01-01", progress=False)
    assert [str(date.date()) for date in walk_forward.vintage_dates()] == ["2015-12-31", "2016-12-30"]


def test_training_from_past_the_end_of_prices(synthetic, counting):
    with pytest.raises(InsufficientHistoryError, match="prices end on 2017-03-08.*2018-01-02"):
        WalkForward(counting).train(synthetic, "2018-01-02", "2019-01-02", progress=False)
    assert Counting.fits == 0


# -- resuming --------------------------------------------------------------------------------------


def test_training_resumes_where_it_was_interrupted(counting, synthetic, tmp_path):
    Counting.fail_at = 3
    store = ModelStore(tmp_path / "models")
    with pytest.raises(KeyboardInterrupt):
        WalkForward(counting, store=store).train(synthetic, *SPAN, progress=False)
    assert store.vintages() == []
    assert len(list((tmp_path / "models" / "parts").rglob("*.safetensors"))) == 2
    Counting.fits = Counting.fail_at = 0
    resumed = WalkForward(counting, store=store).train(synthetic, *SPAN, progress=False)
    assert Counting.fits == 1
    undisturbed = WalkForward(counting).train(synthetic, *SPAN, progress=False)
    for date in store.vintages():
        assert states_equal(resumed.vintage_at(date), undisturbed.vintage_at(date))
    assert not list((tmp_path / "models" / "parts").rglob("*.safetensors"))


def test_parts_of_other_prices_are_not_resumed_from(counting, synthetic, tmp_path):
    Counting.fail_at = 3
    store = ModelStore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        WalkForward(counting, store=store).train(poisoned(synthetic, SESSIONS[100]), *SPAN, progress=False)
    Counting.fits = Counting.fail_at = 0
    walk_forward = WalkForward(counting, store=store).train(synthetic, *SPAN, progress=False)
    assert Counting.fits == 3
    assert states_equal(
        walk_forward.vintage_at(ASOF), WalkForward(counting).train(synthetic, *SPAN, progress=False).vintage_at(ASOF)
    )


def test_an_ensemble_resumes_between_its_seeds(synthetic, tmp_path, monkeypatch):
    """Of two vintages of two seeds each, killed after three networks: only the fourth is trained again."""
    from volplugin.volatility.lstm import fitting

    real, calls = fitting.train, []

    def counted(*given):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(fitting, "train", counted)
    span, store = ("2015-01-02", "2016-02-01"), ModelStore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        WalkForward(tiny_lstm(), store=store).train(synthetic, *span, progress=False)
    assert len(calls) == 4
    monkeypatch.setattr(fitting, "train", lambda *given: calls.append(1) or real(*given))
    resumed = WalkForward(tiny_lstm(), store=store).train(synthetic, *span, progress=False)
    assert len(calls) == 5
    for date in store.vintages():
        assert states_equal(resumed.vintage_at(date), tiny_lstm().fit(synthetic.asof(date)))


KILLED = """
    import os, signal, sys
    sys.path.insert(0, {tests!r})
    import synthetic
    from volplugin import EWMAVolatility, ModelStore, WalkForward
    from volplugin.storage import ModelStore as Store

    keep, kept = Store.save_part, []

    def killing(self, *given):
        keep(self, *given)
        kept.append(given)
        if len(kept) == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    Store.save_part = killing
    walk = WalkForward(EWMAVolatility(calibrated=True), store=ModelStore({store!r}))
    walk.train(synthetic.market(), *{span!r}, progress=False)
"""


def test_training_resumes_after_a_kill(synthetic, tmp_path):
    script = KILLED.format(tests=str(Path(__file__).parents[1]), store=str(tmp_path), span=SPAN)
    command = [sys.executable, "-c", textwrap.dedent(script)]
    finished = subprocess.run(command, check=False, capture_output=True, env=os.environ | {"PYTHONPATH": ""})
    assert finished.returncode == -signal.SIGKILL, finished.stderr
    parts = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.safetensors")}
    assert len(parts) == 2
    walk_forward = WalkForward(EWMAVolatility(calibrated=True), store=ModelStore(tmp_path))
    walk_forward.train(synthetic, *SPAN, progress=False)
    undisturbed = WalkForward(EWMAVolatility(calibrated=True)).train(synthetic, *SPAN, progress=False)
    for date in walk_forward.store.vintages():
        assert states_equal(walk_forward.vintage_at(date), undisturbed.vintage_at(date))


def test_processes_in_parallel_give_the_same(synthetic, tmp_path):
    span = ("2015-01-02", "2016-02-01")
    serial = WalkForward(HARVolatility("lstm")).train(synthetic, *span, progress=False)
    parallel = WalkForward(HARVolatility("lstm"), store=ModelStore(tmp_path))
    parallel.train(synthetic, *span, n_jobs=2, progress=False)
    for date in parallel.store.vintages():
        assert states_equal(parallel.vintage_at(date), serial.vintage_at(date))


# -- components ------------------------------------------------------------------------------------


def test_ensemble_members_use_that_member_of_each_vintage(synthetic, tmp_path):
    made = WalkForward(tiny_lstm(), store=ModelStore(tmp_path / "store")).train(synthetic, "2014-06-30", "2015-06-30")
    found = WalkForward(tiny_lstm(), store=ModelStore(tmp_path / "store")).ensemble_members()
    assert list(found) == ["seed 0", "seed 1", "ensemble"]
    path = found["seed 1"].predict_path(synthetic, "2014-12-29", "2015-01-06", 21)
    for vintage, sessions in made.iter_vintages(synthetic, "2014-12-29", "2015-01-06"):
        expected = vintage.ensemble_members()["seed 1"].predict_path(synthetic, sessions[0], sessions[-1], 21)
        pd.testing.assert_frame_equal(path.loc[sessions], expected)
    assert found["seed 1"].vintage_at(pd.Timestamp("2015-01-06")) is found["seed 1"].vintage_at(
        pd.Timestamp("2015-01-07")
    )
    with pytest.raises(ParameterError, match="seed 1 is a member of a WalkForward"):
        found["seed 1"].train(synthetic, "2014-06-30", "2015-06-30")


def test_walk_forward_without_ensemble_has_no_ensemble_members(walk_forward):
    assert walk_forward.ensemble_members() == {}
    assert WalkForward(tiny_lstm()).ensemble_members() == {}
