"""Untrusted files: kind, size and form are checked before anything is made of them."""

import errno
import hashlib
import io
import json
import os
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save

from volplugin.errors import ParameterError, StoreCorruptError
from volplugin.storage.reading import as_path, parse_arrays, parse_json, read_regular_file, resolved, sealed, to_json
from volplugin.storage.tensors import checksum, with_facts


def test_a_regular_file_is_read(tmp_path):
    (tmp_path / "numbers").write_bytes(b"123")
    assert read_regular_file(tmp_path / "numbers", 3) == b"123"
    with pytest.raises(OSError, match="3 bytes, more than the 2"):
        read_regular_file(tmp_path / "numbers", 2)


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_devices_are_refused(path):
    with pytest.raises(OSError, match=rf"^\[Errno 22\] not a regular file: '{path}'$"):
        read_regular_file(path, 10)


def test_a_fifo_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        read_regular_file(tmp_path / "pipe", 10)


def test_a_name_with_a_nul_byte_is_refused():
    with pytest.raises(OSError, match=r"^\[Errno 22\] a file name cannot hold a NUL byte: 'a.{2}0b'$"):
        read_regular_file("a\0b", 10)


@pytest.mark.parametrize("name", ["loop", "a\0b"])
def test_a_path_that_leads_nowhere_is_named(name, tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OSError, match=r"loop|null") as raised:
        resolved(tmp_path / name)
    assert raised.value.filename == str(tmp_path / name)
    assert raised.value.errno in (errno.EINVAL, errno.ELOOP)
    assert raised.value.strerror


@pytest.mark.parametrize(
    "text",
    ["NaN", "[Infinity]", "-Infinity", "1e309", '{"a": 1, "a": 2}', "1_0", "\0", "[" * 200_000, "\ud800", b"\xff"],
)
def test_what_is_not_json_is_refused(text):
    with pytest.raises(ValueError, match="."):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"a": 1, "a": 2}', "a name occurs twice"),
        ("[" * 200_000, "nested too deeply"),
        ("[-Infinity]", "-Infinity is not a number"),
        ("1e309", "1e309 is beyond the range of numbers"),
    ],
)
def test_the_reason_is_named(text, complaint):
    with pytest.raises(ValueError, match=f"^{complaint}$"):
        parse_json(text)


def test_json_holds_finite_numbers_only():
    value = {"a": float("nan"), "b": [float("inf"), 1.5], "c": None}
    assert json.loads(to_json(value)) == {"a": None, "b": [None, 1.5], "c": None}
    assert to_json({"b": (1,), "a": True}) == '{\n  "b": [\n    1\n  ],\n  "a": true\n}\n'


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
    with pytest.raises(ValueError, match=r"^not a readable npz file \(ValueError: Object arrays"):
        parse_arrays(packed(x=np.array([object()], dtype=object)))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x.npy", bytes(10**6))
    small = packed(x=np.zeros(100))
    with zipfile.ZipFile(io.BytesIO(small)) as file:
        monkeypatch.setattr("volplugin.storage.reading.ARRAYS_LIMIT", file.infolist()[0].file_size)
    assert parse_arrays(small)["x"].shape == (100,)
    monkeypatch.setattr("volplugin.storage.reading.ARRAYS_LIMIT", 10**5)
    with pytest.raises(ValueError, match="bytes unpacked"):
        parse_arrays(buffer.getvalue())


class BytesPath:
    def __fspath__(self):
        return b"prices.csv"


@pytest.mark.parametrize(
    ("path", "problem"), [("", "an empty text"), (b"a", "a bytes"), (BytesPath(), "a BytesPath"), (3, "a int")]
)
def test_what_is_no_path(path, problem):
    with pytest.raises(ParameterError, match=f"^{problem} is not the path of a file or folder"):
        as_path(path)


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no /proc")
def test_a_file_that_is_longer_than_its_size_says():
    with pytest.raises(OSError, match="more than the 10 bytes that such a file may have") as raised:
        read_regular_file("/proc/self/status", 10)
    assert (raised.value.errno, raised.value.filename) == (errno.EFBIG, "/proc/self/status")


def test_a_seal_is_a_checksum_of_the_other_values():
    whole = sealed({"b": 1, "a": [float("nan"), 2]})
    plain = {"a": [None, 2], "b": 1}
    assert whole == plain | {"checksum": hashlib.sha256(json.dumps(plain).encode()).hexdigest()}
    assert sealed(whole) == whole
    assert sealed(whole | {"b": 2}) != whole | {"b": 2}


@pytest.mark.parametrize("facts", ["no json", "[1]", "null"])
def test_metadata_that_cannot_be_read_do_not_match_their_checksum(tmp_path, facts):
    with pytest.raises(StoreCorruptError, match="does not match its checksum"):
        with_facts(save({"a": np.zeros(2)}, {"facts": facts}), tmp_path / "a.safetensors")


def test_a_checksum_does_not_depend_on_the_order_of_metadata():
    state = {"a": np.zeros(2)}
    assert checksum(state, {"x": "1", "y": "2"}) == checksum(state, {"y": "2", "x": "1"})
    assert checksum(state, {"x": "1", "y": "2"}) != checksum(state, {"x": "2", "y": "1"})


def test_a_path_that_is_missing_is_not_resolved(tmp_path):
    assert resolved(tmp_path) == tmp_path.resolve()
    with pytest.raises(FileNotFoundError):
        resolved(tmp_path / "missing")
