"""One network per stock, trained in parallel, each stored as it finishes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

import numpy as np
from joblib import Parallel, delayed
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from tqdm.auto import tqdm

from volplugin.storage.atomic import write_atomically
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
    """Train the networks that the folder lacks, one torch thread a process.

    Parameters
    ----------
    sample : Sample
    folder : Path
        Folder that stores each stock's result as ``SYMBOL.safetensors``, with the fingerprint of the returns and
        settings that it came from. One of another fingerprint, or damaged, is trained anew.
    n_jobs : int, optional
        Processes, as joblib counts them.
    progress : bool, default True
        Show a bar, on a terminal.
    say : callable, optional
        Logs the number of stored networks and of networks to train.

    Returns
    -------
    dict of str to dict of ndarray
        What `fit_seed` returns, by stock.
    """
    returns = {name: sample.returns[name].to_numpy() for name in sample.returns}
    prints = {name: fingerprint(values, sample.settings, str(name)) for name, values in returns.items()}
    found = {name: find(folder, str(name), mark) for name, mark in prints.items()}
    missing = [name for name, state in found.items() if state is None]
    if log is not None:
        log(f"networks stored in {folder}: {len(found) - len(missing)} of {len(found)}; to train: {len(missing)}")
    fits = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
        delayed(_fit)(name, returns[name], sample.settings) for name in missing
    )
    with tqdm(total=len(found), desc="training", unit="stock", disable=None if progress else True) as bar:
        bar.update(len(found) - len(missing))
        for name, state in fits:
            keep(folder, str(name), prints[name], state)
            found[name] = state
            bar.update()
    return {name: state for name, state in found.items() if state is not None}


def fingerprint(returns: np.ndarray, settings: SeedSettings, name: str) -> str:
    """SHA-256 over everything that a stock's result depends on."""
    metadata = json.dumps({"format": FORMAT, "name": name, **asdict(settings)}, sort_keys=True)
    return hashlib.sha256(metadata.encode() + np.ascontiguousarray(returns, dtype=np.float64).tobytes()).hexdigest()


def keep(folder: Path, name: str, mark: str, state: State) -> None:
    """Write one stock's result, whole or not at all."""
    tensors = {key: np.ascontiguousarray(values) for key, values in state.items()}
    write_atomically(_file(folder, name), save(tensors, {"fingerprint": mark}))


def find(folder: Path, name: str, mark: str) -> State | None:
    """Return one stock's result, or None if there is none of that fingerprint that can be read."""
    file = _file(folder, name)
    if not file.exists():
        return None
    try:
        with safe_open(file, framework="numpy") as tensors:
            if (tensors.metadata() or {}).get("fingerprint") != mark:
                return None
            return {key: tensors.get_tensor(key) for key in tensors.keys()}
    except SafetensorError:
        return None


def _file(folder: Path, name: str) -> Path:
    # A name such as BRK/B is no file name.
    return folder / f"{quote(name, safe='')}.safetensors"


def _fit(name: str, returns: np.ndarray, settings: SeedSettings) -> tuple[str, State]:
    return name, fit_seed(returns, settings, str(name))
