"""Another future for one asset: valid bars, splits and dividends that have nothing to do with the true ones."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.signal import lfilter

MEMORY = 0.99
"""Of the replaced log prices, which stay within `REACH` of the last true one."""
REACH = 1.5
WILDNESS = 3.0
"""Replaced returns vary so many times as much as the true ones before them."""
JUMP = 0.05
"""Least size of the first replaced return."""
LEAST, MOST = 0.01, 4e6
"""Prices that zipline can store, with a margin."""
MOST_VOLUME = 4e9
DIVIDEND = (0.001, 0.02)
"""Range of replaced dividends, as fractions of the close before them."""


@dataclass
class Future:
    """One asset's bars with the future replaced, and what happens to it there.

    Attributes
    ----------
    bars : ndarray of shape (n_sessions, 5)
        Open, high, low, close, volume, raw; NaN prices where there is no bar.
    splits : list of (row, ratio)
        In zipline's sense: earlier prices are multiplied by the ratio.
    dividends : list of (row, amount, ratio)
        Ex-dates.
    """

    bars: np.ndarray
    splits: list[tuple[int, float]] = field(default_factory=list)
    dividends: list[tuple[int, float, float]] = field(default_factory=list)


def other_future(
    bars: np.ndarray,
    first: int,
    morning: float,
    dividends: int,
    rng: np.random.Generator,
    *,
    delist: bool = False,
    mirrored: bool = False,
) -> Future:
    """Replace the bars of one asset from row `first` on.

    Rows before it are returned to the last bit, and missing bars stay missing. Prices go on from the last
    true close along a random path with its own volatility, independent of other assets'; there is another
    split and there are other dividends, all after `first`.

    Parameters
    ----------
    bars : ndarray of shape (n_sessions, 5)
        From the asset's first bar to its last.
    first : int
        Row to replace from.
    morning : float
        Ratio of the splits and dividends that take effect on row `first` itself. They were known that
        morning and stay.
    dividends : int
        Wanted; ex-dates are drawn.
    rng : Generator
    delist : bool
        End the asset's life early, at a row drawn.
    mirrored : bool
        Turn every return round: the same draws give the mirror image.
    """
    count = len(bars)
    if first >= count:
        return Future(bars)
    path = _path(bars[:first], count - first, rng)  # drawn first, so that it is the same in a mirrored future
    if delist and count - first > 2:
        count = int(rng.integers(first + 2, count))
        path = path[: count - first]
    made = bars[:count].copy()
    splits = _splits(first, count, _base(bars, first), rng)
    ratio = np.ones(count - first)
    for row, value in splits:
        ratio[row - first] = value
    base = _base(bars, first) * morning
    level = np.clip(base * np.cumprod(ratio) * np.exp(-path if mirrored else path), LEAST, MOST)
    before = np.concatenate([[base], level[:-1] * ratio[1:]])
    made[first:] = _bars(level, before, bars[first:count], rng)
    return Future(made, splits, _dividends(made, first, dividends, rng))


def _base(bars: np.ndarray, first: int) -> float:
    """Last close before a row, or the asset's first open."""
    known = bars[:first, 3]
    known = known[np.isfinite(known)]
    return float(known[-1] if len(known) else bars[0, 0])


def _splits(first: int, count: int, price: float, rng: np.random.Generator) -> list[tuple[int, float]]:
    if count - first < 3:
        return []
    ratio = float(rng.choice([1 / 2, 1 / 3])) if price > 5 else 2.0
    return [(int(rng.integers(first + 1, count)), ratio)]


def _path(past: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Log prices over the last true one, from past bars and their volatility."""
    returns = np.diff(np.log(past[:, 3]))
    returns = returns[np.isfinite(returns)]
    step = float(np.clip(WILDNESS * returns.std(), 0.01, 0.1)) if len(returns) > 20 else 0.05
    shocks = step * rng.standard_normal(count)
    shocks[0] = rng.choice([-1, 1]) * (JUMP + abs(shocks[0]))
    return np.clip(lfilter([1.0], [1.0, -MEMORY], shocks), -REACH, REACH)


def _bars(close: np.ndarray, before: np.ndarray, true: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bars around closes, with the true ones' volumes shuffled and their gaps kept."""
    noise = np.exp(0.01 * rng.standard_normal((3, len(close))))
    opened = before * noise[0]
    high = np.maximum(opened, close) * np.maximum(noise[1], 1 / noise[1])
    low = np.minimum(opened, close) * np.minimum(noise[2], 1 / noise[2])
    prices = np.clip(np.column_stack([opened, high, low, close]), LEAST, MOST).round(3)
    prices[~np.isfinite(true[:, 3])] = np.nan
    volume = rng.permutation(true[:, 4]) * np.exp(0.5 * rng.standard_normal(len(close)))
    volume = np.where(np.isfinite(prices[:, 3]), np.clip(volume.round(), 1, MOST_VOLUME), 0)
    return np.column_stack([prices, volume])


def _dividends(bars: np.ndarray, first: int, wanted: int, rng: np.random.Generator) -> list[tuple[int, float, float]]:
    rows = np.arange(first + 1, len(bars))
    rows = rows[np.isfinite(bars[rows - 1, 3])]
    chosen = np.sort(rng.choice(rows, size=min(wanted, len(rows)), replace=False))
    parts = rng.uniform(*DIVIDEND, size=len(chosen))
    return [
        (int(row), float(bars[row - 1, 3] * part), float(1 - part)) for row, part in zip(chosen, parts, strict=True)
    ]
