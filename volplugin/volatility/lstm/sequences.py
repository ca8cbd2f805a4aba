"""Cuts the table of inputs into sequences, for training and for forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from volplugin.volatility.bias_correction import purged

STRIDE = 250
"""Steps with a loss in a training sequence, after a burn-in of the look-back."""


class Sequenced(Protocol):
    """A network's settings for training sequences."""

    @property
    def burn_in(self) -> int:
        """Steps without a loss."""

    @property
    def stride(self) -> int:
        """Steps with a loss."""

    @property
    def hop(self) -> int:
        """Steps between the starts of sequences."""


def sequences_for(network: Sequenced, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `training_sequences` with the settings of a network."""
    return training_sequences(x, y, network.burn_in, network.stride, network.hop)


def training_sequences(
    x: np.ndarray, y: np.ndarray, burn_in: int, stride: int = STRIDE, hop: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Cut each asset's bars into overlapping chunks: `burn_in` steps without loss, then up to `stride` with.

    Parameters
    ----------
    x : ndarray of shape (n_sessions, n_assets, n_inputs)
        NaN in rows without inputs; these rows are dropped.
    y : ndarray of shape (n_sessions, n_assets, n_heads)
        NaN where there is no target.
    burn_in : int
        Steps that only warm up the state.
    stride : int
        Steps with a loss.
    hop : int, optional
        Steps between the starts of two sequences; by default `stride`, so that each target counts once.

    Returns
    -------
    x : ndarray of shape (n_sequences, burn_in + stride, n_inputs)
    y : ndarray of shape (n_sequences, burn_in + stride, n_heads)
        NaN in burn-in and padding.
    """
    length = burn_in + stride
    chunks = [
        (asset, rows[begin : begin + length])
        for asset, rows in enumerate(np.flatnonzero(usable) for usable in np.isfinite(x).all(axis=-1).T)
        for begin in range(0, len(rows) - burn_in, hop or stride)
        if np.isfinite(y[rows[begin + burn_in : begin + length], asset]).any()
    ]
    inputs = np.zeros((len(chunks), length, x.shape[2]), x.dtype)
    targets = np.full((len(chunks), length, y.shape[2]), np.nan, y.dtype)
    for number, (asset, rows) in enumerate(chunks):
        inputs[number, : len(rows)] = x[rows, asset]
        targets[number, burn_in : len(rows)] = y[rows[burn_in:], asset]
    return inputs, targets


def validation_split(
    x: np.ndarray, y: np.ndarray, horizons: Sequence[int], share: float = 0.2
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Split a table in time into a head for training and a tail for validation, with a purged gap between them.

    Targets of the head that reach into the tail are dropped, and the tail begins the longest horizon later. The
    burn-in of the tail's sequences moves their losses away from the head by another look-back.
    """
    cut = round(len(x) * (1 - share))
    begin = cut + max(horizons)
    return (x[:cut], purged(y[:cut], horizons)), (x[begin:], y[begin:])


@dataclass(frozen=True)
class Block:
    """Rows ``begin:stop`` of one forward pass; rows at or after `answer` get a forecast, the others warm up."""

    begin: int
    answer: int
    stop: int


def blocks(sessions: pd.DatetimeIndex, window: int, first: int) -> list[Block]:
    """Calendar blocks that cover the sessions at or after row `first`.

    The calendar is divided into fixed blocks, the same for all panels, of at least `window` sessions each. The state
    is reset at the start of the block before the session's own block. So a forecast uses one to two windows of
    history, two passes over the data give a forecast at each session, and a forecast depends neither on the first
    session of the panel nor on later sessions.
    """
    number = block_numbers(sessions, window)
    found = []
    for block in np.unique(number[first:]):
        begin = int(number.searchsorted(block - 1))
        answer, stop = (int(number.searchsorted(block, side=side)) for side in ("left", "right"))
        found.append(Block(begin, max(answer, first), stop))
    return found


def block_numbers(sessions: pd.DatetimeIndex, window: int) -> np.ndarray:
    """Return the number of the calendar block of each session."""
    return sessions.to_numpy("datetime64[D]").astype(np.int64) // block_days(window)


def block_days(window: int) -> int:
    """Calendar days of a block: `window` sessions at 252 per year, and a week for holidays."""
    return round(window * 365.25 / 252) + 7


@dataclass(frozen=True)
class Packed:
    """Sequences for one forward pass, and the table entries that their steps belong to.

    Attributes
    ----------
    x : ndarray of shape (n_sequences, n_steps, n_inputs)
        The bars of each asset in each block, gaps removed, padded with zeros at the end.
    row, asset, sequence, step : ndarray of shape (n_answers,)
        The output at ``[sequence, step]`` belongs to table entry ``[row, asset]``.
    """

    x: np.ndarray
    row: np.ndarray
    asset: np.ndarray
    sequence: np.ndarray
    step: np.ndarray


def pack(x: np.ndarray, spans: list[Block]) -> Packed:
    """Cut a table of inputs, sessions x assets x inputs with NaN in unusable rows, into sequences."""
    n_assets = x.shape[1]
    usable = np.isfinite(x).all(axis=-1)
    length = max((span.stop - span.begin for span in spans), default=0)
    packed = np.zeros((len(spans) * n_assets, length, x.shape[2]), x.dtype)
    places = []
    for number, span in enumerate(spans):
        here = usable[span.begin : span.stop]
        # Step of each bar within its sequence: bars before it in the block.
        step = np.cumsum(here, axis=0) - 1
        row, asset = np.nonzero(here)
        sequence = number * n_assets + asset
        packed[sequence, step[row, asset]] = x[span.begin + row, asset]
        answered = span.begin + row >= span.answer
        places.append(np.stack([span.begin + row, asset, sequence, step[row, asset]])[:, answered])
    row, asset, sequence, step = np.concatenate(places, axis=1) if places else np.empty((4, 0), dtype=int)
    return Packed(packed, row, asset, sequence, step)
