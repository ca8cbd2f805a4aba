"""Valid content with something changed, drawn so that hypothesis can shrink it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

PIECES = (
    b"", b"\x00", b",", b"\n", b'"', b"\xff", b"nan", b"inf", b"-1", b"0", b"1e400", b"9" * 30, b"2020-13-45", b"{",
    b"]", b"../", b"true", b"\r\n", b"\xef\xbb\xbf", b"1970-01-01", b"NA",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 10**30, 1.5, float("nan"), float("inf"), "", "../../etc", "/", "2009-12-31", "x" * 200, [], [1],
    {}, {"a": 1}, ["A", "A"], [None],
)  # fmt: skip

edits = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "drop", "insert", "repeat", "swap"]),
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=4,
)


def edited(content: bytes, changes: list[tuple[str, float, int]]) -> bytes:
    """Return content with bytes flipped, cut off, dropped, inserted, repeated or swapped at relative places."""
    for kind, where, number in changes:
        place = int(where * len(content))
        if kind == "flip" and content:
            content = content[:place] + bytes([content[place] ^ (number or 1)]) + content[place + 1 :]
        elif kind == "cut":
            content = content[:place]
        elif kind == "drop":
            content = content[:place] + content[place + 1 + number % 40 :]
        elif kind == "insert":
            content = content[:place] + PIECES[number % len(PIECES)] + content[place:]
        elif kind == "repeat":
            content = content[:place] + content[max(0, place - 1 - number) :]
        elif kind == "swap":
            middle = place + (len(content) - place) // 2
            content = content[:place] + content[middle:] + content[place:middle]
    return content


leaves = st.tuples(st.sampled_from(["set", "delete", "add"]), st.integers(0, 50), st.integers(0, len(VALUES) - 1))


def reworked(metadata: dict[str, Any], changes: list[tuple[str, int, int]]) -> bytes:
    """Return JSON of facts with values replaced, deleted or added; still JSON, as far as Python's goes."""
    changed = json.loads(json.dumps(metadata))
    for kind, where, number in changes:
        keys = sorted(changed)
        if kind == "add" or not keys:
            changed[f"key{where}"] = VALUES[number]
        elif kind == "delete":
            del changed[keys[where % len(keys)]]
        else:
            changed[keys[where % len(keys)]] = VALUES[number]
    return json.dumps(changed).encode()
