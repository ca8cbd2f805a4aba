"""A real dask cluster of two processes: the same bits as without it, and a killed worker costs nothing but time."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
from cluster_models import FusedHAR, fused_lstm
from joblib import parallel_config

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
