"""A real dask cluster of two processes: the same bits as without it, and a killed worker costs nothing but time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
from cluster_models import FusedHAR, fused_lstm
from joblib import parallel_config

import volplugin.parallel
from volplugin import HARVolatility, ModelStore, RefitSchedule, WalkForward
from volplugin.errors import ClusterError
from volplugin.parallel import on_cluster

START, END = "2016-01-04", "2017-03-01"

pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore:.*unclosed:pytest.PytestUnraisableExceptionWarning"
)


FORECASTERS = {"HAR": FusedHAR, "LSTM": fused_lstm}
KINDS = ["HAR", pytest.param("LSTM", marks=pytest.mark.slow)]
"""Workers need half a minute to load torch on a busy machine: the network is for the slow tests."""


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("dask.distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as made:
        yield made


def trained(kind: str, panel, store, fuse: str = "") -> dict[str, bytes]:
    """Train vintages, and return every file that a store then holds."""
    forecaster = FORECASTERS[kind](fuse=fuse)
    WalkForward(forecaster, RefitSchedule("quarterly"), ModelStore(store)).train(panel, START, END, progress=False)
    files = {str(file.relative_to(store)): file.read_bytes() for file in sorted(store.rglob("*")) if file.is_file()}
    assert len(files) > 10
    return files


@pytest.mark.parametrize("kind", KINDS)
def test_a_cluster_trains_the_same_to_the_last_bit(cluster, synthetic, tmp_path, kind):
    with on_cluster(cluster.scheduler_address, synthetic) as client:
        processes(client)
        there = trained(kind, synthetic, tmp_path / "there")
    assert there == trained(kind, synthetic, tmp_path / "here")


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_killed_in_the_middle_costs_nothing_but_time(cluster, synthetic, tmp_path, kind):
    fuse = tmp_path / "fuse"
    fuse.write_text(str(os.getpid()))
    with on_cluster(cluster.scheduler_address, synthetic) as client:
        before = processes(client)
        client.amm.run_once()  # Thins out copies of data, as happens by itself every few seconds.
        there = trained(kind, synthetic, tmp_path / "there", str(fuse))
        assert len(before - processes(client)) == 1
    assert not fuse.exists()
    assert there == trained(kind, synthetic, tmp_path / "here")


def processes(client) -> set[int]:
    """Return the process numbers of the two workers, waiting for one that is being replaced."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        found = client.run(os.getpid, on_error="ignore")
        if len(found) == 2:
            return set(found.values())
        time.sleep(0.2)
    raise AssertionError(f"two workers were to be there: {client.scheduler_info()}")


def test_joblib_alone_is_enough(cluster, synthetic):
    from dask.distributed import Client

    model = HARVolatility()
    with Client(cluster, set_as_default=False) as client, parallel_config(backend="dask", client=client):
        processes(client)
        there = WalkForward(model).train(synthetic, START, END, progress=False)
    here = WalkForward(model).train(synthetic, START, END, progress=False)
    np.testing.assert_array_equal(there.predict(synthetic), here.predict(synthetic))


def test_a_cluster_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr("volplugin.parallel.ANSWER_WITHIN", 0.5)
    with (
        pytest.raises(ClusterError, match=r"no dask scheduler responds at tcp://127\.0\.0\.1:9"),
        on_cluster("tcp://127.0.0.1:9"),
    ):
        pass


def test_workers_of_another_version_are_refused(cluster, monkeypatch):
    monkeypatch.setattr("volplugin.parallel.DISTRIBUTION", "no-such-package")
    with pytest.raises(ClusterError, match="lacks no-such-package"), on_cluster(cluster.scheduler_address):
        pass


def test_a_cluster_without_workers_is_refused():
    distributed = pytest.importorskip("dask.distributed")
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0") as empty:
        with pytest.raises(ClusterError, match="has no workers"), on_cluster(empty.scheduler_address):
            pass


