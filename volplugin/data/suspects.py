"""Prices that are probably wrong: stale closes, jumps by a power of ten, splits without an adjustment."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from volplugin.data.panel import PricePanel

MIN_STALE = 20
"""Sessions with one and the same close after which a price is suspect."""
SPLITS = (1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 15.0, 20.0, 25.0, 30.0, 50.0)
"""Split ratios that are looked for, up and down; powers of ten are looked for by themselves."""
SPLIT_TOLERANCE, TEN_TOLERANCE = 0.04, 0.20
"""Distance of a log return from the log of a ratio; a price in other units moves as well on its day."""
MAX_RANGE = 0.20
"""Log range of a bar above which a large return is a move that was traded, and not a split."""
CALM_RANGE, CALM_TURNOVER, TURNOVER_WINDOW = 0.10, 1.0, 20
"""Largest log range, largest log of price times volume over its median of the sessions before, and their number. At a
split price and volume change, turnover does not; a real move by a split ratio trades several times as much."""
MIN_PEERS = 5
"""Assets whose median return is the market's."""
MIN_SHARE_OF_PEERS = 0.01
"""Forecast volatility over the median of all assets below which an asset is suspect."""


def suspect_prices(panel: PricePanel, volatility: pd.Series | None = None) -> dict[Any, str]:
    """Return the assets whose prices are probably wrong, with the reason and the date.

    Parameters
    ----------
    panel : PricePanel
        Prices through `asof`.
    volatility : Series of shape (n_assets,), optional
        Forecast daily volatilities, which are compared with their median.

    Returns
    -------
    dict of str by asset
        Empty if nothing is suspect. Prices are not changed.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.bdate_range("2020-01-01", periods=25)
    >>> close = pd.DataFrame({"OLD": 5.0, "NEW": [10.0 + 0.1 * (n % 3) for n in range(25)]}, index=days)
    >>> suspect_prices(PricePanel(close))
    {'OLD': 'close of 5 unchanged for 25 sessions up to 2020-02-04'}
    """
    returns = panel.returns.to_numpy()
    traded, splits = _range(panel), _missed_splits(panel)
    found: dict[Any, str] = {}
    for place, asset in enumerate(panel.assets):
        reason = _stale(panel.close.iloc[:, place]) or splits.get(asset)
        reason = reason or _jump(returns[:, place], traded[:, place], panel.sessions)
        if reason is None and volatility is not None and asset in volatility.index:
            reason = _quiet(volatility, asset)
        if reason is not None:
            found[asset] = reason
    return found


def is_doubtful(reason: str) -> bool:
    """Whether a reason of `suspect_prices` is a jump that may be a real move."""
    return reason.startswith("price ")


def _range(panel: PricePanel) -> np.ndarray:
    """Log range of each bar, 0 for closes alone."""
    if panel.high is None or panel.low is None:
        return np.zeros(panel.close.shape)
    return np.asarray(np.log(panel.high.to_numpy() / panel.low.to_numpy()))


def _stale(close: pd.Series) -> str | None:
    prices = close.dropna()
    if len(prices) < MIN_STALE:
        return None
    # Number the runs of equal closes, then count their lengths.
    runs = (prices != prices.shift(1)).cumsum()
    lengths = runs.map(runs.value_counts())
    if lengths.max() < MIN_STALE:
        return None
    last = lengths[lengths >= MIN_STALE].index[-1]
    return f"close of {prices[last]:g} unchanged for {int(lengths[last])} sessions up to {last.date()}"


def _missed_splits(panel: PricePanel) -> dict[Any, str]:
    """Return the last split of each asset that prices and volumes show and that was not adjusted for.

    The open and the close have moved by a split ratio, the close apart from the market, within a calm session with the
    usual turnover.
    """
    volume = panel.volume
    large = np.argwhere(np.abs(panel.returns.to_numpy()) > np.log(1.4))
    if volume is None or not panel.has_ranges or not len(large):
        return {}
    returns, gaps, ranges = panel.returns.to_numpy(), panel.overnight.to_numpy(), _range(panel)
    turnover, found = panel.close.to_numpy() * volume.to_numpy(), {}
    for row, place in large:
        move = returns[row, place] - (np.nanmedian(returns[row]) if len(panel.assets) >= MIN_PEERS else 0.0)
        nearest = min((*SPLITS, 10.0, 100.0), key=lambda ratio: abs(abs(move) - np.log(ratio)))
        split = np.copysign(np.log(nearest), move)
        before = turnover[max(0, row - TURNOVER_WINDOW) : row, place]
        before = before[before > 0]
        calm = len(before) >= TURNOVER_WINDOW // 2 and turnover[row, place] > 0 and ranges[row, place] < CALM_RANGE
        calm = calm and np.log(turnover[row, place] / np.median(before)) < CALM_TURNOVER
        if calm and max(abs(move - split), abs(gaps[row, place] - split)) < SPLIT_TOLERANCE:
            verb, factor = ("fell", np.exp(-move)) if move < 0 else ("rose", np.exp(move))
            found[panel.assets[place]] = (
                f"split by {nearest:g} not adjusted for: price {verb} by a factor of {factor:.4g} overnight on "
                f"{panel.sessions[row].date()}, at the usual turnover"
            )
    return found


def _jump(returns: np.ndarray, ranges: np.ndarray, sessions: pd.DatetimeIndex) -> str | None:
    large = np.flatnonzero(np.nan_to_num(np.abs(returns)) > np.log(1.4))
    for row in large[::-1]:
        size, day = abs(float(returns[row])), sessions[row].date()
        verb = "fell" if returns[row] < 0 else "rose"
        power = round(size / np.log(10))
        if power >= 1 and abs(size - power * np.log(10)) < TEN_TOLERANCE:
            return f"price {verb} by a factor of {np.exp(size):.4g} on {day}, near {10**power}: another unit?"
        nearest = min(SPLITS, key=lambda ratio: abs(size - np.log(ratio)))
        if abs(size - np.log(nearest)) < SPLIT_TOLERANCE and ranges[row] < MAX_RANGE:
            return (
                f"price {verb} by a factor of {np.exp(size):.4g} on {day}, near {nearest:g}: a split not adjusted for?"
            )
    return None


def _quiet(volatility: pd.Series, asset: Any) -> str | None:
    own, median = float(volatility[asset]), float(volatility.median())
    if not own < MIN_SHARE_OF_PEERS * median:
        return None
    return f"forecast volatility of {own:.2g} per day is below a hundredth of the median, {median:.2g}"
