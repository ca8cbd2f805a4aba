"""A short run of the kit that feeds readers with damaged files; `make fuzz` is the long one."""

import pytest
from kit.fuzz.run import Tally, feed
from kit.fuzz.targets import targets


@pytest.mark.parametrize("name", list(targets()))
def test_no_input_but_is_read_or_refused_by_name(name):
    tally = feed(name, 80, 7)
    assert tally.crashes == []
    assert tally.accepted + sum(tally.refused.values()) == tally.inputs >= 30
    assert tally.mutated > tally.inputs / 2


def test_a_crash_is_counted_and_told(monkeypatch):
    def stumble(content, folder):
        raise KeyError("what no reader should raise")

    broken = dict(targets())
    broken["weights"] = type(broken["weights"])(broken["weights"].valid, broken["weights"].wild, stumble, 1.0)
    monkeypatch.setattr("kit.fuzz.run.targets", lambda: broken)
    tally = feed("weights", 20, 0)
    assert len(tally.crashes) == 1
    assert "what no reader should raise" in tally.crashes[0]
    assert (tally + Tally()).inputs == tally.inputs
