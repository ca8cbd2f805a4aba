"""What an audit says of its runs: the first leak, chance, refusals, and the exact text."""

import json

import pytest

from volplugin.adapters.zipline.audit import AuditReport, audit_text
from volplugin.adapters.zipline.audit.compare import differing_names, first_leak, nondeterminism, refused
from volplugin.adapters.zipline.audit.decisions import CLOSE, KEPT, MORNING, Decision, Difference
from volplugin.adapters.zipline.audit.run import Record, read_record
from volplugin.adapters.zipline.audit.verdict import difference_text, failure_text

LEAK = Difference("2017-06-14", CLOSE, "order", "AAA", {"shares": 3, "limit": 2 / 3}, None, "2017-06-15")
HEAD = "audit of mine.py on dow30, 2017-06-01 to 2017-07-14: 7 orders"


def report(**changes) -> AuditReport:
    given = {"cuts": (), "leak": None, "models_from_the_future": (), "not_auditable": ()} | changes
    return AuditReport("mine.py", "dow30", "2017-06-01", "2017-07-14", 7, **given)


@pytest.mark.parametrize(
    ("changes", "status", "lines"),
    [
        ({}, 0, ["clean: no decision used a price of its future"]),
        (
            {"cuts": ("2017-06-15", "2017-06-20"), "notes": ("it is so",)},
            0,
            [
                "prices replaced from 2017-06-15, 2017-06-20 on, each in a copy of its own",
                "note: it is so",
                "clean: no decision used a price of its future",
            ],
        ),
        (
            {"leak": LEAK, "not_auditable": ("uses the network",)},
            1,
            [
                "LEAK: at the close of 2017-06-14, order of AAA: shares 3, limit 0.666667; "
                "with other prices from 2017-06-15 on: nothing",
                "NOT AUDITABLE: uses the network",
                "verdict: it uses the future",
            ],
        ),
        ({"models_from_the_future": ("a model",)}, 1, ["LEAK: a model", "verdict: it uses the future"]),
        (
            {"not_auditable": ("one", "two")},
            2,
            ["NOT AUDITABLE: one", "NOT AUDITABLE: two", "no verdict: no leak was seen in what could be audited"],
        ),
    ],
)
def test_the_text_of_a_report(changes, status, lines):
    made = report(**changes)
    assert made.exit_code == status
    assert audit_text(made).splitlines() == [HEAD, *lines]


def test_a_difference_in_the_morning_and_of_a_stored_value():
    shown = {"digest": "abc", "shown": "ndarray of shape (3,)"}
    found = Difference("2017-06-14", MORNING, "portfolio value", "", 1234567.8, shown, "2017-06-15")
    assert difference_text(found) == (
        "in before_trading_start of 2017-06-14, portfolio value: 1.23457e+06; "
        "with other prices from 2017-06-15 on: ndarray of shape (3,) (abc)"
    )


def test_a_failure_names_the_line_where_there_is_one():
    error = {"type": "KeyError", "message": "AAA", "session": "", "line": ""}
    assert failure_text("it fails", error) == "it fails: KeyError: AAA"
    assert failure_text("it fails", error | {"line": "mine.py, line 3"}) == "it fails: KeyError: AAA (mine.py, line 3)"


# -- runs held against each other ----------------------------------------------------------------


def made(session, value, *, kind="order", name="AAA", hook=CLOSE) -> Decision:
    return Decision(session, hook, kind, name, value)


def run(*decisions, error=None, session="", line="") -> Record:
    problem = None if error is None else {"type": error, "message": "no", "session": session, "line": line}
    return Record(list(decisions), error=problem)


ONE = run(made("2017-06-12", 1), made("2017-06-13", 2), made("2017-06-13", 5, kind=KEPT, name="x"))


