"""Simulated markets: prices of no real company, for tests and examples.

Every asset is called SIM0001, SIM0002, ... so that no table of them is mistaken for real data.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from volplugin.data.calendars import calendar_sessions
from volplugin.data.checks import PRICES, as_moment
from volplugin.data.panel import PricePanel
from volplugin.errors import ParameterError
from volplugin.storage.atomic import write_atomically
from volplugin.units import TRADING_DAYS

SECTORS = 11
MARKET_VOLATILITY, SECTOR_VOLATILITY, OWN_VOLATILITY = 0.010, 0.006, 0.014
"""Daily standard deviations of the two factors, and of the idiosyncratic return of the median stock."""
OVERNIGHT = 0.25
"""Share of a day's variance between the close and the next open."""
SLOW, FAST = (0.99, 0.33), (0.92, 0.25)
"""Autoregressive coefficient per day and standard deviation of the two components of a log volatility."""
LEVERAGE = -0.7
"""Correlation of a day's return shock with the shock to the volatility of later days."""
SHARED = 0.5
"""Share of the market's log volatility that is added to sectors and stocks."""
TAILS = {"market": 7.0, "sector": 7.0, "own": 5.0}
"""Degrees of freedom of Student's t, given the volatility."""
PREMIUM = 0.07 / TRADING_DAYS
SPLIT_ABOVE, MERGE_BELOW = 150.0, 2.0
"""Raw closes at which a stock is split two for one, and ten old shares become one."""
NOTICE = 15
"""Sessions from that close to the split."""
MIN_LIFE = TRADING_DAYS
"""Minimum number of sessions that a stock trades."""
MAX_VOLUME = 4e9


@dataclass(frozen=True)
class SimulatedMarket:
    """A simulated market: raw prices and splits, which `panel` and `write_csv` return and write.

    Attributes
    ----------
    raw : dict of DataFrame, each of shape (n_sessions, n_assets)
        Open, high, low, close and volume as traded; NaN before listing and after delisting.
    splits : DataFrame of shape (n_sessions, n_assets)
        New shares for one old from that session on; 1 where there is no split.
    sectors : Series of int, by asset
    seed : int
    calendar : str
    """

    raw: dict[str, pd.DataFrame]
    splits: pd.DataFrame
    sectors: pd.Series
    seed: int
    calendar: str = "XNYS"

    def panel(self) -> PricePanel:
        """Return prices and volumes adjusted for splits, anchored at the first session as in `read_bundle`."""
        shares = self.splits.cumprod()
        prices = {field: self.raw[field] * shares for field in PRICES}
        return PricePanel(**prices, volume=self.raw["volume"] / shares, calendar=self.calendar)

    def write_csv(self, folder: str | Path) -> Path:
        """Write one CSV file per stock with raw prices and split ratios, for `register_prices`."""
        place = Path(folder)
        for asset in self.splits:
            bars = pd.DataFrame(
                {field: table[asset] for field, table in self.raw.items()} | {"split": self.splits[asset]}
            )
            text = bars.dropna().to_csv(index_label="date", date_format="%Y-%m-%d")
            write_atomically(place / f"{asset}.csv", text.encode())
        return place

    def __repr__(self) -> str:
        days = self.splits.index
        return (
            f"SimulatedMarket({self.splits.shape[1]} simulated assets, {len(days)} sessions, "
            f"{days[0].date()} to {days[-1].date()}, seed={self.seed})"
        )


def simulated_panel(
    n_assets: int = 30, start: str = "2000-01-03", end: str = "2020-12-31", *, seed: int = 0, calendar: str = "XNYS"
) -> PricePanel:
    """Return adjusted prices of a simulated market as a panel; the same for the same arguments.

    The first assets do not depend on `n_assets`.

    Parameters
    ----------
    n_assets : int, default 30
    start, end : str
        First and last session, moved inwards to sessions of the calendar.
    seed : int, default 0
    calendar : str, default "XNYS"
        Exchange calendar, by its name in `exchange_calendars`.

    Raises
    ------
    ParameterError
        For no asset, or fewer than two years of sessions.

    Examples
    --------
    >>> from volplugin import simulated_panel
    >>> panel = simulated_panel(3, "2015-01-02", "2018-12-31", seed=1)
    >>> panel
    PricePanel(3 assets, 1006 sessions, 2015-01-02 to 2018-12-31)
    >>> panel.calendar, panel.periods_per_year
    ('XNYS', 252)
    """
    return simulated_market(n_assets, start, end, seed=seed, calendar=calendar).panel()


