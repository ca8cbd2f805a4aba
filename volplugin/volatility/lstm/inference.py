"""Running a trained network over a table of inputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from volplugin.volatility.lstm.network import VolatilityNetwork
from volplugin.volatility.lstm.sequences import blocks, pack
from volplugin.volatility.lstm.training import as_tensor, one_thread


def encode(
    networks: Sequence[VolatilityNetwork], x: np.ndarray, sessions: pd.DatetimeIndex, window: int, first: int
) -> np.ndarray:
    """Hidden units of an ensemble at every session from row `first` on, network after network.

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
        First row wanted.

    Returns
    -------
    ndarray of shape (n_sessions, n_assets, n_networks * units)
        NaN before `first` and in rows without inputs.
    """
    packed = pack(x, blocks(sessions, window, first))
    widths = [network.recurrent[-1].hidden_size for network in networks]
    hidden = np.full((*x.shape[:2], sum(widths)), np.nan)
    if packed.x.size == 0:
        return hidden
    batch = as_tensor(packed.x)
    with one_thread(), torch.inference_mode():
        units = torch.cat([network.encode(batch)[0] for network in networks], dim=-1).numpy()
    hidden[packed.row, packed.asset] = units[packed.sequence, packed.step]
    return hidden
