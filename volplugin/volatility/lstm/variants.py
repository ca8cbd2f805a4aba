"""Other networks with the same interface: the extensions named in the seed design."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from volplugin.volatility.lstm.network import Carry, VolatilityNetwork

WINDOWS = 4096
"""Windows processed at once, which bounds memory."""


class GRUNetwork(VolatilityNetwork):
    """Gated recurrent units in place of LSTMs (Cho et al. 2014): one state instead of two."""

    carries = False

    @staticmethod
    def _layers(widths: Sequence[int]) -> list[nn.Module]:
        return [nn.GRU(before, after, batch_first=True) for before, after in itertools.pairwise(widths)]

    def encode(self, x: Tensor, carry: Carry | None = None) -> tuple[Tensor, Carry]:
        """Map inputs to hidden units; the returned state is empty."""
        hidden = x[..., : self.n_recurrent]
        for layer in self.layers:
            hidden, _ = layer(hidden)
        return hidden, []


class AttentionNetwork(VolatilityNetwork):
    """LSTMs whose hidden units of the last `window` steps are pooled by attention (Vaswani et al. 2017).

    The weight of h_s is ``softmax(Q h_t . K h_s / sqrt(d))`` over ``s = t - window + 1 .. t``; no step after t has a
    weight.
    """

    carries = False

    def _extend(self) -> None:
        self.query = nn.Linear(self.width, self.width, bias=False)
        self.key = nn.Linear(self.width, self.width, bias=False)

    def encode(self, x: Tensor, carry: Carry | None = None) -> tuple[Tensor, Carry]:
        """Map inputs to pooled hidden units; the returned state is empty."""
        hidden, _ = super().encode(x)
        scores = self.query(hidden) @ self.key(hidden).transpose(-1, -2) / math.sqrt(self.width)
        age = torch.arange(x.shape[-2])[:, None] - torch.arange(x.shape[-2])
        seen = (age >= 0) & (age < self.window)
        return torch.softmax(scores.masked_fill(~seen, -math.inf), dim=-1) @ hidden, []


class BidirectionalNetwork(VolatilityNetwork):
    """LSTMs that read each window of the last `window` steps forwards and backwards (Schuster and Paliwal 1997).

    The backward pass stays within the window, which ends at the step forecast, so no later step is read. Each step has
    its own window, so a target costs a pass over a whole window. Steps with fewer than `window` steps up to them get
    the output of the skip alone.
    """

    carries = False
    stride, hop, batch = 1, 10, 256

    @staticmethod
    def _layers(widths: Sequence[int]) -> list[nn.Module]:
        befores = [widths[0], *(2 * width for width in widths[1:])]
        return [
            nn.LSTM(before, after, batch_first=True, bidirectional=True)
            for before, after in zip(befores[:-1], widths[1:], strict=True)
        ]

    @staticmethod
    def _width(units: int) -> int:
        return 2 * units

    @property
    def burn_in(self) -> int:
        """Steps of a training sequence without a loss: the window except its last step."""
        return self.window - 1

    def encode(self, x: Tensor, carry: Carry | None = None) -> tuple[Tensor, Carry]:
        """Map inputs to the last units of both passes over each window; the returned state is empty."""
        batch, steps, _ = x.shape
        hidden = x.new_zeros(batch, steps, self.width)
        if steps >= self.window:
            # [batch, windows, inputs, window] -> [batch * windows, window, inputs]
            windows = x[..., : self.n_recurrent].unfold(1, self.window, 1).transpose(2, 3).flatten(0, 1)
            read = torch.cat([self._read(part) for part in windows.split(WINDOWS)])
            hidden = torch.cat([hidden[:, : self.window - 1], read.unflatten(0, (batch, -1))], dim=1)
        return hidden, []

    def _read(self, windows: Tensor) -> Tensor:
        for layer in self.layers:
            windows, _ = layer(windows)
        units = self.width // 2
        return torch.cat([windows[:, -1, :units], windows[:, 0, units:]], dim=-1)


NETWORKS: dict[str, type[VolatilityNetwork]] = {
    "lstm": VolatilityNetwork,
    "gru": GRUNetwork,
    "bidirectional": BidirectionalNetwork,
    "attention": AttentionNetwork,
}
"""Networks by name."""