def simulated_market(
    n_assets: int = 30, start: str = "2000-01-03", end: str = "2020-12-31", *, seed: int = 0, calendar: str = "XNYS"
) -> SimulatedMarket:
    r"""Simulate a market of stocks, with the arguments of `simulated_panel`.

    A stock's return is :math:`\beta_i f_t + \gamma_i g_{s,t} + e_{i,t}`: market, sector and idiosyncratic. Each is a
    Student t of a volatility whose log is the sum of a slow and a fast autoregression, moved by the shock itself
    (leverage); part of the market's log volatility goes into all others. A quarter of the variance falls between
    the close and the next open. High and low are drawn from the maximum and minimum of the Brownian bridge between
    open and close, given the day's variance, independently of each other. About a third of the stocks are
    listed after the first session, and a sixth delisted before the last; high prices are split two for one, and ten
    shares of a low price become one. There are no dividends and no halts. Moments are of the size of large US stocks'
    moments, chosen by hand and not fitted.

    References
    ----------
    Cont (2001), Empirical Properties of Asset Returns: Stylized Facts and Statistical Issues; Harvey and Shephard
    (1996), Estimation of an Asymmetric Stochastic Volatility Model for Asset Returns.
    """
    sessions = _sessions(calendar, start, end)
    if not isinstance(n_assets, int | np.integer) or n_assets < 1 or len(sessions) < 2 * MIN_LIFE:
        raise ParameterError(
            f"n_assets is {n_assets}, and {start} to {end} has {len(sessions)} sessions of {calendar}; "
            f"simulate one or more assets over {2 * MIN_LIFE} sessions or more"
        )
    days = len(sessions)
    market, shared = _shocks(np.random.default_rng([seed, 0]), days, MARKET_VOLATILITY, TAILS["market"])
    sectors = [
        _shocks(np.random.default_rng([seed, 1, sector]), days, SECTOR_VOLATILITY, TAILS["sector"], shared)[0]
        for sector in range(SECTORS)
    ]
    names = [f"SIM{number:04d}" for number in range(1, n_assets + 1)]
    stocks = [_stock(np.random.default_rng([seed, 2, n]), market, sectors, shared) for n in range(n_assets)]
    tables = {
        field: pd.DataFrame(np.column_stack([bars[field] for bars, _ in stocks]), sessions, names)
        for field in (*PRICES, "volume", "split")
    }
    splits = tables.pop("split")
    return SimulatedMarket(tables, splits, pd.Series([sector for _, sector in stocks], names), seed, calendar)


def _sessions(calendar: str, start: str, end: str) -> pd.DatetimeIndex:
    begin, stop = as_moment(start), as_moment(end)
    if begin >= stop:
        raise ParameterError(f"start {begin.date()} is not before end {stop.date()}; swap them")
    return calendar_sessions(calendar, begin, stop).rename("date")


@dataclass(frozen=True)
class _Shocks:
    """Overnight and intraday returns of a factor or stock, and the intraday variance they were drawn with."""

    overnight: np.ndarray
    intraday: np.ndarray
    variance: np.ndarray

    @classmethod
    def mixed(cls, parts: Iterable[tuple[float, _Shocks]]) -> _Shocks:
        """Return the sum of shocks by their loadings."""
        loadings, shocks = zip(*parts, strict=True)
        loaded = np.array(loadings)
        return cls(
            loaded @ np.stack([each.overnight for each in shocks]),
            loaded @ np.stack([each.intraday for each in shocks]),
            loaded**2 @ np.stack([each.variance for each in shocks]),
        )


