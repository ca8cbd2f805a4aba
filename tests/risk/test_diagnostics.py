import copy
import pickle

import pytest

from volplugin.risk.covariance import Facts, Later


def test_a_later_fact_is_found_once_and_when_it_is_read():
    asked = []
    facts = Facts({"now": 1, "later": Later(lambda: asked.append("x") or 2)})
    assert list(facts) == ["now", "later"]
    assert len(facts) == 2
    assert "later" in facts
    assert asked == []
    assert facts["later"] == facts["later"] == 2
    assert asked == ["x"]


def test_copies_and_pickles_hold_what_was_found():
    facts = Facts({"later": Later(lambda: 2)})
    for again in (pickle.loads(pickle.dumps(facts)), copy.deepcopy(facts), Facts(facts), dict(facts)):
        assert dict(again) == {"later": 2}
    assert repr(facts) == "{'later': 2}"


def test_it_joins_as_a_dictionary_does_and_cannot_be_changed():
    facts = Facts({"a": 1})
    assert facts | {"b": 2} == {"a": 1, "b": 2}
    with pytest.raises(TypeError):
        facts["a"] = 2
    with pytest.raises(KeyError):
        facts["c"]
