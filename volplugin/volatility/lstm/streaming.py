"""Inference that carries its state: one new session costs one step of the network.

The state of a session is that of the network run from the beginning of the calendar block before
the session's own. Two runs are kept: one that began a block ago and answers, and one that began with this block
and will answer in the next. So what is carried equals a replay of the same sessions, for ever.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from volplugin.data.panel import MAX_GAP_SESSIONS, PricePanel
from volplugin.volatility.base import OnlinePredictor, State
from volplugin.volatility.features import Features
from volplugin.volatility.lstm.network import Carry, VolatilityNetwork
from volplugin.volatility.lstm.sequences import block_numbers
from volplugin.volatility.lstm.training import as_tensor, one_thread
from volplugin.volatility.term_structure import interpolate_variance

if TYPE_CHECKING:
    from volplugin.volatility.lstm.forecaster import LSTMVolatility


@dataclass
class CarriedState:
    """What an ensemble remembers at the close of a session.

    Attributes
    ----------
    session : Timestamp
        The last session taken in.
    assets : list
        In order.
    warm, young : list of Carry
        By network, hidden and cell states begun a block ago, and with this block.
    variance : ndarray of shape (n_assets, n_fitted_horizons)
        Daily variance forecast at each asset's last bar.
    age : ndarray of shape (n_assets,)
        Sessions since that bar.
    """

    session: pd.Timestamp
    assets: list[str]
    active_state: list[Carry]
    next_state: list[Carry]
    variance: np.ndarray
    age: np.ndarray

    def to_arrays(self) -> State:
        """Return all of it as arrays, for a store."""
        tensors = {
            f"{run}/{network}/{layer}/{kind}": state.numpy()
            for run, carries in (("warm", self.active_state), ("young", self.next_state))
            for network, carry in enumerate(carries)
            for layer, states in enumerate(carry)
            for kind, state in zip(("h", "c"), states, strict=True)
        }
        names = np.frombuffer(json.dumps(self.assets).encode(), dtype=np.uint8)
        return tensors | {
            "variance": np.nan_to_num(self.variance, nan=-1.0),
            "age": self.age,
            "session": np.array([self.session.value]),
            "assets": names,
        }

    @classmethod
    def from_arrays(cls, state: State) -> CarriedState:
        """Take back what `to_arrays` gave."""

        def carries(run: str) -> list[Carry]:
            keys = sorted({tuple(name.split("/")[1:3]) for name in state if name.startswith(f"{run}/")}, key=_numbers)
            found: dict[str, Carry] = {}
            for network, layer in keys:
                hidden, cell = (torch.from_numpy(state[f"{run}/{network}/{layer}/{kind}"].copy()) for kind in "hc")
                found.setdefault(network, []).append((hidden, cell))
            return list(found.values())

        variance = np.where(state["variance"] < 0, np.nan, state["variance"])
        session, assets = pd.Timestamp(int(state["session"][0])), json.loads(state["assets"].tobytes())
        return cls(session, assets, carries("warm"), carries("young"), variance, state["age"].copy())


class LSTMOnlinePredictor(OnlinePredictor):
    """Follows one fitted `LSTMVolatility` from session to session."""

    def __init__(self, model: LSTMVolatility) -> None:
        super().__init__(model)
        self.model: LSTMVolatility = model
        self.state: CarriedState | None = None

    def predict_in_sample(
        self, panel: PricePanel, start: pd.Timestamp, end: pd.Timestamp, horizons: Sequence[int]
    ) -> dict[int, pd.DataFrame]:
        """Forecast as the model's `replay` does; the session after the last one by a single step."""
        known = panel.asof(end).tail(self.model.lookback)
        market = self.model.reference(known)
        if not self._is_next(known, start):
            self.state = self._state_at(known, market)
            return super().predict_in_sample(panel, start, end, horizons)
        assert self.state is not None
        with one_thread():
            self._advance(self.state, known, self.model.features_of(known, market, len(known.sessions) - 1))
        fitted_horizons, variance = self.model.fitted_horizons, self.state.variance
        volatility = {days: np.sqrt(interpolate_variance(variance, fitted_horizons, days)) for days in horizons}
        index, columns = known.sessions[-1:], known.assets
        return {days: pd.DataFrame(row[None], index=index, columns=columns) for days, row in volatility.items()}

    def get_state(self) -> State:
        """Return what is carried, as arrays; nothing before the first session."""
        return {} if self.state is None else self.state.to_arrays()

    def set_state(self, state: State) -> None:
        """Take it back."""
        self.state = CarriedState.from_arrays(state) if state else None

    def _is_next(self, panel: PricePanel, start: pd.Timestamp) -> bool:
        sessions, state = panel.sessions, self.state
        return (
            state is not None
            and len(sessions) > 1
            and sessions[-1] == start
            and sessions[-2] == state.session
            and list(panel.assets) == state.assets
        )

    def _state_at(self, panel: PricePanel, market: PricePanel | None) -> CarriedState:
        """Run through the last two blocks."""
        inputs = self.model.features_of(panel, market)
        x = self.model.recurrent(inputs)
        number = block_numbers(panel.sessions, self.model.window)
        begins = (int(number.searchsorted(number[-1] - back)) for back in (1, 0))
        last = max(0, len(x) - 1 - MAX_GAP_SESSIONS)
        with one_thread():
            active_state, next_state = (
                [_run_through(network, x[begin:]) for network in self.model.ensemble_.networks] for begin in begins
            )
            variance = self.model.fitted_variance(inputs, panel, last)[last:]
        newest, age = _newest(variance)
        return CarriedState(panel.last_session, list(panel.assets), active_state, next_state, newest, age)

    def _advance(self, state: CarriedState, panel: PricePanel, inputs: Features) -> None:
        """Take one session in."""
        session = panel.last_session
        before, now = block_numbers(pd.DatetimeIndex([state.session, session]), self.model.window)
        if now != before:
            state.active_state = state.next_state
            state.next_state = [_nothing(network, len(state.assets)) for network in self.model.ensemble_.networks]
        if now > before + 1:  # a whole block without a session: nothing of it is left
            state.active_state = [_nothing(network, len(state.assets)) for network in self.model.ensemble_.networks]
        x = self.model.recurrent(inputs)[-1]
        here = np.isfinite(x).all(axis=-1)
        hidden = [
            _step(network, carries, x, here)
            for network, *carries in zip(
                self.model.ensemble_.networks, state.active_state, state.next_state, strict=True
            )
        ]
        fresh = self.model.variance(np.concatenate(hidden, axis=-1)[None], inputs, panel.assets)[0]
        state.age = np.where(here, 0, state.age + 1)
        state.variance = np.where(here[:, None], fresh, state.variance)
        state.variance[state.age > MAX_GAP_SESSIONS] = np.nan
        state.session = session