def _shocks(
    random: np.random.Generator, days: int, volatility: float, tails: float, shared: np.ndarray | float = 0.0
) -> tuple[_Shocks, np.ndarray]:
    """Draw shocks of shape (days,), and their idiosyncratic log volatility."""
    night, day = random.standard_normal((2, days))
    whole = np.sqrt(OVERNIGHT) * night + np.sqrt(1 - OVERNIGHT) * day
    own = np.zeros(days)
    for memory, deviation in (SLOW, FAST):
        news = LEVERAGE * whole + np.sqrt(1 - LEVERAGE**2) * random.standard_normal(days)
        step = deviation * np.sqrt(1 - memory**2)
        own += lfilter([0.0, step], [1.0, -memory], news, zi=[deviation * random.standard_normal()])[0]
    log_volatility = own + SHARED * shared
    # E exp(2 h) = exp(2 var h): the mean variance is volatility**2.
    spread = (1 + SHARED**2 * (np.ndim(shared) > 0)) * (SLOW[1] ** 2 + FAST[1] ** 2)
    mixing = (tails - 2) / random.chisquare(tails, days)
    variance = volatility**2 * np.exp(2 * (log_volatility - spread)) * mixing
    scale = np.sqrt(variance)
    return (
        _Shocks(
            np.sqrt(OVERNIGHT) * scale * night,
            np.sqrt(1 - OVERNIGHT) * scale * day,
            (1 - OVERNIGHT) * variance,
        ),
        own,
    )


def _stock(
    random: np.random.Generator, market: _Shocks, sectors: list[_Shocks], shared: np.ndarray
) -> tuple[dict[str, np.ndarray], int]:
    """Draw raw bars and splits of one stock, each of shape (n_sessions,), and its sector."""
    days = len(shared)
    sector = int(random.integers(len(sectors)))
    beta, gamma = np.clip(random.normal(1.0, 0.3, 2), 0.2, 2.0)
    volatility = OWN_VOLATILITY * np.exp(random.normal(0.0, 0.3))
    own, _ = _shocks(random, days, volatility, TAILS["own"], shared)
    total = _Shocks.mixed([(beta, market), (gamma, sectors[sector]), (1.0, own)])
    drift = beta * PREMIUM - 0.5 * total.variance.mean() / (1 - OVERNIGHT)
    bars = _bars(random, total, drift, price=40.0 * np.exp(random.normal(0.0, 0.5)))
    bars |= {"volume": _dollars(random, total)}
    bars = _as_traded(bars)
    first, last = _life(random, days)
    bars["split"][: first + 1] = bars["split"][last:] = 1.0
    for field in (*PRICES, "volume"):
        bars[field][:first] = bars[field][last:] = np.nan
    return bars, sector


def _bars(random: np.random.Generator, total: _Shocks, drift: float, price: float) -> dict[str, np.ndarray]:
    intraday = total.intraday + drift
    close = np.cumsum(total.overnight + intraday)
    opened = close - intraday
    # Reflection principle: extremes of a Brownian bridge of a given variance that ends at `intraday`.
    reach = np.sqrt(intraday**2 - 2 * total.variance * np.log1p(-random.random((2, len(close)))))
    high, low = opened + (intraday + reach[0]) / 2, opened + (intraday - reach[1]) / 2
    return {field: price * np.exp(log) for field, log in zip(PRICES, (opened, high, low, close), strict=True)}


def _dollars(random: np.random.Generator, total: _Shocks) -> np.ndarray:
    """Dollars traded: persistent, and larger on days with large moves."""
    days = len(total.variance)
    habit = lfilter([0.15], [1.0, -0.9], random.standard_normal(days))
    move = np.log(total.variance / total.variance.mean()) / 4
    return 5e7 * np.exp(random.normal(0.0, 1.0) + habit + move + 0.2 * random.standard_normal(days))


def _as_traded(bars: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Split high prices, merge low ones, and round as zipline stores prices."""
    close = bars["close"]
    dearer = np.floor(np.log2(np.maximum.accumulate(close) / SPLIT_ABOVE)).clip(-1) + 1
    cheaper = np.floor(np.log10(MERGE_BELOW / np.minimum.accumulate(close))).clip(-1) + 1
    shares = np.concatenate([np.ones(NOTICE), (2.0**dearer * 10.0**-cheaper)[:-NOTICE]])
    traded = {field: np.round(bars[field] / shares, 3) for field in PRICES}
    traded["volume"] = np.clip(np.round(bars["volume"] / traded["close"]), 1.0, MAX_VOLUME)
    traded["split"] = shares / np.concatenate([shares[:1], shares[:-1]])
    return traded


def _life(random: np.random.Generator, days: int) -> tuple[int, int]:
    """Return the first session and the one after the last."""
    late, gone, when = random.random() < 1 / 3, random.random() < 1 / 6, random.random(2)
    first = int(when[0] * (days - MIN_LIFE)) if late else 0
    return first, first + MIN_LIFE + int(when[1] * (days - first - MIN_LIFE)) if gone else days
