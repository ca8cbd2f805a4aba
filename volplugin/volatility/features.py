"""Scale-free inputs of the pooled models: one row per session, computed from data up to its close.

Each input is relative to the asset's own slow variance level b, or is a level on a fixed log scale. So no scaler is
fitted that could leak later data, and assets outside the training data need none. Each row is a function of the
`FEATURE_LOOKBACK` sessions up to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from volplugin.data.panel import PricePanel
from volplugin.volatility.base import CONTEXT_SESSIONS
from volplugin.volatility.rolling import ew_mean, rolling_mean
from volplugin.volatility.season import SEASON, SEASON_WINDOW, season_inputs

BASE_SPAN = 500
BASE_WINDOW = 750
BASE_MINIMUM = 60
"""The slow level b: an exponential mean of the variance proxy, of at least `BASE_MINIMUM` bars."""

MONTH, QUARTER, LEVEL_WINDOW = 22, 66, 120
"""Sessions: the fewest values of a level, and what volume and the level are averaged over."""

RANGES = (1, 5, 22)
"""Sessions over which the variance proxy is averaged, as in HAR."""

CENTRE = 8.5
"""Minus the log of a typical daily variance, (1.4%)^2: centres the level inputs."""

MAX_FEATURE = 6.0
FEATURE_LOOKBACK = BASE_WINDOW + CONTEXT_SESSIONS

OWN = ("variance_1", "variance_5", "variance_22", "return", "absolute_return", "overnight", "volume", "level")
MARKET = ("market_1", "market_5", "market_22", "market_return", "market_level")
RECURRENT = (*(name for name in OWN if name != "level"), *SEASON)
"""Inputs of the recurrent layers. Levels and market-wide inputs identify the year, which a network could memorise;
they reach the output through the linear skip alone."""

INPUTS = (*OWN, *MARKET)
SEASONAL = (*RECURRENT, "level", *MARKET)
"""Inputs of the LSTM's linear skip: with the market, and with the earnings season too; `OWN` is without both."""

LEVELS = ("level", "market_level")
"""The inputs that are not relative, but measure the level of volatility."""

CLOSES, SEASONAL_CLOSES = (
    tuple(name for name in names if name not in ("overnight", "volume")) for names in (INPUTS, SEASONAL)
)

INPUT_SETS = {
    "season": SEASONAL,
    "season-closes": SEASONAL_CLOSES,
    "all": INPUTS,
    "own": OWN,
    "closes": CLOSES,
}
"""Sets of inputs by name: all, and from closes alone; both without the earnings season; nothing market-wide."""

CLOSES_ONLY = ("season-closes", "closes")
"""Sets that read closes alone, whatever else a panel holds."""

HAR = ("variance_1", "variance_5", "variance_22")
LEVERAGE = ("negative_return",)


@dataclass(frozen=True)
class Features:
    """Inputs of every asset and session.

    Attributes
    ----------
    values : ndarray of shape (n_sessions, n_assets, n_inputs)
        Clipped inputs; NaN in a row without a bar or with too little history.
    names : tuple of str
        The inputs' names, in order.
    base : ndarray of shape (n_sessions, n_assets)
        Slow variance level b, which forecasts are relative to.
    """

    values: np.ndarray
    names: tuple[str, ...]
    base: np.ndarray

    def take(self, names: tuple[str, ...], bounds: np.ndarray | None = None) -> np.ndarray:
        """Return some of the inputs, as an array of shape (n_sessions, n_assets, len(names)).

        Parameters
        ----------
        names : tuple of str
        bounds : ndarray of shape (2, 2), optional
            From `level_bounds`: levels beyond them are moved to them.
        """
        x = self.values
        if names != self.names:
            x = x[..., [self.names.index(name) for name in names]]
        return x if bounds is None else clip_levels(x, names, bounds)


