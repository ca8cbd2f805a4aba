"""Where two runs part, and what of a strategy's state is compared."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from zipline.assets import Equity, ExchangeInfo

from volplugin import PricePanel
from volplugin.adapters.zipline.audit.decisions import CLOSE, MORNING, Decision, first_difference
from volplugin.adapters.zipline.audit.state import kept_values, plain

CUT = "2017-06-15"


def made(session, value, *, hook=CLOSE, kind="order", name="AAA"):
    return Decision(session, hook, kind, name, value)


def test_the_first_of_several_differences_is_told():
    ours = [made("2017-06-12", {"shares": 1}), made("2017-06-13", {"shares": 2}), made("2017-06-14", {"shares": 3})]
    theirs = [made("2017-06-12", {"shares": 1}), made("2017-06-13", {"shares": 5}), made("2017-06-14", {"shares": 9})]
    found = first_difference(ours, theirs, CUT)
    assert (found.session, found.original, found.scrambled) == ("2017-06-13", {"shares": 2}, {"shares": 5})


@pytest.mark.parametrize(
    ("session", "hook", "seen"),
    [(CUT, MORNING, True), (CUT, CLOSE, False), ("2017-06-14", CLOSE, True), ("2017-06-16", MORNING, False)],
)
def test_what_was_decided_before_the_close_of_the_cut_counts(session, hook, seen):
    found = first_difference([made(session, 1, hook=hook)], [made(session, 2, hook=hook)], CUT)
    assert (found is not None) == seen


def test_an_order_that_is_missing_or_placed_twice_is_a_difference():
    one = [made("2017-06-12", {"shares": 1})]
    assert first_difference(one, [], CUT).scrambled is None
    assert first_difference(one, one * 2, CUT).original is None
    assert first_difference(one, list(one), CUT) is None


def test_of_two_differences_at_one_close_the_one_decided_first_is_returned():
    ours, theirs = ([made("2017-06-12", value, name=name) for name in ("ZZZ", "AAA")] for value in (1, 2))
    assert first_difference(ours, theirs, CUT).name == "ZZZ"


def test_the_morning_comes_before_the_close():
    ours = [made("2017-06-12", 1), made("2017-06-12", 1, hook=MORNING, kind="recorded value")]
    theirs = [made("2017-06-12", 2), made("2017-06-12", 2, hook=MORNING, kind="recorded value")]
    assert first_difference(ours, theirs, CUT).hook == MORNING


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1.0, 1.0 + 1e-13, True),
        (1.0, 1.0 + 1e-6, False),
        (float("nan"), float("nan"), True),
        (1, 2, False),
        ("a", "a", True),
        ({"shares": 1, "limit": 2.0}, {"shares": 1, "limit": 2.0 * (1 + 1e-13)}, True),
        ({"shares": 1}, {"shares": 1, "limit": 2.0}, False),
    ],
)
def test_numbers_may_differ_by_rounding_alone(one, other, same):
    assert (first_difference([made("2017-06-12", one)], [made("2017-06-12", other)], CUT) is None) == same


# -- state --------------------------------------------------------------------------------------


@dataclass
class Signal:
    value: float


def equity(symbol):
    return Equity(1, ExchangeInfo("New York Stock Exchange", "NYSE", "US"), symbol=symbol)


def digest(value):
    return kept_values({"x": value}, lambda kind: kind is Signal).get("x", {}).get("digest")


FRAME = pd.DataFrame({"a": [1.0, 2.0]}, index=pd.DatetimeIndex(["2017-01-03", "2017-01-04"]))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1.0, 1.001),
        (np.array([1.0, np.nan]), np.array([1.0, 2.0])),
        (FRAME, FRAME * 1.001),
        (FRAME, FRAME.rename(columns={"a": "b"})),
        (FRAME["a"], FRAME["a"].set_axis([1, 2])),
        ({"a": [1, (2.0, 3)]}, {"a": [1, (2.0, 4)]}),
        ({1, 2}, {1, 3}),
        (Signal(1.0), Signal(2.0)),
        ([1], (1,)),
        (np.int64(1), np.int64(2)),
        (np.array(1), np.array(2)),
        (np.array(1.0), np.array(2.0)),
        (np.zeros((2, 3), int), np.zeros((3, 2), int)),
        (np.array(["long"]), np.array(["short"])),
        (equity("AAA"), equity("BBB")),
        ([Signal(1.0)], [Signal(2.0)]),
        (pd.Timestamp("2017-01-03"), pd.Timestamp("2017-01-04")),
        ("long", "short"),
        (None, 0.0),
    ],
)
def test_values_that_differ_have_other_digests(one, other):
    assert digest(one) != digest(other)
    assert digest(one) == digest(one)


def test_functions_among_values_are_left_out():
    assert digest([1, print]) == digest([1, len]) != digest([2, len])


def test_rounding_does_not_change_a_digest():
    values = np.linspace(0.1, 5, 7)
    assert digest(values) == digest(values * (1 + 1e-14))
    assert digest(FRAME) == digest(FRAME * (1 + 1e-14))


def test_objects_of_libraries_modules_and_private_names_are_left_out():
    panel = PricePanel(pd.DataFrame({"a": [1.0, 2.0]}, index=FRAME.index))
    names = {"panel": panel, "np": np, "print": print, "kind": Signal, "_mine": 1.0, "other": SimpleNamespace(a=1)}
    assert kept_values(names, lambda kind: kind is Signal) == {}


def test_what_is_shown_of_a_value():
    names = {"array": np.ones((2, 3)), "frame": FRAME, "series": FRAME["a"], "text": "long", "many": list(range(99))}
    names["asset"] = equity("AAA")
    shown = {name: found["shown"] for name, found in kept_values(names, lambda kind: False).items()}
    assert shown == {
        "array": "ndarray of shape (2, 3)",
        "frame": "DataFrame of shape (2, 1)",
        "series": "Series of shape (2,)",
        "text": "'long'",
        "many": "[0, 1, 2, 3, 4, 5, ...]",
        "asset": "AAA",
    }


def test_recorded_values_are_plain():
    assert plain(np.float64(0.5)) == 0.5
    assert plain("AAA") == "AAA"
    assert plain(np.ones(3)) == plain(np.ones(3)) != plain(np.zeros(3))
    assert plain(print) == "builtin_function_or_method"
