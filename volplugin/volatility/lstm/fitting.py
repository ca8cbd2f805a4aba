"""Fits the networks of one seed: pooled over the assets, or one per asset."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from volplugin.volatility.lstm.ensemble import Readout, with_one
from volplugin.volatility.lstm.network import VolatilityNetwork
from volplugin.volatility.lstm.sequences import sequences_for, validation_split
from volplugin.volatility.lstm.training import CPU, Loss, TrainingConfig, as_tensor, mean_loss, train

RIDGE = 1000.0
"""Strength of the pull to the shared readout, in sessions."""

COPY = TrainingConfig(steps=20, learning_rate=1e-3)
"""Training settings for tuning a copy of a network to one asset."""


def fine_tune(
    readout: Readout,
    hidden: np.ndarray,
    x: np.ndarray,
    log_y: np.ndarray,
    assets: Sequence[Any],
    horizons: Sequence[int],
) -> Readout:
    """Tune head and skip for each asset by ridge regression towards the shared ones.

    An asset's readout is tuned on the head of the training span and used only if its squared error on the purged tail
    is below the error of the shared readout; it is then tuned again on the whole span. The networks were trained on
    the tail too, which favours the shared readout: the test is conservative.

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

    As in `fine_tune`, the trial uses the head of the training span, and the returned copy the whole span.

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
    """Change of the readout, one ridge regression per horizon."""
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


STEPS = (75, 150, 300)
"""Default numbers of gradient steps that are compared on a validation tail."""


@dataclass(frozen=True)
class Trainer:
    """Trains the networks of one seed on a table of inputs and targets.

    Attributes
    ----------
    empty : callable
        Returns an untrained network.
    loss : callable
        Elementwise loss of output and target.
    horizons : sequence of int
        In sessions.
    seed : int
        Seed of all random numbers.
    device : torch.device, default CPU
        Device for training; returned networks are on the CPU.
    zeroed : tuple of int
        Columns of inputs that are zero in a part of the training sequences, as in `TrainingConfig`.

    Notes
    -----
    Tables are x of shape (n_sessions, n_assets, n_inputs) and y of shape (n_sessions, n_assets, n_horizons),
    forward variance relative to the slow level; `linear` is a table of `regress_logs`.
    """

    empty: Callable[[], VolatilityNetwork]
    loss: Loss
    horizons: Sequence[int]
    seed: int
    device: torch.device = CPU
    zeroed: tuple[int, ...] = ()

    def start(self, linear: np.ndarray) -> tuple[VolatilityNetwork, torch.Generator]:
        """Return a network that forecasts as the regression does, and the generator of its other weights."""
        network, generator = self.empty(), self._generator()
        network.initialise(generator, weight=as_tensor(linear[1:-1].T), bias=as_tensor(linear[0]))
        return network, generator

    def pooled(self, x: np.ndarray, y: np.ndarray, linear: np.ndarray, steps: int) -> VolatilityNetwork | None:
        """Train one network on all assets from its linear start; None for too little data."""
        network, generator = self.start(linear)
        sequences = sequences_for(network, x, np.log(y))
        if len(sequences[0]) == 0:
            return None
        burn_in = network.burn_in if network.carries else 0
        recipe = TrainingConfig(steps, batch=network.batch, zeroed=self.zeroed, burn_in=burn_in)
        return train(network, *sequences, self.loss, recipe, generator, self.device)

    def chosen_steps(
        self,
        x: np.ndarray,
        y: np.ndarray,
        regress: Callable[[np.ndarray, np.ndarray], np.ndarray | None],
        choices: Sequence[int],
    ) -> int:
        """Return the number of steps with the least loss on the purged tail of the training span.

        Each number is a separate training: the one-cycle schedule of a longer one, stopped early, is another schedule.
        """
        (head, head_targets), (tail, tail_targets) = validation_split(x, y, self.horizons)
        linear, losses = regress(head, head_targets), {}
        for steps in choices:
            network = None if linear is None else self.pooled(head, head_targets, linear, steps)
            held_out = None if network is None else sequences_for(network, tail, np.log(tail_targets))
            if network is not None and held_out is not None and len(held_out[0]):
                losses[steps] = mean_loss(network, *held_out, self.loss)
        return min(losses, key=losses.__getitem__, default=choices[0])

    def independent(
        self, x: np.ndarray, y: np.ndarray, linear: np.ndarray, steps: int, assets: Sequence[Any]
    ) -> dict[Any, VolatilityNetwork]:
        """Train one network per asset, each from the pooled linear coefficients, on that asset alone."""
        fitted = {asset: self.pooled(*own, linear, steps) for asset, own in _each(x, y, assets)}
        return {asset: network for asset, network in fitted.items() if network is not None}

    def fine_tuned(
        self, network: VolatilityNetwork, x: np.ndarray, y: np.ndarray, assets: Sequence[Any]
    ) -> dict[Any, VolatilityNetwork]:
        """Tune a copy of a trained network to each asset; copies that are no better are dropped."""
        copies = {
            asset: tuned_copy(network, own_x, np.log(own_y), self.horizons, self.loss, self._generator(), self.device)
            for asset, (own_x, own_y) in _each(x, y, assets)
        }
        return {asset: copy for asset, copy in copies.items() if copy is not None}

    def _generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)


def _each(x: np.ndarray, y: np.ndarray, assets: Sequence[Any]) -> Iterator[tuple[Any, tuple[np.ndarray, np.ndarray]]]:
    """Yield the tables of each asset."""
    for column, asset in enumerate(assets):
        yield asset, (x[:, [column]], y[:, [column]])
