"""Parallel work on a dask cluster: everything that goes through joblib, which is all of it."""

from __future__ import annotations

import importlib.metadata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from joblib import parallel_config

from volplugin.errors import ClusterError, MissingLibraryError

ANSWER_WITHIN = 15
"""Seconds that a scheduler is waited for."""

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
        If no scheduler responds at the address, it has no workers, or theirs is another version of this package.

    Notes
    -----
    Results equal a local run's to the last bit where workers have the same libraries and the same kind of
    processor. Start workers with one thread each (``dask worker ADDRESS --nthreads 1``), and two or more of them:
    joblib works in this process where there is nothing to divide.
    """
    try:
        from dask.distributed import Client
    except ImportError as error:
        raise MissingLibraryError("a cluster takes dask; pip install 'volplugin[dask]'") from error
    try:
        client = Client(address, timeout=ANSWER_WITHIN, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no dask scheduler responds at {address} ({error}); start one with `dask scheduler`, and workers with "
            "`dask worker ADDRESS --nthreads 1`"
        ) from error
    with client:
        _check_workers(client, address)
        with warnings.catch_warnings():
            # Of panels that are not among the shared: slower, not wrong.
            warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
            with parallel_config(backend="dask", client=client) as configured:
                # Not its `scatter`: scattered data is gone with the last worker that holds it, and dask thins out such
                # copies; the result of a task is computed again.
                held = {id(thing): client.submit(_itself, thing, pure=False) for thing in shared}
                configured["backend"].data_futures.update(held)
                yield client


def _itself(thing: Any) -> Any:
    """Return the argument: a task whose result is the object."""
    return thing


def _check_workers(client: Any, address: str) -> None:
    """Refuse workers that would compute something else."""
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
