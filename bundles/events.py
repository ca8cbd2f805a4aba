"""Splits and dividends of one symbol, from whichever columns its source has."""

from __future__ import annotations

import numpy as np
import pandas as pd

from volplugin.data.readers import given_splits, splits_applied
from volplugin.errors import BundleError

from .checks import PRICES
from .remarks import Remarks

NO_VOLUME = 1_000_000_000
"""Volume stored where the source has none, so that zipline fills orders; `read_bundle` reads it as no volume."""
MIN_SPLIT = 0.1
"""Smallest log change of adjusted over unadjusted close that is taken as a split and not as a dividend."""
FRACTIONS = sorted({above / below for above in range(1, 51) for below in range(1, 51)})
TOLERANCE = 2e-5
"""Relative change of adjusted over unadjusted close that is rounding of the printed prices."""


def raw_bars(symbol: str, bars: pd.DataFrame, remarks: Remarks, *, adjusted: bool = False) -> pd.DataFrame:
    """Return bars in the columns of a bundle: raw prices, volume, cash dividends and split ratios.

    Parameters
    ----------
    symbol : str
    bars : DataFrame
        Columns as `volplugin.data.readers.PriceTables` has them.
    remarks : Remarks
        Receives what was derived, assumed or not used.
    adjusted : bool, default False
        Whether prices are adjusted already, so that splits and dividends are not applied.

    Raises
    ------
    BundleError
        For some of open, high and low without the others.
    """
    bars = _with_close(symbol, bars, remarks, adjusted)
    ranges = [name for name in ("open", "high", "low") if name in bars]
    if ranges and len(ranges) < 3:
        missing = [name for name in ("open", "high", "low") if name not in bars]
        raise BundleError(f"{symbol}: no column {', '.join(missing)}; give open, high and low, or none of them")
    if not ranges:
        remarks.add("closes alone, stored as open, high and low too: ranges and overnight returns are lost", symbol)
        bars = bars.assign(open=bars["close"], high=bars["close"], low=bars["close"])
    if "volume" not in bars:
        remarks.add(f"no volume, {NO_VOLUME:,} stored so that orders fill", symbol)
        bars = bars.assign(volume=float(NO_VOLUME))
    return _with_events(symbol, bars, remarks, adjusted)


def _with_close(symbol: str, bars: pd.DataFrame, remarks: Remarks, adjusted: bool) -> pd.DataFrame:
    if "close" not in bars:
        remarks.add("adjusted closes alone: dividends are part of the price, and not paid in cash", symbol)
        return bars.rename(columns={"adjusted_close": "close"})
    if adjusted and "adjusted_close" in bars and not bars["close"].equals(bars["adjusted_close"]):
        remarks.add("open, high and low scaled by adjusted close over close", symbol)
        scale = bars["adjusted_close"] / bars["close"]
        prices = [name for name in PRICES if name in bars]
        return bars.assign(**{name: bars[name] * scale for name in prices}).drop(columns="adjusted_close")
    return bars


def _with_events(symbol: str, bars: pd.DataFrame, remarks: Remarks, adjusted: bool) -> pd.DataFrame:
    columns = [*PRICES, "volume", "dividend", "split"]
    if adjusted:
        given = [name for name in ("dividend", "split") if name in bars]
        if given:
            remarks.add(f"prices are adjusted, so that {' and '.join(given)} are not used", symbol)
        return bars.assign(dividend=0.0, split=1.0)[columns]
    if "adjusted_close" in bars and "dividend" in bars:
        if not bars["close"].equals(bars["adjusted_close"]):
            remarks.add("adjusted close not used: the columns of dividends and splits are", symbol)
        elif bars["dividend"].any():
            remarks.add("closes are adjusted for dividends, which are part of the price and not paid in cash", symbol)
            bars = bars.assign(dividend=0.0)
    split = given_splits(bars) if "split" in bars else None
    if split is not None and splits_applied(bars["close"], split):
        remarks.add("prices are adjusted for the splits of the file already, which are not applied again", symbol)
        split = split * 0 + 1.0
    dividend = bars["dividend"].fillna(0.0) if "dividend" in bars else None
    if dividend is not None and dividend.any() and "adjusted_close" not in bars:
        remarks.add("dividends applied; with closes that are adjusted for them, use --adjusted", symbol)
    if dividend is None and "adjusted_close" in bars:
        found_dividend, found_split = _from_adjusted(bars)
        dividend, split = found_dividend, found_split if split is None else split
        remarks.add("dividends and splits derived from adjusted close over close", symbol)
    return bars.assign(dividend=0.0 if dividend is None else dividend, split=1.0 if split is None else split)[columns]


def _from_adjusted(bars: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return cash dividends and split ratios that explain adjusted over unadjusted closes.

    With g = (A_t / C_t) / (A_{t-1} / C_{t-1}): a dividend D has g = 1 / (1 - D / C_{t-1}), a split of r new shares for
    one old has g = r.
    """
    close = bars["close"]
    factor = bars["adjusted_close"] / close
    factor = factor.where((factor > 0) & np.isfinite(factor))
    growth = (factor / factor.ffill().shift(1)).fillna(1.0)
    is_split = np.abs(np.log(growth)) > MIN_SPLIT
    split = pd.Series(1.0, close.index)
    split[is_split] = [min(FRACTIONS, key=lambda ratio: abs(np.log(ratio / value))) for value in growth[is_split]]
    # Printed prices have few digits: smaller changes than their rounding are none.
    decimals = 0.5 * 10.0 ** -_decimals(bars["adjusted_close"]) + 0.5 * 10.0 ** -_decimals(close)
    rounding = TOLERANCE + 2 * decimals / np.minimum(close, bars["adjusted_close"])
    rest = growth / split
    dividend = (close.ffill().shift(1) * (1 - 1 / rest)).where(rest > 1 + rounding, 0.0)
    return dividend, split


def _decimals(prices: pd.Series) -> int:
    """Largest number of decimals that a sample of prices is written with, at most 8."""
    sample = prices.dropna().iloc[:: max(1, len(prices) // 200)]
    return max((len(f"{price:.8f}".rstrip("0").split(".")[1]) for price in sample), default=8)
