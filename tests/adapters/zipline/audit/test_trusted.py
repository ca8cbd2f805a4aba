"""What a library may read and a strategy may import."""

import os
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import volplugin
from volplugin.adapters.zipline.audit.trusted import (
    is_library,
    is_library_code,
    is_library_file,
    is_system_file,
    is_trusted_module,
    library_folders,
    parents,
    real_path,
)
from volplugin.adapters.zipline.run import gallery, load_strategy

STDLIB = sysconfig.get_path("stdlib")
NUMPY = Path(np.__file__).parent


@pytest.mark.parametrize(
    ("name", "trusted"),
    [
        ("os.path", True),
        ("numpy.linalg", True),
        ("volplugin", True),
        ("volplugin_strategy_mine", True),
        ("concurrent.futures", True),
        ("concurrent.futures.process", False),
        ("ctypes", False),
        ("h5py", False),
        ("numpyx", False),
        ("mine.numpy", False),
    ],
)
def test_modules(name, trusted):
    assert is_trusted_module(name) == trusted
    assert is_trusted_module(name, frozenset({"h5py"})) == (trusted or name == "h5py")


def test_the_code_of_libraries_is_told_from_a_strategy_s(tmp_path):
    assert is_library("<frozen importlib._bootstrap>")
    assert is_library(os.__file__)
    assert is_library(np.__file__)
    assert is_library(volplugin.__file__)
    assert not is_library(str(tmp_path / "mine.py"))
    hooks = load_strategy(gallery()[0])
    assert not is_library(hooks["initialize"].__code__.co_filename)


def test_files_of_libraries(tmp_path):
    assert is_library_code(os.path.realpath(os.__file__))
    assert is_library_code(str(NUMPY / "core.so"))
    assert not is_library_code(str(NUMPY / "py.typed"))
    assert not is_library_code(str(tmp_path / "mine.py"))
    assert not is_library_file(str(NUMPY / "core.so"))
    assert is_library_file(real_path(NUMPY / "py.typed"))
    assert not is_library_file(real_path(NUMPY / "prices.csv"))
    assert not is_library_file(real_path(NUMPY / "prices.dat"))
    assert not is_library_file(str(tmp_path / "mine.py"))
    assert is_library_file("/usr/lib/libm.so.6")
    assert not is_library_file("/usr/lib/prices.csv")
    assert all(folder.endswith(os.sep) for folder in library_folders())
    assert f"{os.path.realpath(STDLIB)}{os.sep}" in library_folders()
    assert len(set(library_folders())) == len(library_folders())
    assert any(folder.endswith(f"site-packages{os.sep}") for folder in library_folders())


@pytest.mark.parametrize(
    ("path", "system"),
    [
        ("/dev/null", True),
        ("/etc/hosts", True),
        ("/etc/prices.csv", False),
        ("/proc/cpuinfo", True),
        ("/proc/self/status", True),
        ("/proc/{own}/maps", True),
        ("/proc/{parent}/maps", False),
        ("/usr/share/zoneinfo/UTC", True),
        ("/sys/fs/cgroup/cpu.max", True),
        ("/proc/sys/vm/overcommit_memory", True),
        ("/proc/self/environ", False),
        ("/usr/lib/libm.so.6", False),
        ("/tmp/x", False),
    ],
)
def test_files_of_the_system(path, system):
    assert is_system_file(path.format(own=os.getpid(), parent=os.getppid())) == system


def test_paths(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert real_path(tmp_path / "link") == real_path(str(tmp_path / "link").encode()) == str(tmp_path / "real")
    assert real_path(f"file:{tmp_path}/link?mode=ro") == str(tmp_path / "real")
    assert real_path("/prices%20of?today") == "/prices%20of?today"
    assert list(parents(("/a/b/c", "/d"))) == ["/a/b", "/a", "/", "/"]