def level_bounds(x: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Return the minimum and maximum of each of `LEVELS` in a table of inputs, of shape (2, 2).

    A level outside the training range would be extrapolated along a slope estimated on a few calm years, which gives
    forecasts near zero in a crash. The other inputs are relative and bounded by `MAX_FEATURE`.
    """
    bounds = np.array([[-MAX_FEATURE] * len(LEVELS), [MAX_FEATURE] * len(LEVELS)])
    for column, name in enumerate(LEVELS):
        values = x[..., names.index(name)] if name in names else np.empty(0)
        values = values[np.isfinite(values)]
        if len(values):
            bounds[:, column] = values.min(), values.max()
    return bounds


def clip_levels(x: np.ndarray, names: tuple[str, ...], bounds: np.ndarray) -> np.ndarray:
    """Return a table of inputs with its levels moved within bounds."""
    x = x.copy()
    for column, name in enumerate(LEVELS):
        if name in names:
            place = names.index(name)
            x[..., place] = np.clip(x[..., place], *bounds[:, column])
    return x


def without_market(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of inputs that need no reference universe."""
    return tuple(name for name in names if name not in MARKET and name not in SEASON)


def without_season(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of inputs without the earnings season."""
    return tuple(name for name in names if name not in SEASON)


def build_features(
    panel: PricePanel,
    market: PricePanel | None,
    first: int = 0,
    *,
    names: tuple[str, ...] | None = None,
    dtype: DTypeLike = float,
) -> Features:
    """All inputs of the sessions of a panel from row `first` on.

    Parameters
    ----------
    panel : PricePanel
        The assets to forecast.
    market : PricePanel, or None
        The reference universe, whose means are the market-wide inputs; None to do without.
    first : int, default 0
        First row wanted.
    names : tuple of str, optional
        Inputs wanted; all that there are if not given. Without a market season inputs are missing, so zero.
    dtype : data type, default float
        Of the table; single precision is enough to train on, and half the memory.
    """
    own = _relative(panel, first)
    names = names or (*OWN, *LEVERAGE, *(() if market is None else (*MARKET, *SEASON)))
    unusable = ~(np.isfinite(own.base) & np.isfinite(panel.tail_values("close", len(own.base))))
    values = np.zeros((*own.base.shape, len(names)), dtype)
    # One column at a time, because all columns together would need several times the memory of the table.
    for name, column in _columns(panel, market, own, first):
        if name in names:
            values[..., names.index(name)] = column
    if market is not None and not set(names).isdisjoint(SEASON):
        moves = _idiosyncratic_moves(panel, market, first)
        for name, column in season_inputs(*moves, own.base, min(first, SEASON_WINDOW - 1)):
            if name in names:
                values[..., names.index(name)] = column
    np.copyto(values, 0.0, where=~np.isfinite(values))
    np.clip(values, -MAX_FEATURE, MAX_FEATURE, out=values)
    values[unusable] = np.nan
    return Features(values, names, own.base)


@dataclass(frozen=True)
class _Relative:
    """Slow level, the log of each range's mean variance relative to it, and the log of the level of half a year."""

    base: np.ndarray
    ratios: list[np.ndarray]
    level: np.ndarray


def _relative(panel: PricePanel, first: int) -> _Relative:
    variance, first = _up_to(panel, "variance", BASE_WINDOW, first)
    base = ew_mean(variance, 1 - 2 / (BASE_SPAN + 1), BASE_WINDOW, BASE_MINIMUM, first)
    ratios = [np.log(rolling_mean(variance, days, first=first) / base) for days in RANGES]
    return _Relative(base, ratios, np.log(rolling_mean(variance, LEVEL_WINDOW, MONTH, first)))


def _up_to(panel: PricePanel, name: str, window: int, first: int) -> tuple[np.ndarray, int]:
    """Return the rows inside windows that end at row `first` or later, and the position of row `first` among them."""
    seen = max(0, first + 1 - window)
    return panel.tail_values(name, len(panel.sessions) - seen), first - seen


def _columns(
    panel: PricePanel, market: PricePanel | None, own: _Relative, first: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield inputs by name, each of shape (n_sessions - first, n_assets), or (n_sessions - first, 1) for all assets."""
    yield from zip(HAR, own.ratios, strict=True)
    scale, rows = np.sqrt(own.base), len(own.base)
    returns = panel.tail_values("returns", rows) / scale
    yield "return", returns
    yield "absolute_return", np.abs(returns)
    yield "negative_return", np.minimum(returns, 0.0)
    missing = np.full_like(returns, np.nan)
    yield "overnight", panel.tail_values("overnight", rows) / scale if panel.has_ranges else missing
    yield "volume", relative_volume(*_up_to(panel, "volume", QUARTER, first)) if panel.has_volume else missing
    yield "level", own.level + CENTRE
    if market is not None:
        means = _market_inputs(panel, market, own, first)
        yield from ((name, mean[:, None]) for name, mean in zip(MARKET, means, strict=True))


def relative_volume(volume: np.ndarray, first: int) -> np.ndarray:
    """Return the log of volume over its mean of a quarter, from row `first` on."""
    traded = np.where(volume > 0, volume, np.nan)
    return np.log(traded[first:] / rolling_mean(traded, QUARTER, MONTH, first))


def _idiosyncratic_moves(panel: PricePanel, market: PricePanel, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Squared moves that are not the market's, overnight and daily, in the rows that season inputs from `first` on use.

    Without opens daily moves replace overnight moves.
    """
    count = len(panel.sessions) - max(0, first + 1 - SEASON_WINDOW)
    own = market is panel

    def squared(name: str, centre: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Return the squared moves of one series about their centre, per asset or market-wide."""
        moves = panel.tail_values(name, count)
        middle = (
            centre(moves)
            if own
            else _at_sessions(panel, market, count, lambda rows: centre(market.tail_values(name, rows)))
        )
        return (moves - middle[:, None]) ** 2

    daily = squared("returns", _cross_mean)
    with_opens = panel.has_ranges and market.has_ranges
    return (squared("overnight", _cross_median) if with_opens else daily), daily


def _market_inputs(panel: PricePanel, market: PricePanel, own: _Relative, first: int) -> list[np.ndarray]:
    """Means over the reference universe at the panel's sessions, each of shape (n_sessions - first,)."""
    rows, there, begin = _rows_of(panel, market, len(panel.sessions) - first)
    theirs = own if market is panel else _relative(market, begin)
    base = _cross_mean(theirs.base)
    returned = _cross_mean(market.tail_values("returns", len(base))) / np.sqrt(base)
    means = [*(_cross_mean(ratio) for ratio in theirs.ratios), returned, np.log(base) + CENTRE]
    return [np.where(there, mean[np.where(there, rows - begin, 0)], np.nan) for mean in means]


def _rows_of(panel: PricePanel, market: PricePanel, count: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Rows of the market at the panel's last sessions, where it has them, and the first of them."""
    rows = market.sessions.get_indexer(panel.sessions[len(panel.sessions) - count :])
    there = rows >= 0
    return rows, there, int(rows.min(where=there, initial=len(market.sessions) - 1))


def _at_sessions(panel: PricePanel, market: PricePanel, count: int, series: Callable[[int], np.ndarray]) -> np.ndarray:
    """Return a market-wide series, computed on a number of its last rows, at the panel's last sessions."""
    rows, there, begin = _rows_of(panel, market, count)
    return np.where(there, series(len(market.sessions) - begin)[np.where(there, rows - begin, 0)], np.nan)


def _cross_median(values: np.ndarray) -> np.ndarray:
    ordered = np.sort(values, axis=1)  # NaN comes last
    number = np.isfinite(ordered).sum(axis=1)
    row, low, high = (
        np.arange(len(values)),
        np.maximum(number - 1, 0) // 2,
        np.minimum(number // 2, values.shape[1] - 1),
    )
    return np.where(number > 0, (ordered[row, low] + ordered[row, high]) / 2, np.nan)


def _cross_mean(values: np.ndarray) -> np.ndarray:
    here = np.isfinite(values)
    number = here.sum(axis=1)
    total = np.where(here, values, 0.0).sum(axis=1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)
