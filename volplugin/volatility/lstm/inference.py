"""Running a trained network over a table of inputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from volplugin.volatility.lstm.network import VolatilityNetwork
from volplugin.volatility.lstm.sequences import blocks, pack


def run_networks(
    networks: Sequence[VolatilityNetwork], x: np.ndarray, sessions: pd.DatetimeIndex, window: int, first: int
) -> np.ndarray:
    """Mean output of an ensemble at every session from row `first` on.

    Parameters
    ----------
    networks : sequence of VolatilityNetwork
        Trained, on the same inputs.
    x : ndarray of shape (n_sessions, n_assets, n_inputs)
        NaN in rows without inputs.
    sessions : DatetimeIndex of shape (n_sessions,)
        Which decide where the state starts anew.
    window : int
        Least number of sessions that warm the state up.
    first : int
        First row to answer.

    Returns
    -------
    ndarray of shape (n_sessions, n_assets, n_heads)
        NaN before `first` and in rows without inputs.
    """
    packed = pack(x, blocks(sessions, window, first))
    heads = networks[0].head.out_features
    outputs = np.full((*x.shape[:2], heads), np.nan)
    if packed.x.size == 0:
        return outputs
    batch = torch.from_numpy(packed.x).to(networks[0].head.weight.dtype)
    with torch.inference_mode():
        mean = torch.stack([network(batch)[0] for network in networks]).mean(dim=0).numpy()
    outputs[packed.row, packed.asset] = mean[packed.sequence, packed.step]
    return outputs
