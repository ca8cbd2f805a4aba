"""Each asset's own readout or network, kept only where it proves better on data that it was not tuned on."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from volplugin.volatility.lstm.network import VolatilityNetwork
from volplugin.volatility.lstm.readout import Readout, with_one
from volplugin.volatility.lstm.sequences import sequences_for, validation_split
from volplugin.volatility.lstm.training import CPU, Loss, Recipe, mean_loss, train

RIDGE = 1000.0
"""Strength of the pull to the shared readout, in sessions."""

COPY = Recipe(steps=20, learning_rate=1e-3)
"""How a copy of a trained network is tuned to one asset."""


def fine_tune(
    readout: Readout,
    hidden: np.ndarray,
    x: np.ndarray,
    log_y: np.ndarray,
    assets: Sequence[Any],
    horizons: Sequence[int],
) -> Readout:
    """Tune head and skip for each asset by ridge regression towards the shared ones.

    Each asset's own readout is tuned on the head of the training span and kept only if its squared error on the
    purged tail is below that of the shared one; it is then tuned once more, on all of the span. The networks
    themselves have seen the tail, which favours the shared readout: the test is a strict one.

    Parameters
    ----------
    readout : Readout
        The shared one.
    hidden : ndarray of shape (n_sessions, n_assets, n_hidden)
    x : ndarray of shape (n_sessions, n_assets, n_inputs)
    log_y : ndarray of shape (n_sessions, n_assets, n_horizons)
        Log targets, NaN where there is none.
    assets : sequence of length n_assets
    horizons : sequence of length n_horizons
        In sessions.
    """
    features = with_one(hidden, x)
    missing = log_y - features @ readout.table
    (head, head_missing), (tail, tail_missing) = validation_split(features, missing, horizons)
    own = {}
    for column, asset in enumerate(assets):
        step = _ridge(head[:, column], head_missing[:, column])
        if _loss(tail[:, column], tail_missing[:, column], step) < _loss(tail[:, column], tail_missing[:, column]):
            own[asset] = readout.table + _ridge(features[:, column], missing[:, column])
    return Readout(readout.table, own)


def tuned_copy(
    network: VolatilityNetwork,
    x: np.ndarray,
    log_y: np.ndarray,
    horizons: Sequence[int],
    loss: Loss,
    generator: torch.Generator,
    device: torch.device = CPU,
) -> VolatilityNetwork | None:
    """Train all weights of a copy further on one asset; None if it is no better on the purged tail.

    As with `fine_tune`, the trial is on the head of the training span, and what is kept is tuned on all of it.

    Parameters
    ----------
    network : VolatilityNetwork
        The shared one, trained.
    x : ndarray of shape (n_sessions, 1, n_inputs)
    log_y : ndarray of shape (n_sessions, 1, n_horizons)
    horizons : sequence of length n_horizons
    loss : callable
    generator : torch.Generator
    device : torch.device, default CPU
        Where the copy is trained.
    """
    head, tail = validation_split(x, log_y, horizons)
    held_out = sequences_for(network, *tail)
    if len(sequences_for(network, *head)[0]) == 0 or len(held_out[0]) == 0:
        return None
    trial = train(copy.deepcopy(network), *sequences_for(network, *head), loss, COPY, generator, device)
    if mean_loss(trial, *held_out, loss) >= mean_loss(network, *held_out, loss):
        return None
    return train(copy.deepcopy(network), *sequences_for(network, x, log_y), loss, COPY, generator, device)


def _ridge(features: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Change of the readout, one regression a horizon."""
    columns = []
    for target in missing.T:
        here = np.isfinite(target) & np.isfinite(features).all(axis=-1)
        a, b = features[here], target[here]
        columns.append(np.linalg.solve(a.T @ a + RIDGE * np.eye(a.shape[1]), a.T @ b))
    return np.stack(columns, axis=-1)


def _loss(features: np.ndarray, missing: np.ndarray, step: np.ndarray | None = None) -> float:
    error = missing if step is None else missing - features @ step
    here = np.isfinite(error)
    return float((error[here] ** 2).mean()) if here.any() else np.inf
