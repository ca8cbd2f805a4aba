"""The order of an audit's runs, the sessions it cuts at, and its result; the runs are stand-ins."""

import os
import tempfile
import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from volplugin import read_bundle
from volplugin.adapters.zipline.audit import Audit, audit_strategy
from volplugin.adapters.zipline.audit import audit as audit_module
from volplugin.adapters.zipline.audit.copies import PREFIX, remove_abandoned_folders
from volplugin.adapters.zipline.audit.decisions import CLOSE, KEPT, MORNING, Decision
from volplugin.adapters.zipline.audit.models import ModelLoad
from volplugin.adapters.zipline.audit.run import Record
from volplugin.errors import BundleRangeError, ParameterError
from volplugin.storage.atomic import owner

START, END = pd.Timestamp("2017-06-01"), pd.Timestamp("2017-06-30")
ORDERS = ("2017-06-05", "2017-06-12", "2017-06-20")


def order(day, value=1, **changes) -> Decision:
    return replace(Decision(day, CLOSE, "order", "AAA", value), **changes)


class Runner:
    """Return one record per run, and keep the jobs and the closes after 1 June that each run could read."""

    def __init__(self, small, decide=None, mornings=False, **changes):
        self.small, self.decide, self.mornings, self.changes = small, decide, mornings, changes
        self.jobs, self.closes = [], []

    def __call__(self, job) -> Record:
        self.jobs.append(job)
        close = None
        if os.path.exists(os.path.join(job.root, "data")):
            close = read_bundle(self.small, environ={"ZIPLINE_ROOT": job.root}).close.loc[START:, "AAA"]
        self.closes.append(close)
        made = [order(day) for day in ORDERS] if self.decide is None else self.decide(len(self.jobs), close)
        return Record(made, self.mornings, [self.small], **self.changes)


@pytest.fixture
def uncopied(small, tmp_path, monkeypatch):
    """Let runs do without copies of the bundle, which take a second each."""

    def copied(bundles, *_, **settings):
        assert bundles == [small]
        return nullcontext(str(tmp_path))

    monkeypatch.setattr(audit_module, "scrambled_root", copied)


def audited(runner, **settings):
    lines = []
    given = {"strategy": "mine.py", "bundle": runner.small, "start": START, "end": END, "cuts": 1} | settings
    panels = given.pop("trained_on", ())
    return audit_strategy(Audit(**given), run=runner, trained_on=panels, log=lines.append), lines


def test_a_clean_run(small):
    runner = Runner(small)
    report, lines = audited(runner, parameters={"file": f"a{os.sep}b", "n": 3, "target": "x"}, trusted=("h5py",))
    assert (report.exit_code, report.orders, report.cuts) == (0, 3, ("2017-06-13",))
    assert (report.strategy, report.bundle, report.start, report.end) == ("mine.py", small, "2017-06-01", "2017-06-30")
    assert lines == [
        "running it on a copy of the bundle",
        f"running it on 3 copies of {small}, all but one with other prices",
    ]
    first, same, *others = runner.jobs
    assert first.strategy == os.path.abspath("mine.py")
    assert (first.start, first.end, first.capital, first.trusted) == ("2017-06-01", "2017-06-30", 1e6, ("h5py",))
    assert first.parameters == {"file": os.path.abspath(f"a{os.sep}b"), "n": 3, "target": "x"}
    assert (first.watched, first.stop) == ((), None)
    assert {(job.watched, job.stop) for job in (same, *others)} == {(("2017-06-13",), "2017-06-13")}
    assert len({job.root for job in runner.jobs}) == 4
    assert not any(os.path.exists(job.root) for job in runner.jobs)
    true, plain, one, other = runner.closes
    pd.testing.assert_series_equal(true, plain)
    for close in (one, other):
        assert (close[:"2017-06-12"] == true[:"2017-06-12"]).all()
        assert not (close["2017-06-13":] == true["2017-06-13":]).any()
    assert (one["2017-06-13"] > true["2017-06-12"]) != (other["2017-06-13"] > true["2017-06-12"])