@pytest.mark.slow
def test_a_worker_with_other_code_that_joins_late_gets_no_work(tmp_path):
    distributed = pytest.importorskip("dask.distributed")
    ours = Path(volplugin.parallel.__file__).parent
    shutil.copytree(ours, tmp_path / "volplugin", ignore=lambda _, names: [n for n in names if n == "pretrained"])
    with open(tmp_path / "volplugin" / "errors.py", "a") as file:
        file.write("# changed\n")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster:
        late = [sys.executable, "-m", "distributed.cli.dask_worker", cluster.scheduler_address, "--no-nanny"]
        with on_cluster(cluster.scheduler_address) as client:
            before = set(client.run(os.getpid).values())
            other = subprocess.Popen(late, cwd=tmp_path, stderr=subprocess.PIPE)
            _, log = other.communicate(timeout=60)
            assert b"other code of volplugin" in log
            assert set(client.run(os.getpid).values()) == before
            same = subprocess.Popen([*late, "--death-timeout", "30"], stderr=subprocess.DEVNULL)
            client.wait_for_workers(2, timeout=60)
        # After the block any worker is welcome.
        other = subprocess.Popen(late, cwd=tmp_path, stderr=subprocess.DEVNULL)
        with distributed.Client(cluster, set_as_default=False) as client:
            client.wait_for_workers(3, timeout=60)
        for process in (same, other):
            process.kill()
            process.wait()


@pytest.mark.slow
@pytest.mark.parametrize(("gone", "message"), [("workers", "no workers at tcp"), ("scheduler", "scheduler is lost")])
def test_a_cluster_that_goes_away_ends_the_work_with_an_error(monkeypatch, gone, message, tmp_path):
    pytest.importorskip("dask.distributed")
    monkeypatch.setattr("volplugin.parallel.ALONE_WITHIN", 3)
    at = tmp_path / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_{}", "--scheduler-file", str(at)]
    scheduler = subprocess.Popen(
        [part.format("scheduler") for part in command] + ["--port", "0", "--dashboard-address", ":0"],
        stderr=subprocess.DEVNULL,
    )
    worker = subprocess.Popen(
        [part.format("worker") for part in command] + ["--no-nanny", "--nthreads", "2"], stderr=subprocess.DEVNULL
    )
    try:
        while not (at.exists() and at.read_text()):
            time.sleep(0.1)
        address = json.loads(at.read_text())["address"]
        with distributed_client(address) as client:
            client.wait_for_workers(1, timeout=60)
        threading.Timer(2.0, (worker if gone == "workers" else scheduler).kill).start()
        began = time.monotonic()
        with pytest.raises(ClusterError, match=f"{message}.*continues from there"), on_cluster(address):
            joblib.Parallel(n_jobs=2)(joblib.delayed(time.sleep)(300) for _ in range(4))
        assert time.monotonic() - began < 60
    finally:
        for process in (worker, scheduler):
            process.kill()
            process.wait()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("openssl") is None, reason="takes openssl")
def test_tls_as_documented(tmp_path):
    dask, distributed = pytest.importorskip("dask"), pytest.importorskip("dask.distributed")
    page = (Path(volplugin.parallel.__file__).parents[1] / "docs" / "cluster.md").read_text(encoding="utf-8")
    commands = [line for line in page.splitlines() if line.startswith("openssl ")]
    for command in commands:
        subprocess.run(command.split(), cwd=tmp_path, check=True, stderr=subprocess.DEVNULL)
    ours = {
        name: str(tmp_path / f"{file}.pem") for name, file in {"ca_file": "ca", "cert": "me", "key": "me-key"}.items()
    }
    security = distributed.Security(
        tls_ca_file=ours["ca_file"],
        **{f"tls_{part}_{name}": ours[name] for part in ("client", "scheduler", "worker") for name in ("cert", "key")},
    )
    client = {f"distributed.comm.tls.client.{name}": ours[name] for name in ("cert", "key")}
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", protocol="tls://", security=security
    ) as made:
        address = made.scheduler_address
        assert address.startswith("tls://")
        with dask.config.set(client | {"distributed.comm.tls.ca-file": ours["ca_file"]}), on_cluster(address):
            assert joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(-number) for number in range(4)) == [0, 1, 2, 3]
        for other, message in ((address, "TLS expects"), (address.replace("tls", "tcp"), "no dask scheduler")):
            began = time.monotonic()
            with pytest.raises(ClusterError, match=message), on_cluster(other):
                pass
            assert time.monotonic() - began < 30


def distributed_client(address):
    from dask.distributed import Client

    return Client(address, set_as_default=False)


def test_a_task_that_ends_its_workers_ends_the_work(cluster):
    with on_cluster(cluster.scheduler_address) as client:
        processes(client)
        with pytest.raises(ClusterError, match=r"gave up a task \(.*continues from there"):
            joblib.Parallel(n_jobs=2)(joblib.delayed(os._exit)(1) for _ in range(2))
        processes(client)  # dask does not close a cluster cleanly while it replaces workers
