"""An ensemble of trained networks, with the copies that are trained for single assets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch

from volplugin.volatility.base import State
from volplugin.volatility.lstm.network import VolatilityNetwork
from volplugin.volatility.lstm.sequences import blocks, pack
from volplugin.volatility.lstm.training import as_tensor, one_thread

BATCH_SEQUENCES = 192
"""Sequences of one forward pass: their activations fit a processor's cache, which halves the time of large batches."""


@dataclass(frozen=True)
class Readout:
    """Log variance relative to the slow level, ``[hidden, x, 1] @ table``.

    Attributes
    ----------
    table : ndarray of shape (n_hidden + n_inputs + 1, n_horizons)
        Shared table: the mean of the ensemble's heads and skips, blended with the linear model.
    own : mapping of asset to ndarray of the same shape
        Tables of single assets.
    """

    table: np.ndarray
    own: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Text labels, as a store keeps them: integer labels are found again after a restore.
        object.__setattr__(self, "own", {str(asset): table for asset, table in self.own.items()})

    @classmethod
    def of(
        cls, networks: Sequence[VolatilityNetwork], linear: np.ndarray, linear_share: float | Sequence[float]
    ) -> Readout:
        """Fold the heads and skips of an ensemble and a table of `regress_logs` into one map."""
        # Each network's weight in the blend, per horizon; its head acts on its own hidden units, the skips add up.
        share = np.asarray(linear_share, dtype=float)
        deep = (1 - share) / len(networks)
        heads = [deep * network.head.weight.detach().double().numpy().T for network in networks]
        skip = sum(deep * network.skip.weight.detach().double().numpy().T for network in networks)
        bias = sum(deep * network.skip.bias.detach().double().numpy() for network in networks)
        rows = [*heads, skip + share * linear[1:-1], (bias + share * linear[0])[None]]
        return cls(np.concatenate(rows))

    def __call__(self, hidden: np.ndarray, x: np.ndarray, assets: Sequence[Any]) -> np.ndarray:
        """Log ratio of shape (..., n_assets, n_horizons).

        Parameters
        ----------
        hidden : ndarray of shape (..., n_assets, n_hidden)
        x : ndarray of shape (..., n_assets, n_inputs)
        assets : sequence of length n_assets
        """
        names, width = [str(asset) for asset in assets], hidden.shape[-1]
        # In parts: a table of hidden units and inputs side by side would be the largest array of a vintage.
        if self.own.keys().isdisjoint(names):
            return hidden @ self.table[:width] + x @ self.table[width:-1] + self.table[-1]
        tables = np.stack([self.own.get(name, self.table) for name in names])
        return _by_asset(hidden, tables[:, :width]) + _by_asset(x, tables[:, width:-1]) + tables[:, -1]

    def own_difference(self) -> Readout:
        """Return the tables of single assets less the shared one."""
        return Readout(np.zeros_like(self.table), {asset: own - self.table for asset, own in self.own.items()})