def test_cuts_are_spread_over_the_sessions_with_orders(uncopied, small):
    assert audited(Runner(small), cuts=3)[0].cuts == ("2017-06-06", "2017-06-13", "2017-06-21")
    mornings = audited(Runner(small, mornings=True), cuts=2)[0].cuts
    assert mornings == ("2017-06-05", "2017-06-06", "2017-06-20", "2017-06-21")
    early = Runner(small, lambda *_: [order("2017-06-01"), order("2017-06-12")], mornings=True)
    assert audited(early, cuts=2)[0].cuts == ("2017-06-02", "2017-06-12", "2017-06-13")
    assert audited(Runner(small, lambda *_: []), cuts=2)[0].cuts == ("2017-06-09", "2017-06-23")
    assert audited(Runner(small, lambda *_: [order("2017-06-30")]))[0].cuts == ("2017-06-16",)
    dates = (pd.Timestamp("2017-06-20"), pd.Timestamp("2017-06-02"))
    assert audited(Runner(small), cut_dates=dates)[0].cuts == ("2017-06-02", "2017-06-20")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (
            {"cut_dates": (pd.Timestamp("2017-06-18"),)},
            "^2017-06-18 is no session after the first from 2017-06-01 to 2017-06-30; name one that is$",
        ),
        ({"cut_dates": (START,)}, "^2017-06-01 is no session after the first"),
        ({"cuts": 0}, "^an audit takes two sessions and a cut: 22 sessions, cuts is 0$"),
        ({"end": START}, "^an audit takes two sessions and a cut: 1 sessions, cuts is 1$"),
    ],
)
def test_what_cannot_be_cut_is_refused(uncopied, small, settings, complaint):
    with pytest.raises(ParameterError, match=complaint):
        audited(Runner(small), **settings)


def test_dates_beyond_the_bundle_are_refused(uncopied, small):
    with pytest.raises(BundleRangeError):
        audited(Runner(small), end=pd.Timestamp("2030-01-02"))


def test_an_order_by_tomorrow_s_price_is_a_leak(small):
    def decide(number, close):
        return [order("2017-06-12", float(close["2017-06-13"]))]

    report, _ = audited(Runner(small, decide))
    assert (report.exit_code, report.leak.session, report.leak.cut) == (1, "2017-06-12", "2017-06-13")
    assert report.leak.original != report.leak.scrambled


def test_chance_is_no_leak(uncopied, small):
    report, _ = audited(Runner(small, lambda number, close: [order("2017-06-12", number)]))
    assert (report.exit_code, report.leak) == (2, None)
    assert report.not_auditable[0].startswith("two runs on the same prices differ")


def test_a_value_that_differs_between_any_two_runs_is_left_aside(uncopied, small):
    """Such as the time of day, kept in the morning."""

    def decide(number, close):
        kept = Decision("2017-06-13", MORNING, KEPT, "context.now", number)
        return [order("2017-06-12"), kept]

    runner = Runner(small, decide)
    assert audited(runner)[0].exit_code == 0
    assert len(runner.jobs) == 5

    def leaking(number, close):
        price = number if number in (3, 4) else 1
        return [*decide(number, close), Decision("2017-06-13", MORNING, KEPT, "context.price", price)]

    assert audited(Runner(small, leaking))[0].leak.name == "context.price"


def test_a_strategy_that_fails(uncopied, small):
    error = {"type": "KeyError", "message": "AAA", "session": "", "line": "mine.py, line 3"}
    runner = Runner(small, error=error, foreign={"uses the network": "mine.py, line 1"})
    report, lines = audited(runner)
    assert len(runner.jobs) == len(lines) == 1
    assert report.not_auditable == ("it fails: KeyError: AAA (mine.py, line 3)", "uses the network (mine.py, line 1)")
    assert (report.exit_code, report.cuts) == (2, ())


def test_accesses_and_models_of_all_runs_count_once(uncopied, small):
    load = ModelLoad("store", "2017-03-31", "f", ("AAA",), ("AAA",), False)
    changes = {"foreign": {"reads x": "mine.py, line 1"}, "loads": [load], "future": ["a model"]}
    report, _ = audited(Runner(small, **changes))
    assert report.models_from_the_future == ("a model",)
    assert report.not_auditable[0] == "reads x (mine.py, line 1)"
    assert [what.partition(":")[0] for what in report.not_auditable[1:]] == ["store, vintage 2017-03-31"]


def test_runs_take_place_at_once(uncopied, small):
    """Each of the three that are compared waits for the others."""
    others = threading.Barrier(3)

    def decide(number, close):
        if number > 1:
            others.wait(timeout=5)
        return []

    assert audited(Runner(small, decide), jobs=3)[0].exit_code == 0


def test_a_run_that_fails_ends_the_audit(uncopied, small):
    def fail(number, close):
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        audited(Runner(small, fail))


def test_folders_of_ended_audits_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    host = owner().rpartition("-")[0]
    gone, here = (tmp_path / f"{PREFIX}-root-{host}-{number}-abcd" for number in (4_194_305, os.getpid()))
    others = [tmp_path / "volplugin-audit", tmp_path / "other-root-x", Path(here)]
    for folder in (gone, *others):
        folder.mkdir()
    remove_abandoned_folders()
    assert sorted(tmp_path.iterdir()) == sorted(others)
