"""Training throughput: whole sequences against one overlapping window a target, and against plain matrix products.

    python benchmarks/bench_training.py

Same `nn.LSTM`, same type (float32), one thread, one process, one after the other; a target is one asset on one
session. Both are compared with one large matrix product on the same core, counting only the products of the
recurrent layers, forward and backward, burn-in included.
"""

import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))

from machine import describe_machine

from volplugin.volatility.features import INPUTS, RECURRENT
from volplugin.volatility.lstm.network import VolatilityNetwork
from volplugin.volatility.lstm.sequences import STRIDE
from volplugin.volatility.lstm.training import TrainingConfig, log_mse, train

WINDOW, HEADS, UNITS = 60, 3, (64, 32)
BATCH, WINDOW_BATCH = 16, 32
ROUNDS = 5


def network(generator: torch.Generator) -> VolatilityNetwork:
    """Return an untrained network of the default shape."""
    made = VolatilityNetwork(len(INPUTS), len(RECURRENT), HEADS, UNITS)
    made.initialise(generator, torch.zeros(HEADS, len(INPUTS)), torch.zeros(HEADS))
    return made


def rate(work: Callable[[], int]) -> float:
    """Best number of targets a second over a few rounds, after one to warm up."""
    work()
    rates = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        targets = work()
        rates.append(targets / (time.perf_counter() - began))
    return max(rates)


def many_to_many(steps: int = 20) -> int:
    """Train on sequences with a target at every step after the burn-in."""
    generator, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
    x = rng.standard_normal((BATCH, WINDOW + STRIDE, len(INPUTS)))
    y = rng.standard_normal((BATCH, WINDOW + STRIDE, HEADS))
    y[:, :WINDOW] = np.nan
    train(network(generator), x, y, log_mse, TrainingConfig(steps=steps, batch=BATCH), generator)
    return steps * BATCH * STRIDE


def seed_windows(steps: int = 60) -> int:
    """Train on one window a target, the loss on its last step alone."""
    generator, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
    x = rng.standard_normal((WINDOW_BATCH, WINDOW, len(INPUTS)))
    y = np.full((WINDOW_BATCH, WINDOW, HEADS), np.nan)
    y[:, -1] = rng.standard_normal((WINDOW_BATCH, HEADS))
    train(network(generator), x, y, log_mse, TrainingConfig(steps=steps, batch=WINDOW_BATCH), generator)
    return steps * WINDOW_BATCH


def operations() -> float:
    """Floating-point operations of the recurrent products of one target, backward (twice the forward) included."""
    widths = [len(RECURRENT), *UNITS]
    forward = sum(2 * 4 * after * (before + after) for before, after in itertools.pairwise(widths))
    return 3 * forward


def matrix_product_rate(size: int = 1024, repeats: int = 10) -> float:
    """Floating-point operations a second of one core in a large float32 matrix product."""
    left, right = (torch.randn(size, size, generator=torch.Generator().manual_seed(0)) for _ in range(2))

    def work() -> int:
        for _ in range(repeats):
            torch.mm(left, right)
        return repeats * 2 * size**3

    return rate(work)


def main() -> None:
    """Measure the three in one run and print rates and ratios."""
    torch.set_num_threads(1)
    print(describe_machine())
    whole, windows, core = rate(many_to_many), rate(seed_windows), matrix_product_rate()
    useful = (WINDOW + STRIDE) / STRIDE * operations()
    repeated = WINDOW * operations()
    print(f"whole sequences     {whole:10,.0f} targets/s   {whole * useful / core:.0%} of the core's matrix products")
    print(f"a window a target   {windows:10,.0f} targets/s   {windows * repeated / core:.0%} of them")
    print(f"ratio               {whole / windows:10.1f}")
    print(f"matrix products     {core / 1e9:10.1f} GFLOP/s (1024 x 1024, float32, one thread)")


if __name__ == "__main__":
    main()
