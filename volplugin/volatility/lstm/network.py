"""The network: stacked LSTMs and a linear skip, with one head per horizon."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from volplugin.volatility.lstm.sequences import STRIDE

Carry = list[tuple[Tensor, Tensor]]
"""Hidden and cell state of each layer, each of shape [1, batch, units]."""


class VolatilityNetwork(nn.Module):
    """Log of forward variance relative to its slow level, at each step of a sequence.

    ``y_t = W_s x_t + b + W_h LSTM2(LSTM1(u))_t``, where u are the first inputs of x. The head starts at zero
    and the skip at a regression, so that the untrained network is a linear HAR on the same inputs.

    Parameters
    ----------
    n_inputs, n_recurrent, n_heads : int
        Width of x, width of u, and number of horizons.
    units : sequence of int
        Units of each recurrent layer, 64 and 32 in the seed design.
    window : int
        Look-back in steps; ignored by a forward pass over a whole sequence.
    """

    carries = True
    """Whether a step depends on earlier steps only through the state."""

    stride, hop, batch = STRIDE, STRIDE, 16
    """For training: steps with a loss per sequence, steps between the starts of sequences, sequences per batch."""

    def __init__(
        self, n_inputs: int, n_recurrent: int, n_heads: int, units: Sequence[int] = (64, 32), window: int = 60
    ) -> None:
        super().__init__()
        self.n_recurrent, self.window = n_recurrent, window
        # Torch initialises from the global generator, whose state is restored; `initialise` draws the weights used.
        with torch.random.fork_rng(devices=[]):
            self.layers = nn.ModuleList(self._layers([n_recurrent, *units]))
            self.width = self._width(units[-1])
            self.head = nn.Linear(self.width, n_heads, bias=False)
            self.skip = nn.Linear(n_inputs, n_heads)
            self._extend()

    # -- overridden by variants -------------------------------------------------------------

    @staticmethod
    def _layers(widths: Sequence[int]) -> list[nn.Module]:
        """Return the recurrent layers; each reads the output of the previous one."""
        return [nn.LSTM(before, after, batch_first=True) for before, after in itertools.pairwise(widths)]

    @staticmethod
    def _width(units: int) -> int:
        """Return the width of the output of `encode` from the units of the last layer."""
        return units

    def _extend(self) -> None:
        """Create further weights; none by default."""

    @property
    def burn_in(self) -> int:
        """Steps of a training sequence without a loss."""
        return self.window

    def encode(self, x: Tensor, carry: Carry | None = None) -> tuple[Tensor, Carry]:
        """Map inputs to the last layer's hidden units [batch, steps, width] and the state after them."""
        states: Carry = []
        hidden = x[..., : self.n_recurrent]
        for depth, layer in enumerate(self.layers):
            hidden, state = layer(hidden, None if carry is None else carry[depth])
            states.append(state)
        return hidden, states

    # -- shared by variants -----------------------------------------------------------------

    @property
    def recurrent(self) -> list[nn.LSTM]:
        """The recurrent layers, in order."""
        return [cast(nn.LSTM, layer) for layer in self.layers]

    def initialise(self, generator: torch.Generator, weight: Tensor, bias: Tensor) -> None:
        """Draw the recurrent weights, and set the skip to a regression's coefficients."""
        fixed = {id(parameter) for part in (self.head, self.skip) for parameter in part.parameters()}
        with torch.no_grad():
            for layer in self.recurrent:
                _draw(layer.parameters(), layer.hidden_size, generator)
                fixed |= {id(parameter) for parameter in layer.parameters()}
            _draw((p for p in self.parameters() if id(p) not in fixed), self.width, generator)
            self.head.weight.zero_()
            self.skip.weight.copy_(weight)
            self.skip.bias.copy_(bias)

    def forward(self, x: Tensor, carry: Carry | None = None) -> tuple[Tensor, Carry]:
        """Map inputs [batch, steps, n_inputs] to outputs [batch, steps, n_heads] and the state after them."""
        hidden, states = self.encode(x, carry)
        return self.skip(x) + self.head(hidden), states


def _draw(parameters: Iterable[nn.Parameter], units: int, generator: torch.Generator) -> None:
    """Draw from U(-1/sqrt(units), 1/sqrt(units)), torch's default for recurrent layers."""
    bound = 1 / math.sqrt(units)
    for parameter in parameters:
        parameter.uniform_(-bound, bound, generator=generator)
