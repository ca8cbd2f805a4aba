"""Train one network per stock in parallel; each is stored when it is finished."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

import numpy as np
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from volplugin.errors import StoreCorruptError
from volplugin.storage.atomic import write_atomically
from volplugin.storage.manifest import TENSORS_LIMIT
from volplugin.storage.reading import read_regular_file
from volplugin.storage.tensors import to_bytes, with_facts
from volplugin.volatility.base import State
from volplugin.volatility.lstm.seed import SeedSettings, fit_seed
from volplugin.workflows.study.sample import Sample

FORMAT = 1


def train_networks(
    sample: Sample,
    folder: Path,
    *,
    n_jobs: int | None = None,
    progress: bool = True,
    log: Callable[[str], None] | None = None,
) -> dict[str, State]:
    """Train the networks missing in the folder, with one torch thread per process.

    Parameters
    ----------
    sample : Sample
    folder : Path
        Folder with one ``SYMBOL.safetensors`` per stock, which contains the digest of its returns and settings. A
        damaged file, or one with another digest, is trained again.
    n_jobs : int, optional
        Processes, as in joblib.
    progress : bool, default True
        Show a progress bar if standard error is a terminal.
    log : callable, optional
        Called with the number of stored networks and of networks to train.

    Returns
    -------
    dict of str to dict of ndarray
        The result of `fit_seed` per stock.
    """
    returns = {name: sample.returns[name].to_numpy() for name in sample.returns}
    digests = {name: fingerprint(values, sample.settings, str(name)) for name, values in returns.items()}
    found = {name: load_network(folder, str(name), digest) for name, digest in digests.items()}
    missing = [name for name, state in found.items() if state is None]
    if log is not None:
        log(f"networks stored in {folder}: {len(found) - len(missing)} of {len(found)}; to train: {len(missing)}")
    fits = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
        delayed(_fit)(name, returns[name], sample.settings) for name in missing
    )
    with tqdm(total=len(found), desc="training", unit="stock", disable=None if progress else True) as bar:
        bar.update(len(found) - len(missing))
        for name, state in fits:
            save_network(folder, str(name), digests[name], state)
            found[name] = state
            bar.update()
    return {name: state for name, state in found.items() if state is not None}


def fingerprint(returns: np.ndarray, settings: SeedSettings, name: str) -> str:
    """Return the SHA-256 of returns, settings and name, on which a stock's result depends."""
    metadata = json.dumps({"format": FORMAT, "name": name, **asdict(settings)}, sort_keys=True)
    return hashlib.sha256(metadata.encode() + np.ascontiguousarray(returns, dtype=np.float64).tobytes()).hexdigest()


def save_network(folder: Path, name: str, digest: str, state: State) -> None:
    """Write one stock's result atomically."""
    write_atomically(_file(folder, name), to_bytes(state, {"fingerprint": digest}))


def load_network(folder: Path, name: str, digest: str) -> State | None:
    """Return one stock's result; None if the file is missing, damaged, or has another digest."""
    file = _file(folder, name)
    try:
        state, metadata = with_facts(read_regular_file(file, TENSORS_LIMIT), file)
    except (OSError, StoreCorruptError):
        return None
    return state if metadata.get("fingerprint") == digest else None


def _file(folder: Path, name: str) -> Path:
    # BRK/B is not a valid file name.
    return folder / f"{quote(name, safe='')}.safetensors"


def _fit(name: str, returns: np.ndarray, settings: SeedSettings) -> tuple[str, State]:
    return name, fit_seed(returns, settings, str(name))
