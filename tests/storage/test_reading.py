"""Untrusted files: kind, size and form are checked before anything is made of them."""

import io
import json
import os
import zipfile

import numpy as np
import pytest

from volplugin.storage.reading import parse_arrays, parse_json, read_regular_file, to_json


def test_a_regular_file_is_read(tmp_path):
    (tmp_path / "numbers").write_bytes(b"123")
    assert read_regular_file(tmp_path / "numbers", 3) == b"123"
    with pytest.raises(OSError, match="3 bytes, more than the 2"):
        read_regular_file(tmp_path / "numbers", 2)


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_devices_are_refused(path):
    with pytest.raises(OSError, match="not a regular file"):
        read_regular_file(path, 10)


def test_a_fifo_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        read_regular_file(tmp_path / "pipe", 10)


def test_a_name_with_a_nul_byte_is_refused():
    with pytest.raises(OSError, match="NUL byte"):
        read_regular_file("a\0b", 10)


@pytest.mark.parametrize(
    "text",
    ["NaN", "[Infinity]", "-Infinity", "1e309", '{"a": 1, "a": 2}', "1_0", "\0", "[" * 200_000, "\ud800", b"\xff"],
)
def test_what_is_not_json_is_refused(text):
    with pytest.raises(ValueError, match="."):
        parse_json(text)


def test_json_holds_finite_numbers_only():
    value = {"a": float("nan"), "b": [float("inf"), 1.5], "c": None}
    assert json.loads(to_json(value)) == {"a": None, "b": [None, 1.5], "c": None}


def packed(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_arrays_are_read_back():
    assert parse_arrays(packed(x=np.arange(3)))["x"].tolist() == [0, 1, 2]


def test_each_flipped_bit_of_a_zip_directory_is_read_or_refused_by_name():
    """A flip in a date or a version is harmless; one in a length or a checksum is refused; none gives other numbers."""
    content = packed(x=np.arange(3), y=np.array("text"))
    begin = content.index(b"PK\x01\x02")
    results = []
    for place in range(begin, len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            results.append(read_or_refused(bytes(changed)))
    read = [result for result in results if not isinstance(result, str)]
    assert all(values in ([[0, 1, 2], "text"], ["text"], [[0, 1, 2]]) for values in read)
    refused = [result for result in results if isinstance(result, str)]
    assert all("not a readable npz file" in message for message in refused)
    assert len(refused) > len(results) / 4


def read_or_refused(content: bytes) -> list | str:
    """Return the values of the arrays, or the message of the error."""
    try:
        return [array.tolist() for array in parse_arrays(content).values()]
    except ValueError as error:
        return str(error)


def test_pickles_and_bombs_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="not a readable npz"):
        parse_arrays(packed(x=np.array([object()], dtype=object)))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x.npy", bytes(10**6))
    monkeypatch.setattr("volplugin.storage.reading.ARRAYS_LIMIT", 10**5)
    with pytest.raises(ValueError, match="bytes unpacked"):
        parse_arrays(buffer.getvalue())
