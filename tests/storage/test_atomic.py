import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from volplugin.storage.atomic import (
    DAY,
    SUMS,
    altered_files,
    remove_leftovers,
    sync_folder,
    temporary_name,
    write_atomically,
    write_files,
)

NOBODY = 4_194_304 + 1
"""More than any process number that Linux gives."""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def left_by(process: int, folder: Path) -> Path:
    place = folder / temporary_name("model").replace(f"-{os.getpid()}-", f"-{process}-")
    place.mkdir()
    (place / "half").write_bytes(b"12345")
    return place


def test_folders_are_made_and_everybody_may_read(tmp_path):
    file = write_atomically(tmp_path / "a" / "b" / "numbers", b"123")
    assert file.read_bytes() == b"123"
    assert file.stat().st_mode & 0o777 == 0o644
    assert names(file.parent) == ["numbers"]


def test_an_older_file_is_replaced_unless_told_otherwise(tmp_path):
    write_atomically(tmp_path / "numbers", b"1")
    write_atomically(tmp_path / "numbers", b"2")
    with pytest.raises(FileExistsError, match="numbers"):
        write_atomically(tmp_path / "numbers", b"3", replace=False)
    assert (tmp_path / "numbers").read_bytes() == b"2"
    assert write_atomically(tmp_path / "other", b"3", replace=False).read_bytes() == b"3"
    assert names(tmp_path) == ["numbers", "other"]


def test_without_hard_links_it_is_named_once_all_the_same(tmp_path, monkeypatch):
    def refuse(*_) -> None:
        raise PermissionError("this file system has no hard links")

    monkeypatch.setattr(os, "link", refuse)
    write_atomically(tmp_path / "numbers", b"1", replace=False)
    with pytest.raises(FileExistsError, match=f"File exists: '{tmp_path / 'numbers'}'$"):
        write_atomically(tmp_path / "numbers", b"2", replace=False)
    assert (tmp_path / "numbers").read_bytes() == b"1"
    assert names(tmp_path) == ["numbers"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failure_names_the_file_and_leaves_the_older_one(tmp_path, monkeypatch, call):
    write_atomically(tmp_path / "numbers", b"old")

    def full(*_) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left on device.*numbers"):
        write_atomically(tmp_path / "numbers", b"new")
    assert (tmp_path / "numbers").read_bytes() == b"old"
    assert names(tmp_path) == ["numbers"]


def test_a_name_with_a_nul_byte_is_refused(tmp_path):
    with pytest.raises(OSError, match="null (byte|character)") as raised:
        write_atomically(tmp_path / "a\0b", b"")
    assert (raised.value.errno, raised.value.filename) == (errno.EINVAL, str(tmp_path / "a\0b"))


def test_a_folder_that_is_gone_is_not_synced(tmp_path):
    sync_folder(tmp_path / "gone")
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize("error", [FileNotFoundError, PermissionError])
def test_leftovers_that_others_remove_or_that_refuse_are_left(tmp_path, monkeypatch, error):
    left = tmp_path / temporary_name("model").replace(f"-{os.getpid()}-", f"-{NOBODY}-")
    left.write_bytes(b"half")

    def refuse(*_, **settings) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        remove_leftovers(tmp_path)
    assert left.exists()
    remove_leftovers(tmp_path)
    assert not left.exists()


def test_what_killed_writers_left_is_removed_by_the_next(tmp_path):
    left_by(NOBODY, tmp_path)
    (tmp_path / ".hidden").write_text("of somebody else")
    write_atomically(tmp_path / "numbers", b"1")
    assert names(tmp_path) == [".hidden", "numbers"]


def test_what_a_living_writer_is_at_is_left_alone(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        place = left_by(other.pid, tmp_path)
        remove_leftovers(tmp_path)
        assert place.is_dir()
        other.communicate(b"\n")
    remove_leftovers(tmp_path)
    assert names(tmp_path) == []


def test_what_another_machine_left_goes_when_it_is_old(tmp_path):
    place = tmp_path / f".model.tmp-elsewhere-{NOBODY}-01234567"
    place.mkdir()
    remove_leftovers(tmp_path)
    assert place.is_dir()
    old = place.stat().st_mtime - DAY - 1
    os.utime(place, (old, old))
    remove_leftovers(tmp_path)
    assert not place.exists()


def test_files_are_listed_with_their_checksums(tmp_path):
    write_files(tmp_path, {"b.json": b"2", "a  a.csv": b"1"})
    write_files(tmp_path, {"b.json": b"3"})
    digests = [hashlib.sha256(content).hexdigest() for content in (b"1", b"3")]
    assert (tmp_path / SUMS).read_text() == f"{digests[0]}  a  a.csv\n{digests[1]}  b.json\n"
    assert altered_files(tmp_path) == []
    (tmp_path / "a  a.csv").write_bytes(b"4")
    assert altered_files(tmp_path) == ["a  a.csv"]
    assert altered_files(tmp_path, "b.json", "other") == []
    (tmp_path / "a  a.csv").unlink()
    assert altered_files(tmp_path) == []


def test_checksums_that_are_missing_or_no_text(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"1")
    assert altered_files(tmp_path) == []
    (tmp_path / SUMS).write_bytes(b"\xff\xfe  a.csv\n")
    assert altered_files(tmp_path) == ["a.csv"]
