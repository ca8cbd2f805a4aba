"""Parallel work on a dask cluster: everything that goes through joblib, which is all of it."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.metadata
import logging
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from joblib import parallel_config
from joblib._dask import DaskDistributedBackend

from volplugin.errors import ClusterError, MissingLibraryError

ANSWER_WITHIN = 15
"""Seconds that a scheduler is waited for."""

ALONE_WITHIN = 15
"""Seconds without any worker, or without the scheduler, after which work ends with an error."""

DISTRIBUTION = "volplugin"


@contextmanager
def on_cluster(address: str, *shared: Any) -> Iterator[Any]:
    """Send the parallel work of the block to a dask cluster instead of to processes of this machine.

    Parameters
    ----------
    address : str
        Of the scheduler, such as ``"tcp://10.0.0.1:8786"``.
    *shared : object
        Arguments of every task, mainly the panel: sent to the scheduler once, and from there to each worker once. They
        outlive any worker; if a worker is lost, another one repeats its tasks.

    Yields
    ------
    dask.distributed.Client
        Connected; closed after the block.

    Raises
    ------
    MissingLibraryError
        Without dask.
    ClusterError
        If no scheduler responds at the address, it has no workers, or they have other code of this package; during
        the work, if all workers or the scheduler are gone for `ALONE_WITHIN` seconds, or a task ends its workers.

    Notes
    -----
    Results equal a local run's to the last bit where workers have the same libraries and the same kind of
    processor. Start workers with one thread each (``dask worker ADDRESS --nthreads 1``), and two or more of them:
    joblib works in this process where there is nothing to divide. During the block, the scheduler turns away workers
    that join with other code of this package.
    """
    try:
        from dask.distributed import Client
    except ImportError as error:
        raise MissingLibraryError("a cluster takes dask; pip install 'volplugin[dask]'") from error
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # lost connections become ClusterErrors
    try:
        with ThreadPoolExecutor(1) as other:  # in a notebook this thread has an event loop already
            other.submit(asyncio.run, _reach(address)).result()
        client = Client(address, timeout=ANSWER_WITHIN, set_as_default=False)
    except (OSError, ValueError, RuntimeError, TypeError) as error:  # the last two: TLS is required, or not set up
        raise ClusterError(
            f"no dask scheduler responds at {address} ({error}); start one with `dask scheduler`, and workers with "
            "`dask worker ADDRESS --nthreads 1`; with TLS, set the files of docs/cluster.md on this machine too"
        ) from error
    with client, _only_same_code(client, address), warnings.catch_warnings():
        # Of panels that are not among the shared: slower, not wrong.
        warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
        backend = _Backend(client=client)
        # Not its `scatter`: scattered data is gone with the last worker that holds it, and dask thins out such
        # copies; the result of a task is computed again.
        backend.data_futures.update({id(thing): client.submit(_itself, thing, pure=False) for thing in shared})
        with parallel_config(backend=backend), _watched(backend, address):
            yield client


async def _reach(address: str) -> None:
    """Connect once: a client that cannot connect would take half a minute more to end."""
    from distributed.comm import connect
    from distributed.security import Security

    comm = await connect(address, timeout=ANSWER_WITHIN, **Security().get_connection_args("client"))
    await comm.close()


class _Backend(DaskDistributedBackend):
    """joblib's backend, where a task that dask gives up ends the work: joblib's own waits for it without end."""

    async def _collect(self) -> None:
        while self._continue:
            async for future, result in self.waiting_futures:
                self._results.pop(future, None)
                callback = self._callbacks.pop(future, None)
                if callback is not None:
                    callback(result if future.status == "finished" else ClusterError(_given_up(future.status, result)))
            await asyncio.sleep(0.01)

    def retrieve_result_callback(self, out: Any) -> Any:
        if isinstance(out, ClusterError):
            raise out
        return super().retrieve_result_callback(out)

    def end(self, error: ClusterError) -> None:
        """End all tasks that still run with an error."""
        while self._callbacks:
            _, callback = self._callbacks.popitem()
            callback(error)


CONTINUES = "finished work is stored, and the same command continues from there"


def _given_up(status: str, result: Any) -> str:
    """Return why dask gave up a task: its status, or ``(type, exception, traceback)``."""
    if status == "cancelled":  # dask cancels all tasks of a client that has lost its scheduler
        return f"the connection to the scheduler is lost; start it again: {CONTINUES}"
    reason = str(result[1]).partition("\n")[0] if status == "error" else status
    return f"the cluster gave up a task ({reason}); {CONTINUES}"


@contextmanager
def _watched(backend: _Backend, address: str) -> Iterator[None]:
    """End the work of a backend once its workers or its scheduler are gone."""
    done = threading.Event()

    def watch() -> None:
        present = time.monotonic()
        while not done.wait(1.0):
            lost = _lost(backend.client)
            if not lost:
                present = time.monotonic()
            elif time.monotonic() - present > ALONE_WITHIN:
                backend.end(
                    ClusterError(f"{lost} at {address} for {ALONE_WITHIN} seconds; start them again: {CONTINUES}")
                )

    thread = threading.Thread(target=watch, name="volplugin-cluster", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _lost(client: Any) -> str:
    """Return what a cluster lacks, or ""."""
    if client.status != "running":
        return "there is no scheduler"
    try:
        workers = client.sync(client.scheduler.identity, callback_timeout=5.0)["workers"]
    except (OSError, TimeoutError):
        return "there is no scheduler"
    return "" if workers else "there are no workers"


def _itself(thing: Any) -> Any:
    """Return the argument: a task whose result is the object."""
    return thing


@contextmanager
def _only_same_code(client: Any, address: str) -> Iterator[None]:
    """Refuse workers that would compute something else, those that join later among them."""
    _check_workers(client, address)
    plugin = _turning_away(_code())
    client.register_plugin(plugin)
    try:
        yield
    finally:
        if client.status == "running":
            client.unregister_worker_plugin(plugin.name)


def _check_workers(client: Any, address: str) -> None:
    """Refuse workers that are there and would compute something else."""
    try:
        versions = client.run(importlib.metadata.version, DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError as error:
        raise ClusterError(f"a worker at {address} lacks {DISTRIBUTION}; install it there too") from error
    if not versions:
        raise ClusterError(f"the scheduler at {address} has no workers; start some: dask worker {address} --nthreads 1")
    ours = importlib.metadata.version(DISTRIBUTION)
    for worker, theirs in versions.items():
        if theirs != ours:
            raise ClusterError(f"worker {worker} has {DISTRIBUTION} {theirs}, this machine {ours}; install the same")
    # Code that lacks the function returns an error, which differs too.
    for worker, theirs in client.run(_code, on_error="return").items():
        if theirs != _code():
            raise ClusterError(f"worker {worker} has other code of {DISTRIBUTION} {ours}; install the same files")


def _code() -> str:
    """Return the version of this package and a digest of its source files."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for file in sorted(folder.rglob("*.py")):
        digest.update(f"{file.relative_to(folder).as_posix()}\n".encode() + file.read_bytes())
    return f"{importlib.metadata.version(DISTRIBUTION)} {digest.hexdigest()}"


def _turning_away(wanted: str) -> Any:
    """Return dask's plugin that ends each worker with other code before it gets a task.

    A worker without this package cannot read the plugin, and ends too.
    """
    from dask.distributed import WorkerPlugin

    class SameCode(WorkerPlugin):
        name = f"volplugin-{uuid.uuid4().hex}"

        def setup(self, worker: Any) -> Any:
            if _code() != wanted:
                return worker.close(reason="other code of volplugin")
            return None

    return SameCode()
