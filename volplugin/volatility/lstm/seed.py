"""The seed design as described: one small LSTM per stock, on windows of the stock's scaled returns."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from volplugin.errors import ParameterError
from volplugin.volatility.base import State
from volplugin.volatility.lstm.training import as_tensor, one_thread

CHUNK = 1024
"""Windows forecast at once, which bounds memory."""


@dataclass(frozen=True)
class SeedSettings:
    """Settings of the seed design, with the seed's values as defaults.

    Attributes
    ----------
    window : int
        Returns per window, the last one at the origin.
    horizon : int
        Sessions after the origin; their volatility is the target.
    units : tuple of int
        Units of each LSTM layer.
    epochs, batch : int
        Passes over the training part, and windows per gradient step.
    learning_rate : float
        Step size of Adam.
    training_share : float
        Share of the origins, the earliest ones, used for training.
    seed : int
        Seed of the random numbers, together with the stock's name.

    Raises
    ------
    ParameterError
        For a value outside its domain.
    """

    window: int = 60
    horizon: int = 20
    units: tuple[int, ...] = (64, 32)
    epochs: int = 100
    batch: int = 32
    learning_rate: float = 1e-3
    training_share: float = 0.8
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("window", 1), ("horizon", 2), ("epochs", 1), ("batch", 1)):
            if getattr(self, name) < least:
                raise ParameterError(f"{name} is {getattr(self, name)!r}; pass a whole number of {least} or more")
        if not self.units or min(self.units) < 1:
            raise ParameterError(f"units is {self.units!r}; pass one positive whole number per layer")
        if not self.learning_rate > 0:
            raise ParameterError(f"learning_rate is {self.learning_rate!r}; pass a number above zero")
        if not 0 < self.training_share < 1:
            raise ParameterError(f"training_share is {self.training_share!r}; pass a share between 0 and 1")

    def split(self, returns: int) -> tuple[slice, slice]:
        """Rows, among so many returns, of the training origins and of the test origins.

        An origin has a whole window up to it and a whole horizon after it. There is no gap between the two parts, so
        the last training targets reach into the test part, as in the seed.
        """
        first, stop = self.window - 1, returns - self.horizon
        cut = first + int(self.training_share * max(stop - first, 0))
        return slice(first, cut), slice(cut, max(stop, cut))


class SeedNetwork(nn.Module):
    """Stacked LSTMs over a window of scaled returns; a linear map of the last hidden state is the volatility.

    Parameters
    ----------
    units : sequence of int
        Units of each LSTM layer.
    """

    def __init__(self, units: Sequence[int] = (64, 32)) -> None:
        super().__init__()
        # On the meta device torch draws no weights from the global generator; `initialise` draws them.
        with torch.device("meta"):
            self.layers = nn.ModuleList(
                nn.LSTM(before, after, batch_first=True) for before, after in itertools.pairwise([1, *units])
            )
            self.output = nn.Linear(units[-1], 1)
        self.to_empty(device="cpu")

    def initialise(self, generator: torch.Generator) -> None:
        """Draw every weight from U(-1/sqrt(n), 1/sqrt(n)), torch's default, with n hidden units of the layer."""
        widths = [layer.hidden_size for layer in self.layers if isinstance(layer, nn.LSTM)]
        with torch.no_grad():
            for module, width in zip([*self.layers, self.output], [*widths, widths[-1]], strict=True):
                bound = 1 / math.sqrt(width)
                for parameter in module.parameters():
                    parameter.uniform_(-bound, bound, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Map windows [batch, window, 1] to volatilities [batch]."""
        hidden = x
        for layer in self.layers:
            hidden, _ = layer(hidden)
        return self.output(hidden[:, -1]).squeeze(-1)


def forward_volatility(returns: np.ndarray, horizon: int) -> np.ndarray:
    """Sample standard deviation of the `horizon` returns after each row: the seed's target.

    ``y_t = sqrt(sum_{k=1..h} (r_{t+k} - m_t)^2 / (h - 1))`` with m_t the mean of the same returns; daily.

    Parameters
    ----------
    returns : ndarray of shape (n_sessions, ...)
    horizon : int

    Returns
    -------
    ndarray of shape (n_sessions, ...)
        NaN in the last `horizon` rows.
    """
    ahead = np.full(returns.shape, np.nan)
    if len(returns) > horizon:
        windows = np.lib.stride_tricks.sliding_window_view(returns[1:], horizon, axis=0)
        ahead[: len(windows)] = windows.std(axis=-1, ddof=1)
    return ahead


def fit_seed(returns: np.ndarray, settings: SeedSettings, name: str) -> State:
    """Train one stock's network, and forecast from every origin.

    Parameters
    ----------
    returns : ndarray of shape (n_sessions,)
        Daily log returns, none missing.
    settings : SeedSettings
    name : str
        Name of the stock; it and the seed decide the random numbers, so the order of stocks does not matter.

    Returns
    -------
    dict of ndarray
        ``forecast`` of shape (n_origins,), daily volatility, training origins first; ``losses`` of shape
        (epochs,), mean squared error of each pass; ``range`` of shape (2,), least and largest return of the
        training part; the network's weights under ``network/``.

    Notes
    -----
    Deterministic given the seed on one machine; does not touch the global random state.
    """
    training, test = settings.split(len(returns))
    # Range of the returns through the last training origin; later returns may lie outside and are not clipped.
    low, high = returns[: training.stop].min(), returns[: training.stop].max()
    scaled = (returns - low) / (high - low)
    windows = np.lib.stride_tricks.sliding_window_view(scaled, settings.window)[..., None]
    x = as_tensor(windows[: test.stop - training.start])
    y = as_tensor(forward_volatility(returns, settings.horizon)[training])
    generator = torch.Generator().manual_seed(_number(settings.seed, name))
    network = SeedNetwork(settings.units)
    network.initialise(generator)
    with one_thread():
        losses = _train(network, x[: len(y)], y, settings, generator)
        forecast = _forecast(network, x)
    weights = {f"network/{key}": tensor.numpy() for key, tensor in network.state_dict().items()}
    return {"forecast": forecast, "losses": losses, "range": np.array([low, high]), **weights}


def _train(
    network: SeedNetwork, x: Tensor, y: Tensor, settings: SeedSettings, generator: torch.Generator
) -> np.ndarray:
    """Train in place on shuffled windows; returns the mean squared error of each pass."""
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    losses = np.zeros(settings.epochs)
    for epoch in range(settings.epochs):
        for rows in torch.randperm(len(y), generator=generator).split(settings.batch):
            optimizer.zero_grad(set_to_none=True)
            loss = ((network(x[rows]) - y[rows]) ** 2).mean()
            loss.backward()
            optimizer.step()
            losses[epoch] += loss.item() * len(rows) / len(y)
    return losses


def _forecast(network: SeedNetwork, x: Tensor) -> np.ndarray:
    with torch.inference_mode():
        return torch.cat([network(part) for part in x.split(CHUNK)]).double().numpy()


def _number(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:7], "little")
