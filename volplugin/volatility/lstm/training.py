"""The training loop, its losses, and the device that it runs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from volplugin.errors import ParameterError
from volplugin.volatility.lstm.network import VolatilityNetwork

Loss = Callable[[Tensor, Tensor], Tensor]

CPU = torch.device("cpu")

HELD_OUT = 256
"""Sequences evaluated at once, which bounds memory."""

ZEROED_SHARE = 0.25
"""Share of the sequences that are trained on without the inputs that a recipe names."""


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of one training run.

    Attributes
    ----------
    steps : int
        Gradient steps; their number does not depend on the length of the data.
    learning_rate : float
        Peak of the one-cycle schedule.
    batch : int
        Sequences per step.
    weight_decay, clip : float
        AdamW's decay, and the largest norm of a gradient.
    zeroed : tuple of int
        Inputs that are zero in a random `ZEROED_SHARE` of the sequences of each step, so that the network can do
        without them.
    burn_in : int
        First steps of each sequence, without targets, that only warm up the state: gradients stop at their end.
    """

    steps: int = 150
    learning_rate: float = 5e-3
    batch: int = 16
    weight_decay: float = 1e-4
    clip: float = 1.0
    zeroed: tuple[int, ...] = ()
    burn_in: int = 0


def log_mse(output: Tensor, target: Tensor) -> Tensor:
    """Squared error of log variance."""
    return (output - target) ** 2


def qlike(output: Tensor, target: Tensor) -> Tensor:
    """QLIKE of variance, from its logs: ``exp(t - o) - (t - o) - 1``."""
    gap = target - output
    return torch.exp(gap) - gap - 1


def gaussian_nll(output: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood of Gaussian returns, up to a constant: ``(o + exp(t - o)) / 2``, so half of QLIKE."""
    return 0.5 * (output + torch.exp(target - output))


def volatility_mse(output: Tensor, target: Tensor) -> Tensor:
    """Squared error of volatility itself, which the seed design trains on: ``(exp(o / 2) - exp(t / 2))^2``."""
    return (torch.exp(output / 2) - torch.exp(target / 2)) ** 2


LOSSES: dict[str, Loss] = {
    "log_mse": log_mse,
    "qlike": qlike,
    "gaussian_nll": gaussian_nll,
    "volatility_mse": volatility_mse,
}


def train(
    network: VolatilityNetwork,
    inputs: np.ndarray,
    targets: np.ndarray,
    loss: Loss,
    recipe: TrainingConfig,
    generator: torch.Generator,
    device: torch.device = CPU,
) -> VolatilityNetwork:
    """Train in place, with a loss at every step that has a target. The returned network is on the CPU.

    Parameters
    ----------
    network : VolatilityNetwork
        Initialised, or trained on less data (a warm start).
    inputs : ndarray of shape (n_sequences, n_steps, n_inputs)
        Zero in padding.
    targets : ndarray of shape (n_sequences, n_steps, n_heads)
        In logs; NaN in burn-in, in padding, and where the horizon reaches beyond the data.
    loss : callable
        Elementwise loss of output and target.
    recipe : TrainingConfig
    generator : torch.Generator
        Source of all random numbers, drawn on the CPU for any device.
    device : torch.device, default CPU
        Device for the gradient steps.
    """
    network.to(device)
    x, y = as_tensor(inputs).to(device), as_tensor(targets[:, recipe.burn_in :]).to(device)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=recipe.learning_rate, total_steps=recipe.steps + 1)
    mask = torch.isfinite(y)
    filled = torch.where(mask, y, 0.0)
    network.train()
    for rows in _batches(len(x), recipe.batch, recipe.steps, generator):
        optimizer.zero_grad(set_to_none=True)
        chosen, carry = _zeroed(x[rows], recipe.zeroed, generator), None
        if recipe.burn_in:
            with torch.no_grad():
                _, carry = network.encode(chosen[:, : recipe.burn_in])
        output, _ = network(chosen[:, recipe.burn_in :], carry)
        here = mask[rows]
        value = (loss(output, filled[rows]) * here).sum() / here.sum().clamp(min=1)
        value.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        optimizer.step()
        schedule.step()
    return network.to(CPU).eval()


def _zeroed(x: Tensor, columns: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Set columns of a copy of some sequences, [batch, steps, n_inputs], to zero in a random part of them."""
    if not columns:
        return x
    chosen = torch.rand(len(x), generator=generator) < ZEROED_SHARE
    named = torch.zeros(x.shape[-1])
    named[list(columns)] = 1.0
    return x * (1 - chosen[:, None, None] * named).to(x.device)


def mean_loss(network: VolatilityNetwork, inputs: np.ndarray, targets: np.ndarray, loss: Loss) -> float:
    """Mean loss over all steps with a target; shapes as in `train`."""
    total = count = 0.0
    with torch.inference_mode():
        for x, y in zip(as_tensor(inputs).split(HELD_OUT), as_tensor(targets).split(HELD_OUT), strict=True):
            here = torch.isfinite(y)
            total += float(loss(network(x)[0], y)[here].double().sum())
            count += int(here.sum())
    return total / count


def _batches(count: int, size: int, steps: int, generator: torch.Generator) -> Iterator[Tensor]:
    done = 0
    while True:
        for rows in torch.randperm(count, generator=generator).split(size):
            if done == steps:
                return
            done += 1
            yield rows


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one torch thread inside the block: small steps are slower with more, and processes share the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def as_tensor(values: np.ndarray) -> Tensor:
    """Float32 tensor of an array."""
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


AUTO = "auto"
KINDS = ("cpu", "cuda", "mps")


def device_named(name: str) -> torch.device:
    """Return the device of that name; for ``"auto"`` a GPU where there is one, CUDA before Metal.

    Raises
    ------
    ParameterError
        If the name is no device, or this machine has no such device.
    """
    if name == AUTO:
        return torch.device(next((kind for kind in ("cuda", "mps") if _count(kind)), "cpu"))
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = torch.device("meta")
    if device.type not in KINDS:
        raise ParameterError(f"device is {name!r}; pass auto, {', '.join(KINDS)}, or one of several such as cuda:1")
    if (device.index or 0) >= _count(device.type):
        raise ParameterError(f"device is {name!r}, which this machine does not have; pass auto, or cpu")
    return device


def _count(kind: str) -> int:
    """Devices of a kind on this machine."""
    if kind == "cuda":
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    return int(kind == "cpu" or torch.backends.mps.is_available())
