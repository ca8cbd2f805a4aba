"""Each asset's own readout, kept only where it proves better on data that it was not tuned on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from volplugin.volatility.horizons import KNOTS
from volplugin.volatility.lstm.readout import Readout, with_one
from volplugin.volatility.lstm.sequences import validation_split

RIDGE = 1000.0
"""Strength of the pull to the shared readout, in sessions."""


def fine_tune(readout: Readout, hidden: np.ndarray, x: np.ndarray, log_y: np.ndarray, assets: Sequence[Any]) -> Readout:
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
    """
    features = with_one(hidden, x)
    missing = log_y - features @ readout.table
    (head, head_missing), (tail, tail_missing) = validation_split(features, missing, KNOTS)
    own = {}
    for column, asset in enumerate(assets):
        step = _ridge(head[:, column], head_missing[:, column])
        if _loss(tail[:, column], tail_missing[:, column], step) < _loss(tail[:, column], tail_missing[:, column]):
            own[asset] = readout.table + _ridge(features[:, column], missing[:, column])
    return Readout(readout.table, own)


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
