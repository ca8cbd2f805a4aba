"""Fitting the networks of one seed: pooled over the assets, or one an asset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from volplugin.volatility.lstm.network import VolatilityNetwork
from volplugin.volatility.lstm.sequences import sequences_for, validation_split
from volplugin.volatility.lstm.training import CPU, Loss, Recipe, as_tensor, mean_loss, train
from volplugin.volatility.lstm.tuning import tuned_copy

STEPS = (75, 150, 300)
"""Numbers of gradient steps among which a validation tail chooses, if not told otherwise."""


@dataclass(frozen=True)
class Fitting:
    """How the networks of one seed are made from a table of inputs and targets.

    Attributes
    ----------
    empty : callable
        Makes a network without numbers.
    loss : callable
        Elementwise loss of output and target.
    horizons : sequence of int
        In sessions.
    seed : int
        Of all randomness.
    device : torch.device, default CPU
        Where networks are trained; what is returned lies on the CPU.

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

    def start(self, linear: np.ndarray) -> tuple[VolatilityNetwork, torch.Generator]:
        """Return a network that forecasts as the regression does, and the generator that drew its other weights."""
        network, generator = self.empty(), self._generator()
        network.initialise(generator, weight=as_tensor(linear[1:-1].T), bias=as_tensor(linear[0]))
        return network, generator

    def pooled(self, x: np.ndarray, y: np.ndarray, linear: np.ndarray, steps: int) -> VolatilityNetwork | None:
        """Train one network on all assets from its linear start; None for too little data."""
        network, generator = self.start(linear)
        sequences = sequences_for(network, x, np.log(y))
        if len(sequences[0]) == 0:
            return None
        return train(network, *sequences, self.loss, Recipe(steps, batch=network.batch), generator, self.device)

    def chosen_steps(
        self,
        x: np.ndarray,
        y: np.ndarray,
        regress: Callable[[np.ndarray, np.ndarray], np.ndarray | None],
        choices: Sequence[int],
    ) -> int:
        """Return the number of steps with the least loss on the purged tail of the training span.

        Each is a training of its own: under a one-cycle schedule one that is broken off early is none that ends there.
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
        """Train one network an asset, each from the pooled linear start, on that asset alone."""
        fitted = {asset: self.pooled(*own, linear, steps) for asset, own in _each(x, y, assets)}
        return {asset: network for asset, network in fitted.items() if network is not None}

    def fine_tuned(
        self, network: VolatilityNetwork, x: np.ndarray, y: np.ndarray, assets: Sequence[Any]
    ) -> dict[Any, VolatilityNetwork]:
        """Tune a copy of a trained network for each asset; those that are no better are not kept."""
        copies = {
            asset: tuned_copy(network, own_x, np.log(own_y), self.horizons, self.loss, self._generator(), self.device)
            for asset, (own_x, own_y) in _each(x, y, assets)
        }
        return {asset: copy for asset, copy in copies.items() if copy is not None}

    def _generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)


def _each(x: np.ndarray, y: np.ndarray, assets: Sequence[Any]) -> Iterator[tuple[Any, tuple[np.ndarray, np.ndarray]]]:
    """Cut the tables into those of each asset."""
    for column, asset in enumerate(assets):
        yield asset, (x[:, [column]], y[:, [column]])
