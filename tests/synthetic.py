"""A simulated market of eight assets whose volatilities share a slow factor, and functions to corrupt it.

DELT is listed late, ECHO is halted for four sessions, FOXT is delisted before the end.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.tseries.holiday import USFederalHolidayCalendar
from pandas.tseries.offsets import CustomBusinessDay

from volplugin import PricePanel

ASSETS = ["ALFA", "BRAV", "CHAR", "DELT", "ECHO", "FOXT", "GOLF", "HOTE"]
LENGTH = 1300
SESSIONS = pd.date_range(
    "2012-01-03", periods=LENGTH, freq=CustomBusinessDay(calendar=USFederalHolidayCalendar()), name="date"
)
LISTED, HALTED, DELISTED = SESSIONS[400], SESSIONS[1020:1024], SESSIONS[1100]
"""First session of DELT, the sessions that ECHO misses, and the last session of FOXT."""

TRAINED = SESSIONS[920]
"""Last training session of the tests' models."""

ASOF = SESSIONS[1060]
"""Date of the tests' forecasts; later prices are corrupted."""


def frames(seed: int = 11) -> dict[str, pd.DataFrame]:
    """Return open, high, low, close and volume, each of shape (LENGTH, 8)."""
    random = np.random.default_rng(seed)
    count = len(ASSETS)
    common = _persistent(random, 0.98, 0.12, (LENGTH, 1))
    sigma = 0.012 * np.exp(common + _persistent(random, 0.9, 0.15, (LENGTH, count))) * np.linspace(0.7, 1.5, count)
    shocks = 0.6 * random.standard_normal((LENGTH, 1)) + 0.8 * random.standard_normal((LENGTH, count))
    overnight = 0.4 * sigma * random.standard_normal((LENGTH, count))
    close = np.linspace(20, 300, count) * np.exp(np.cumsum(sigma * shocks + overnight, axis=0))
    opened = close / np.exp(sigma * shocks)
    reach = np.abs(0.6 * sigma * random.standard_normal((2, LENGTH, count)))
    values = {
        "open": opened,
        "high": np.maximum(opened, close) * np.exp(reach[0]),
        "low": np.minimum(opened, close) * np.exp(-reach[1]),
        "close": close,
        "volume": np.round(1e6 * np.exp(0.4 * random.standard_normal((LENGTH, count)) + 10 * sigma)),
    }
    return {field: _with_gaps(pd.DataFrame(table, SESSIONS, ASSETS)) for field, table in values.items()}


def market(seed: int = 11) -> PricePanel:
    """Return the whole market as a panel."""
    return PricePanel(**frames(seed))


def poisoned(panel: PricePanel, after: pd.Timestamp, *, gaps: bool = False) -> PricePanel:
    """Return the panel with every row after a session replaced by wild prices; with `gaps`, of wild listings too."""
    random = np.random.default_rng(99)
    future = panel.sessions > after
    shape = (int(future.sum()), len(panel.assets))
    wild = np.exp(np.cumsum(0.3 * random.standard_normal(shape), axis=0))
    missing = random.random(shape) < 0.5
    tables = {}
    for field in ("open", "high", "low", "close", "volume"):
        table = getattr(panel, field).copy()
        rows = table.to_numpy(copy=True)[future] * wild
        if gaps:
            rows = np.where(missing, np.nan, np.where(np.isfinite(rows), rows, 10.0))
        table.loc[future] = rows
        tables[field] = table
    return PricePanel(**tables)


def scaled(panel: PricePanel, factor: float | np.ndarray) -> PricePanel:
    """Return the panel in another currency: prices multiplied, volumes as they are."""
    prices = {field: getattr(panel, field) * factor for field in ("open", "high", "low", "close")}
    return PricePanel(**prices, volume=panel.volume)


def permuted(panel: PricePanel) -> PricePanel:
    """Return the panel with its columns in another order, one of them that leaves none in place."""
    order = [*panel.assets[3:], *panel.assets[:3]]
    return PricePanel(**{field: getattr(panel, field)[order] for field in ("open", "high", "low", "close", "volume")})


def _persistent(random: np.random.Generator, memory: float, noise: float, shape: tuple[int, int]) -> np.ndarray:
    path = np.zeros(shape)
    for row in range(1, shape[0]):
        path[row] = memory * path[row - 1] + noise * random.standard_normal(shape[1])
    return path


def _with_gaps(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[table.index < LISTED, "DELT"] = np.nan
    table.loc[HALTED, "ECHO"] = np.nan
    table.loc[table.index > DELISTED, "FOXT"] = np.nan
    return table
