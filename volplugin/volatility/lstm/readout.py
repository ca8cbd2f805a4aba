"""From the recurrent layers' state to a forecast: one linear map, shared or each asset's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from volplugin.volatility.lstm.network import VolatilityNetwork


@dataclass(frozen=True)
class Readout:
    """Log variance relative to the slow level, ``[hidden, x, 1] @ table``.

    Attributes
    ----------
    table : ndarray of shape (n_hidden + n_inputs + 1, n_horizons)
        Of the whole ensemble: the mean of its heads and skips, blended with the linear model.
    own : mapping of asset to ndarray of the same shape
        Tables of the assets that keep one of their own.
    """

    table: np.ndarray
    own: Mapping[Any, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, networks: Sequence[VolatilityNetwork], linear: np.ndarray, linear_share: float) -> Readout:
        """Fold the heads and skips of an ensemble and a table of `regress_logs` into one map."""
        deep = (1 - linear_share) / len(networks)
        heads = [deep * network.head.weight.detach().double().numpy().T for network in networks]
        skip = sum(deep * network.skip.weight.detach().double().numpy().T for network in networks)
        bias = sum(deep * network.skip.bias.detach().double().numpy() for network in networks)
        rows = [*heads, skip + linear_share * linear[1:-1], (bias + linear_share * linear[0])[None]]
        return cls(np.concatenate(rows))

    def __call__(self, hidden: np.ndarray, x: np.ndarray, assets: Sequence[Any]) -> np.ndarray:
        """Log ratio of shape (..., n_assets, n_horizons).

        Parameters
        ----------
        hidden : ndarray of shape (..., n_assets, n_hidden)
        x : ndarray of shape (..., n_assets, n_inputs)
        assets : sequence of length n_assets
        """
        features = with_one(hidden, x)
        if self.own.keys().isdisjoint(assets):
            return features @ self.table
        tables = np.stack([self.own.get(asset, self.table) for asset in assets])
        return np.einsum("...ap,apk->...ak", features, tables)


def with_one(hidden: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Features of the readout: hidden units, inputs and a constant."""
    return np.concatenate([hidden, x, np.ones((*x.shape[:-1], 1))], axis=-1)