def _run_through(network: VolatilityNetwork, x: np.ndarray) -> Carry:
    """Run from an empty state over each asset's bars, without the gaps; return the states after the last."""
    usable = np.isfinite(x).all(axis=-1)
    carry = _nothing(network, x.shape[1])
    lengths = usable.sum(axis=0)
    for length in np.unique(lengths[lengths > 0]):
        columns = np.flatnonzero(lengths == length)
        batch = np.stack([x[usable[:, column], column] for column in columns])
        with torch.inference_mode():
            _, states = network.encode(as_tensor(batch))
        for kept, state in zip(carry, states, strict=True):
            for whole, part in zip(kept, state, strict=True):
                whole[:, columns] = part
    return carry


def _step(network: VolatilityNetwork, carries: Sequence[Carry], x: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Advance the states of assets with a bar, in place, those of both runs in one batch.

    Returns the hidden units of all assets by the first run, NaN for those without a bar.
    """
    units = np.full((len(x), network.recurrent[-1].hidden_size), np.nan)
    columns = np.flatnonzero(here)
    if len(columns) == 0:
        return units
    place = slice(None) if len(columns) == len(here) else columns
    with torch.inference_mode():
        known = as_tensor(x[place]).repeat(len(carries), 1)

        def joined(states: Iterable[torch.Tensor]) -> torch.Tensor:
            return torch.cat([state[:, place] for state in states], dim=1)

        layers = zip(*carries, strict=True)
        part = [(joined(h for h, _ in layer), joined(c for _, c in layer)) for layer in layers]
        answered, states = network.encode(known[:, None], part)
        for number, carry in enumerate(carries):
            run = slice(number * len(columns), (number + 1) * len(columns))
            for kept, state in zip(carry, states, strict=True):
                for whole, new in zip(kept, state, strict=True):
                    whole[:, place] = new[:, run]
    units[place] = answered[: len(columns), 0].numpy()
    return units


def _nothing(network: VolatilityNetwork, n_assets: int) -> Carry:
    """Return the empty state of every layer."""
    widths = [layer.hidden_size for layer in network.recurrent]
    return [(torch.zeros(1, n_assets, width), torch.zeros(1, n_assets, width)) for width in widths]


def _newest(variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each asset's last row that is there, and how many rows ago that is."""
    here = np.isfinite(variance).all(axis=-1)
    age = np.where(here.any(axis=0), here[::-1].argmax(axis=0), len(variance))
    row = np.maximum(len(variance) - 1 - age, 0)
    newest = np.where(here.any(axis=0)[:, None], variance[row, np.arange(variance.shape[1])], np.nan)
    return newest, age


def _numbers(key: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(map(int, key))
