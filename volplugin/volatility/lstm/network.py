"""The network: stacked LSTMs beside a linear skip, one head a horizon."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

Carry = list[tuple[Tensor, Tensor]]
"""Hidden and cell state of each layer, each of shape [1, batch, units]."""


class VolatilityNetwork(nn.Module):
    """Log of forward variance relative to its slow level, at every step of a sequence.

    ``y_t = W_s x_t + b + W_h LSTM2(LSTM1(u))_t``, where u are the first inputs of x. The head starts at zero
    and the skip at a regression, so that the untrained network is a linear HAR on the same inputs.

    Parameters
    ----------
    n_inputs, n_recurrent, n_heads : int
        Width of x, width of u, and number of horizons.
    units : sequence of int
        Units of each LSTM layer, 64 and 32 in the seed design.
    """

    def __init__(self, n_inputs: int, n_recurrent: int, n_heads: int, units: Sequence[int] = (64, 32)) -> None:
        super().__init__()
        self.n_recurrent = n_recurrent
        widths = [n_recurrent, *units]
        # Torch's own start would draw from the global generator: made without numbers, for `initialise` to fill.
        with torch.device("meta"):
            self.layers = nn.ModuleList(
                nn.LSTM(before, after, batch_first=True) for before, after in itertools.pairwise(widths)
            )
            self.head = nn.Linear(widths[-1], n_heads, bias=False)
            self.skip = nn.Linear(n_inputs, n_heads)
        self.to_empty(device="cpu")

    @property
    def recurrent(self) -> list[nn.LSTM]:
        """The LSTM layers, in order."""
        return [cast(nn.LSTM, layer) for layer in self.layers]

    def initialise(self, generator: torch.Generator, weight: Tensor, bias: Tensor) -> None:
        """Draw the recurrent weights, and set the skip to a regression's coefficients."""
        with torch.no_grad():
            for layer in self.recurrent:
                bound = 1 / math.sqrt(layer.hidden_size)
                for parameter in layer.parameters():
                    parameter.uniform_(-bound, bound, generator=generator)
            self.head.weight.zero_()
            self.skip.weight.copy_(weight)
            self.skip.bias.copy_(bias)

    def forward(self, x: Tensor, carry: Carry | None = None) -> tuple[Tensor, Carry]:
        """Map inputs [batch, steps, n_inputs] to outputs [batch, steps, n_heads] and the state after them."""
        hidden, states = self.encode(x, carry)
        return self.skip(x) + self.head(hidden), states

    def encode(self, x: Tensor, carry: Carry | None = None) -> tuple[Tensor, Carry]:
        """Map inputs to the last layer's hidden units [batch, steps, units] and the state after them."""
        states: Carry = []
        hidden = x[..., : self.n_recurrent]
        for depth, layer in enumerate(self.layers):
            hidden, state = layer(hidden, None if carry is None else carry[depth])
            states.append(state)
        return hidden, states