def test_the_earliest_leak_of_all_copies_is_told():
    late = run(made("2017-06-12", 1), made("2017-06-13", 9))
    early = run(made("2017-06-12", 7), made("2017-06-13", 2))
    found = first_leak(ONE, [("2017-06-20", late), ("2017-06-15", early), ("2017-06-13", ONE)])
    assert (found.session, found.original, found.scrambled, found.cut) == ("2017-06-12", 1, 7, "2017-06-15")
    assert first_leak(ONE, [("2017-06-20", ONE)]) is None
    assert first_leak(ONE, []) is None


def test_kept_values_may_be_left_aside_by_name():
    other = run(*ONE.decisions[:2], made("2017-06-13", 6, kind=KEPT, name="x"))
    assert first_leak(ONE, [("2017-06-20", other)]).name == "x"
    assert first_leak(ONE, [("2017-06-20", other)], ignored=["x"]) is None
    assert first_leak(ONE, [("2017-06-20", other)], ignored=["y"]).kind == KEPT
    order = run(made("2017-06-12", 8), *ONE.decisions[1:])
    assert first_leak(ONE, [("2017-06-20", order)], ignored=["AAA"]).kind == "order"
    assert differing_names(ONE, other, KEPT) == {"x"}
    assert differing_names(ONE, other, "order") == differing_names(ONE, ONE, KEPT) == set()
    assert differing_names(ONE, run(), "order") == {"AAA"}


def test_an_error_on_a_copy_alone_is_a_leak_in_its_morning():
    failed = run(*ONE.decisions, error="KeyError", session="2017-06-13", line="mine.py, line 3")
    found = first_leak(ONE, [("2017-06-20", failed)])
    assert (found.session, found.hook, found.kind, found.name) == ("2017-06-13", MORNING, "error", "mine.py, line 3")
    assert (found.original, found.scrambled) == (None, "KeyError: no")
    morning = made("2017-06-13", 3, hook=MORNING, kind="recorded value")
    late = run(*ONE.decisions[:1], morning, error="KeyError", session="2017-06-13")
    assert first_leak(run(*ONE.decisions, morning), [("2017-06-20", late)]).kind == "error"
    assert first_leak(ONE, [("2017-06-12", run(*ONE.decisions, error="KeyError"))]).session == "2017-06-12"


def test_two_runs_on_the_same_prices():
    assert nondeterminism(ONE, ONE, "2017-06-20") == []
    assert nondeterminism(ONE, run(*ONE.decisions[:2]), "2017-06-20") == []
    assert nondeterminism(ONE, run(made("2017-06-12", 4)), "2017-06-12") == []
    assert nondeterminism(ONE, run(made("2017-06-12", 4)), "2017-06-20") == [
        "two runs on the same prices differ (random numbers, the clock?): at the close of 2017-06-12, order of AAA: 1; "
        "with other prices from 2017-06-20 on: 4"
    ]
    assert nondeterminism(ONE, run(error="KeyError"), "2017-06-20") == [
        "on a copy of the same prices it fails: KeyError: no"
    ]


def test_a_store_that_refuses_a_copy_is_no_leak():
    failed = [run(), run(error="KeyError"), run(error="StoreConfigurationError"), run(error="StoreError")]
    assert refused(failed) == [
        "with other prices it fails (train before the run, not in it): StoreConfigurationError: no"
    ]
    assert refused(failed[:2]) == []


def test_a_record_comes_back_from_its_text():
    load = {"path": "p", "trained_through": "2017-03-31", "fingerprint": "f", "early": False}
    text = json.dumps(
        {
            "decisions": [{"session": "2017-06-12", "hook": CLOSE, "kind": "order", "name": "AAA", "value": 1}],
            "loads": [load | {"assets": ["AAA"], "universe": ["AAA", "BBB"]}],
            "foreign": {"reads x": "line 1"},
        }
        | {"mornings": True, "bundles": ["dow30"], "future": ["a model"], "error": None}
    )
    record = read_record(text)
    assert record.decisions == [made("2017-06-12", 1)]
    assert (record.mornings, record.bundles, record.future) == (True, ["dow30"], ["a model"])
    assert record.foreign == {"reads x": "line 1"}
    assert record.loads[0].universe == ("AAA", "BBB")
    assert hash(record.loads[0])
