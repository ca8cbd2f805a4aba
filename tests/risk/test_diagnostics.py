import copy
import pickle

import pytest

from volplugin.risk.diagnostics import Deferred, ForecastDiagnostics


def test_a_later_fact_is_found_once_and_when_it_is_read():
    asked = []
    metadata = ForecastDiagnostics({"now": 1, "later": Deferred(lambda: asked.append("x") or 2)})
    assert list(metadata) == ["now", "later"]
    assert len(metadata) == 2
    assert "later" in metadata
    assert asked == []
    assert metadata["later"] == metadata["later"] == 2
    assert asked == ["x"]


def test_copies_and_pickles_hold_what_was_found():
    metadata = ForecastDiagnostics({"later": Deferred(lambda: 2)})
    for again in (
        pickle.loads(pickle.dumps(metadata)),
        copy.deepcopy(metadata),
        ForecastDiagnostics(metadata),
        dict(metadata),
    ):
        assert dict(again) == {"later": 2}
    assert repr(metadata) == "{'later': 2}"


def test_it_joins_as_a_dictionary_does_and_cannot_be_changed():
    metadata = ForecastDiagnostics({"a": 1})
    assert metadata | {"b": 2} == {"a": 1, "b": 2}
    with pytest.raises(TypeError):
        metadata["a"] = 2
    with pytest.raises(KeyError):
        metadata["c"]