def _by_asset(values: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """Multiply the values of each asset, of shape (..., n_assets, n), with a table of its own."""
    rows = values.reshape(math.prod(values.shape[:-2]), *values.shape[-2:]).swapaxes(0, 1)
    return np.matmul(rows, tables).swapaxes(0, 1).reshape(*values.shape[:-1], tables.shape[-1])


def with_one(hidden: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Features of the readout: hidden units, inputs and a constant."""
    return np.concatenate([hidden, x, np.ones((*x.shape[:-1], 1))], axis=-1)


Copies = dict[Any, VolatilityNetwork]
"""Networks trained for a single asset, by asset."""


@dataclass(frozen=True)
class Ensemble:
    """One network per seed, each with its copies that were trained on a single asset.

    Attributes
    ----------
    networks : list of VolatilityNetwork
        Trained on the same inputs; used for every asset without a copy.
    copies : list of dict of asset to VolatilityNetwork
        One dictionary per network.
    """

    networks: list[VolatilityNetwork]
    copies: list[Copies]

    def __post_init__(self) -> None:
        named = [{str(asset): network for asset, network in copies.items()} for copies in self.copies]
        object.__setattr__(self, "copies", named)

    @classmethod
    def of(cls, ensembles: Iterable[Ensemble]) -> Ensemble:
        """Concatenate several ensembles."""
        each = list(ensembles)
        return cls([n for one in each for n in one.networks], [c for one in each for c in one.copies])

    @property
    def carries(self) -> bool:
        """Whether the next session's forecast needs only the network's state after this session and the new inputs."""
        return not any(self.copies) and all(network.carries for network in self.networks)

    def own(self) -> list[Any]:
        """Assets with a copy of at least one network."""
        return sorted({asset for copies in self.copies for asset in copies}, key=str)

    def part(self, numbers: Iterable[int]) -> Ensemble:
        """Return some of the networks, with their copies."""
        chosen = list(numbers)
        return Ensemble([self.networks[number] for number in chosen], [self.copies[number] for number in chosen])

    def encode(
        self, x: np.ndarray, assets: Sequence[Any], sessions: pd.DatetimeIndex, window: int, first: int
    ) -> np.ndarray:
        """Hidden units at each session from row `first` on, networks side by side.

        Parameters
        ----------
        x : ndarray of shape (n_sessions, n_assets, n_inputs)
            NaN in rows without inputs.
        assets : sequence of length n_assets
        sessions : DatetimeIndex of shape (n_sessions,)
            Dates; they decide where the state is reset (see `sequences.blocks`).
        window : int
            Least number of sessions that warm up the state.
        first : int
            First row wanted.

        Returns
        -------
        ndarray of shape (n_sessions - first, n_assets, n_hidden)
            NaN in rows without inputs.
        """
        hidden = _encode(self.networks, x, sessions, window, first)
        begin = 0
        for network, copies in zip(self.networks, self.copies, strict=True):
            units = slice(begin, begin + network.width)
            begin += network.width
            for column, asset in enumerate(assets):
                if str(asset) in copies:
                    hidden[:, [column], units] = _encode([copies[str(asset)]], x[:, [column]], sessions, window, first)
        return hidden

    def readout(self, linear: np.ndarray, linear_share: float | Sequence[float]) -> Readout:
        """Heads and skips as one linear map of hidden units and inputs, blended with a linear model."""
        own = {asset: Readout.of(self._networks_of(asset), linear, linear_share).table for asset in self.own()}
        return Readout(Readout.of(self.networks, linear, linear_share).table, own)

    def alone(self, coefficients: np.ndarray) -> Readout:
        """Fold coefficients of the recurrent contribution and of inputs into one map of hidden units and inputs.

        Parameters
        ----------
        coefficients : ndarray of shape (1 + n_heads + n_inputs + 1, n_heads)
            A table of `regress_logs` on `recurrent_contribution` and some of the inputs.
        """
        own = {asset: _folded(self._networks_of(asset), coefficients) for asset in self.own()}
        return Readout(_folded(self.networks, coefficients), own)

    def recurrent_contribution(self, hidden: np.ndarray, assets: Sequence[Any]) -> np.ndarray:
        """Return the output of the recurrent layers that is added to the skip, of shape (..., n_assets, n_heads).

        Parameters
        ----------
        hidden : ndarray of shape (..., n_assets, n_hidden)
        assets : sequence of length n_assets
        """
        # Coefficient one on each head's output, zero intercept and no inputs.
        n_heads = self.networks[0].head.out_features
        edge = np.zeros((1, n_heads))
        return self.alone(np.concatenate([edge, np.eye(n_heads), edge]))(hidden, hidden[..., :0], assets)

    def _networks_of(self, asset: Any) -> list[VolatilityNetwork]:
        return [copies.get(asset, shared) for shared, copies in zip(self.networks, self.copies, strict=True)]

    # -- state ------------------------------------------------------------------------------

    def to_arrays(self, assets: Sequence[Any]) -> State:
        """Return every weight; copies are stacked in the order of their assets' positions."""
        arrays: State = {}
        for number, (network, copies) in enumerate(zip(self.networks, self.copies, strict=True)):
            arrays |= {f"{number}/{name}": tensor.numpy() for name, tensor in network.state_dict().items()}
            kept = [place for place, asset in enumerate(assets) if str(asset) in copies]
            if kept:
                states = [copies[str(assets[place])].state_dict() for place in kept]
                stacked = {name: np.stack([state[name].numpy() for state in states]) for name in states[0]}
                arrays |= {f"{number}/copies/{name}": array for name, array in stacked.items()}
                arrays[f"{number}/copies/places"] = np.array(kept)
        return arrays

    @classmethod
    def from_arrays(
        cls, state: State, count: int, assets: Sequence[Any], empty: Callable[[], VolatilityNetwork]
    ) -> Ensemble:
        """Return the ensemble from the arrays of `to_arrays`.

        Raises
        ------
        RuntimeError
            If the arrays have other names or shapes than the networks.
        """
        networks, copies = [], []
        for number in range(count):
            weights = _under(f"{number}/", state)
            stacked = _under("copies/", weights)
            networks.append(_filled(empty(), {key: array for key, array in weights.items() if key[:7] != "copies/"}))
            places = stacked.pop("places", np.empty(0, dtype=int))
            copies.append(
                {
                    assets[place]: _filled(empty(), {key: array[row] for key, array in stacked.items()})
                    for row, place in enumerate(places)
                }
            )
        return cls(networks, copies)


def _heads(networks: Sequence[VolatilityNetwork]) -> np.ndarray:
    heads = [network.head.weight.detach().double().numpy().T for network in networks]
    return np.concatenate(heads) / len(networks)


def _folded(networks: Sequence[VolatilityNetwork], coefficients: np.ndarray) -> np.ndarray:
    heads = _heads(networks)
    n_heads = heads.shape[1]
    # Rows of the table: intercept, one per head output, one per input, rescale.
    of_heads, of_inputs = coefficients[1 : 1 + n_heads], coefficients[1 + n_heads : -1]
    return np.concatenate([heads @ of_heads, of_inputs, coefficients[:1]])


def _encode(
    networks: Sequence[VolatilityNetwork], x: np.ndarray, sessions: pd.DatetimeIndex, window: int, first: int
) -> np.ndarray:
    packed = pack(x, blocks(sessions, window, first))
    hidden = np.full((len(x) - first, x.shape[1], sum(network.width for network in networks)), np.nan)
    if packed.sequence.size == 0:
        return hidden
    used, sequence = np.unique(packed.sequence, return_inverse=True)
    batches = as_tensor(packed.x[used]).split(BATCH_SEQUENCES)
    with one_thread(), torch.inference_mode():
        units = torch.cat(
            [torch.cat([network.encode(batch)[0] for network in networks], dim=-1) for batch in batches]
        ).numpy()
    hidden[packed.row - first, packed.asset] = units[sequence, packed.step]
    return hidden


def _filled(network: VolatilityNetwork, weights: State) -> VolatilityNetwork:
    network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})
    return network.eval()


def _under(prefix: str, state: State) -> State:
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
