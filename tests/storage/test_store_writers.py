"""Several writers at one store, and disks that refuse."""

import os
import resource
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from volplugin import ModelStore
from volplugin.errors import StoreConfigurationError, StoreError

DATE, LATER = pd.Timestamp("2009-12-31"), pd.Timestamp("2010-12-31")
STATE = {"factor": np.arange(40_000.0)}
FACTS = {"fingerprint": "a" * 64, "assets": ["AAPL"], "universe": ["AAPL"]}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


# -- two at once ------------------------------------------------------------------------------------

TRAINING_TWICE = """
    import multiprocessing, pathlib, sys
    from registry import tiny_lstm
    from synthetic import SESSIONS, market
    from volplugin import ModelStore, RefitSchedule, WalkForward

    panel, fork = market(), multiprocessing.get_context("fork")
    started = fork.Barrier(2)

    def train(folder, wait):
        walk = WalkForward(tiny_lstm(), RefitSchedule("quarterly"), ModelStore(folder))
        wait()
        walk.train(panel, SESSIONS[1050], SESSIONS[1130], n_jobs=1, progress=False)

    pair = [fork.Process(target=train, args=("both", started.wait)) for _ in range(2)]
    for process in pair:
        process.start()
    train("alone", lambda: None)
    for process in pair:
        process.join(300)
    sys.exit([process.exitcode for process in pair] != [0, 0])
"""


def test_two_processes_that_train_into_one_store(tmp_path):
    """They work on the same vintages at the same time, and leave what one alone leaves."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    finished = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(TRAINING_TWICE)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    assert contents(tmp_path / "both") == contents(tmp_path / "alone")
    assert len(ModelStore(tmp_path / "both").vintages()) == 3


def test_a_vintage_that_another_finishes_first_stays(tmp_path, monkeypatch):
    """Between the look whether it is there and the renaming."""
    store, replace = ModelStore(tmp_path), os.replace

    def overtaken(source, target) -> None:
        if Path(target).parent.name == "vintages":
            monkeypatch.undo()
            store.save(DATE, STATE, FACTS)
        replace(source, target)

    monkeypatch.setattr(os, "replace", overtaken)
    store.save(DATE, {"factor": np.zeros(3)}, FACTS)
    np.testing.assert_array_equal(store.load(DATE)[0]["factor"], STATE["factor"])
    assert sorted(contents(tmp_path)) == ["vintages/2009-12-31/manifest.json", "vintages/2009-12-31/model.safetensors"]


def test_a_store_that_another_configuration_claims_first(tmp_path, monkeypatch):
    store, link = ModelStore(tmp_path), os.link

    def overtaken(source, target) -> None:
        monkeypatch.undo()
        store.configure({"forecaster": "HARVolatility"})
        link(source, target)

    monkeypatch.setattr(os, "link", overtaken)
    with pytest.raises(StoreConfigurationError, match="forecaster is 'HARVolatility' there and 'EWMAVolatility' here"):
        store.configure({"forecaster": "EWMAVolatility"})
    assert store.configuration["forecaster"] == "HARVolatility"


def test_parts_of_a_vintage_that_another_finishes_first_are_not_missed(tmp_path, monkeypatch):
    store = ModelStore(tmp_path)
    store.save(DATE, STATE, FACTS)

    def gone(source, target) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(os, "replace", gone)
    store.save_part(DATE, 0, STATE, "abc")
    with pytest.raises(StoreError, match="cannot write"):
        store.save_part(LATER, 0, STATE, "abc")


# -- disks that refuse ------------------------------------------------------------------------------

WRITES = {
    "save": lambda store: store.save(LATER, STATE, FACTS),
    "save_part": lambda store: store.save_part(LATER, 0, STATE, "abc"),
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk(name, call, tmp_path, monkeypatch):
    store = ModelStore(tmp_path / "models")
    store.save(DATE, STATE, FACTS)
    before = contents(tmp_path)

    def full(*_) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(StoreError, match="cannot write to the store .*models: No space left on device"):
        WRITES[name](store)
    assert contents(tmp_path) == before
    assert not [path for path in store.path.rglob(".*")]


def test_a_write_that_the_system_cuts_short(tmp_path):
    """For real, in a process that may not write files of more than 64 kB: the write fails half-way."""
    store = ModelStore(tmp_path)
    store.save(DATE, STATE, FACTS)
    before = contents(tmp_path)
    script = f"""
        import resource, signal, numpy as np, pandas as pd
        from volplugin.errors import StoreError
        from volplugin.storage import ModelStore
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, {resource.RLIM_INFINITY}))
        store, state, said = ModelStore({str(tmp_path)!r}), {{"factor": np.arange(40_000.0)}}, []
        facts = dict(fingerprint="", assets=[], universe=[])
        for write in (
            lambda: store.save(pd.Timestamp("2010-12-31"), state, facts),
            lambda: store.save_part(pd.Timestamp("2010-12-31"), 0, state, "abc"),
        ):
            try:
                write()
            except StoreError as error:
                said.append(str(error))
        assert [text.split(": ")[1] for text in said] == ["File too large"] * 2, said
    """
    finished = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert contents(tmp_path) == before


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root mounts file systems")
def test_a_disk_that_is_full(tmp_path):
    """For real, on a disk of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("no mount here")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("not allowed to mount a file system here")
    try:
        store = ModelStore(disk / "models")
        with pytest.raises(StoreError, match="No space left on device"):
            _ = [store.save(pd.Timestamp(f"{year}-12-31"), STATE, FACTS) for year in range(2000, 2010)]
        finished = store.vintages()
        assert 1 <= len(finished) < 10
        for date in finished:
            np.testing.assert_array_equal(store.load(date)[0]["factor"], STATE["factor"])
        assert not [path for path in store.path.rglob(".*")]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
