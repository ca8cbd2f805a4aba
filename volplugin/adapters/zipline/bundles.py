"""Price panels from ingested zipline bundles."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from zipline.data import bundles
from zipline.utils.paths import data_path, default_extension
from zipline.utils.run_algo import load_extensions

from volplugin._bundles import register_dow30
from volplugin._bundles.dow30 import NAME as DOW30
from volplugin._bundles.events import NO_VOLUME
from volplugin._bundles.registration import CALENDAR
from volplugin._bundles.staged import INGESTION, remove_leftovers
from volplugin.data import FIELDS, PricePanel
from volplugin.data.checks import as_day
from volplugin.data.tables import is_parquet
from volplugin.errors import (
    AssetMismatchError,
    BundleError,
    BundleNotFoundError,
    BundleRangeError,
    ParameterError,
)

Date: TypeAlias = str | pd.Timestamp
Environ: TypeAlias = Mapping[str, str]

SEARCHED = 64
"""Sessions searched at a time for the last bar."""


def read_bundle(
    name: str,
    *,
    start: Date | None = None,
    end: Date | None = None,
    assets: Iterable[str] | None = None,
    anchor: Literal["last", "first"] = "first",
    environ: Environ | None = None,
) -> PricePanel:
    """Read the daily bars of an ingested bundle, adjusted for splits, mergers and dividends.

    Raw bars are read at the precision they are stored in and multiplied by the bundle's own
    adjustment ratios; ``data.history`` rounds adjusted bars to three decimals instead. Log returns do
    not depend on `anchor`. Nothing is cached.

    Parameters
    ----------
    name : str
        An ingested bundle: ``dow30``, one of `register_prices`, or any other zipline bundle with daily bars.
    start, end : str or Timestamp, optional
        First and last session; the bundle's by default. Adjustments after `end` are not used.
    assets : iterable of str, optional
        Symbols, in order; the whole bundle is their ``panel.market``. All symbols by default.
    anchor : {"first", "last"}, default "first"
        Where adjusted prices equal raw ones. With "first", on each asset's first session: a row then
        depends on nothing after it, to the last bit, and models of past years stay the
        same when the bundle grows. With "last", on the last session, as price charts show them.
    environ : mapping, optional
        Environment whose ``ZIPLINE_ROOT`` is used; the process's by default.

    Returns
    -------
    PricePanel
        Open, high, low, close and volume; sessions x symbols, NaN where an asset has no bar. Its calendar is that
        of the bundle, which sets ``periods_per_year``. Ranges and volumes are left out if the source had none.

    Raises
    ------
    BundleNotFoundError
        If the bundle is not registered or not ingested; the message has the command.
    BundleRangeError
        If the dates reach beyond the bundle's sessions.
    AssetMismatchError
        Naming the symbols that the bundle lacks.

    Examples
    --------
    >>> panel = read_bundle("dow30", start="2010-01-04", end="2010-12-31")  # doctest: +SKIP
    >>> panel  # doctest: +SKIP
    PricePanel(30 assets, 252 sessions, 2010-01-04 to 2010-12-31)
    >>> panel.periods_per_year  # doctest: +SKIP
    252
    """
    if anchor not in ("last", "first"):
        raise BundleError(f"anchor is {anchor!r}; pass 'first' or 'last'")
    with open_bundle(name, environ) as data:
        sessions = _session_range(name, _sessions_with_bars(name, data), start, end)
        symbols = _symbols(name, data.asset_finder)
        wanted = None if assets is None else _known(name, assets, symbols)
        frames = _given_fields(_adjusted(data, sessions, symbols, anchor))
        calendar = str(data.equity_daily_bar_reader.trading_calendar.name)
    panel = PricePanel(**frames, calendar=calendar)
    return panel if wanted is None else panel.select(wanted)


def read_prices(name: str, environ: Environ | None = None) -> PricePanel:
    """Read a file, a folder of CSV files, or an ingested bundle."""
    is_file = Path(name).exists() or is_parquet(Path(name))
    return PricePanel.from_csv(name) if is_file else read_bundle(name, environ=environ)


def with_named_market(
    panel: PricePanel, market: str | Iterable[str] | None, environ: Environ | None = None
) -> PricePanel:
    """Return a panel with another reference universe of the market-wide inputs.

    Parameters
    ----------
    panel : PricePanel
    market : str or iterable of str, optional
        Symbols of the panel, as a list or joined by commas; or a name for `read_prices`. The panel's own by default.
    environ : mapping, optional
        As in `read_bundle`.

    Raises
    ------
    AssetMismatchError
        Naming symbols that the panel lacks.
    ParameterError
        If the prices end before the panel's.
    """
    if not market:
        return panel
    symbols = [name.strip() for name in market.split(",")] if isinstance(market, str) else list(market)
    if not isinstance(market, str) or len(symbols) > 1 or set(symbols) <= set(panel.assets):
        return panel.with_market(panel.select(symbols))
    prices = read_prices(market, environ)
    if prices.last_session < panel.last_session:
        raise ParameterError(
            f"market {market} ends on {prices.last_session.date()}, before the prices that it belongs to, "
            f"{panel.last_session.date()}; bring it up to date, or name symbols of these prices"
        )
    return panel.with_market(prices)


def bundle_sessions(name: str, environ: Environ | None = None) -> pd.DatetimeIndex:
    """Sessions from a bundle's first bar to its last.

    A bundle registered without an end, such as one of zipline's csvdir, covers its calendar up to a year from today:
    its sessions without any bar at either end are not counted.

    Raises
    ------
    BundleNotFoundError
        If the bundle is not registered or not ingested.
    """
    with open_bundle(name, environ) as data:
        return _sessions_with_bars(name, data)


def bundle_calendar(name: str, environ: Environ | None = None) -> str:
    """Name of the exchange calendar that a bundle was written with.

    Raises
    ------
    BundleNotFoundError
        If the bundle is not registered or not ingested.
    """
    with open_bundle(name, environ) as data:
        return str(data.equity_daily_bar_reader.trading_calendar.name)


def check_range(name: str, start: Date, end: Date, environ: Environ | None = None) -> None:
    """Refuse a run over sessions that a bundle does not hold; zipline itself would run on empty prices.

    Raises
    ------
    BundleRangeError
        If `start` is before the bundle's first session or `end` after its last.
    """
    _session_range(name, bundle_sessions(name, environ), start, end)


@contextmanager
def open_bundle(name: str, environ: Environ | None = None) -> Iterator[bundles.core.BundleData]:
    """Open zipline's readers of the newest ingestion of a bundle, and close them afterwards.

    Raises
    ------
    BundleNotFoundError
        If the bundle is not registered or not ingested.
    BundleError
        If its newest ingestion is incomplete.
    """
    environ = os.environ if environ is None else environ
    ensure_registered(name, environ)
    # zipline makes an empty folder before anything is written: of a killed ingest it would be the newest bundle.
    with suppress(OSError):
        remove_leftovers(Path(data_path([name], environ)))
    if not _ingestions(name, environ):
        raise BundleNotFoundError(
            f"bundle {name!r} is not ingested under {data_path([name], environ)}; "
            f"run `volplugin ingest {name}` "
            f"or `zipline -e volplugin.adapters.zipline.extension ingest -b {name}`"
        )
    try:
        data = bundles.load(name, environ)
    except (OSError, ValueError) as error:
        raise BundleError(
            f"the newest ingestion of bundle {name!r} is incomplete ({error}); ingest it again"
        ) from error
    # Whole columns: below 3,000 stocks zipline unpacks a column once per stock, a third of a second for 500 of them.
    data.equity_daily_bar_reader._read_all_threshold = 0
    with data:
        yield data


def ensure_registered(name: str, environ: Environ | None = None) -> None:
    """Register a bundle with zipline if it is not, from the user's ``extension.py`` or this package.

    A bundle that is ingested but registered nowhere, such as one made by ``volplugin ingest`` from
    files, is registered for reading, with the calendar it was written with.

    Raises
    ------
    BundleNotFoundError
        If nothing of that name is registered, shipped or ingested.
    """
    environ = os.environ if environ is None else environ
    _check_name(name)
    if name not in bundles.bundles and Path(default_extension(environ)).exists():
        load_extensions(default=True, extensions=(), strict=True, environ=environ)
    if name in bundles.bundles:
        return
    if name == DOW30:
        register_dow30()
    elif _ingestions(name, environ):
        bundles.register(
            name, _cannot_ingest, calendar_name=_written_calendar(newest_ingestion(name, environ)), create_writers=False
        )
    else:
        known = sorted({*bundles.bundles, DOW30})
        raise BundleNotFoundError(
            f"no bundle {name!r}: there are {', '.join(known)}; make it with "
            f"`volplugin ingest {name} --csv FOLDER`, or register it in extension.py"
        )


def _check_name(name: str) -> None:
    """Refuse a name that leads out of the folder of bundles."""
    if not isinstance(name, str) or name in ("", ".", "..") or set(name) & set("/\\\0"):
        raise BundleNotFoundError(f"{name!r} is not the name of a bundle; pass a name such as dow30, not a path")


def newest_ingestion(name: str, environ: Environ) -> Path:
    """Folder of the newest ingestion of an ingested bundle, the one that zipline loads."""
    return max(_ingestions(name, environ), key=lambda folder: folder.name)


def is_ingested(name: str, environ: Environ | None = None) -> bool:
    """Whether a bundle has an ingestion."""
    _check_name(name)
    return bool(_ingestions(name, os.environ if environ is None else environ))


def _cannot_ingest(*_: Any) -> None:
    raise BundleError("this bundle is registered for reading only; name its data with register_prices in extension.py")


def _ingestions(name: str, environ: Environ) -> list[Path]:
    folder = Path(data_path([name], environ))
    found = [child for child in folder.iterdir() if INGESTION.fullmatch(child.name)] if folder.is_dir() else []
    return [child for child in found if child.is_dir() and any(child.iterdir())]


def _written_calendar(ingestion: Path) -> str:
    """Calendar that the daily bars of an ingestion were written with."""
    attributes = ingestion / "daily_equities.bcolz" / "__attrs__"
    try:
        return str(json.loads(attributes.read_text())["calendar_name"])
    except (OSError, ValueError, KeyError):
        return CALENDAR


def _sessions_with_bars(name: str, data: bundles.core.BundleData) -> pd.DatetimeIndex:
    """Sessions of the daily bars, from the first listing to the last session with a bar."""
    reader, finder = data.equity_daily_bar_reader, data.asset_finder
    equities = finder.retrieve_all(finder.equities_sids)
    sessions = pd.DatetimeIndex(reader.sessions)
    if equities and len(sessions):
        first = min(equity.start_date for equity in equities)
        last = max(equity.end_date for equity in equities)
        sessions = sessions[(sessions >= first) & (sessions <= last)]
    sids = [int(equity) for equity in equities]
    while len(sessions):
        block = sessions[-SEARCHED:]
        (close,) = reader.load_raw_arrays(["close"], block[0], block[-1], sids)
        rows = np.flatnonzero(~np.isnan(close).all(axis=1))
        if len(rows):
            return sessions[: len(sessions) - len(block) + int(rows[-1]) + 1]
        sessions = sessions[: -len(block)]
    raise BundleError(f"bundle {name!r} holds no daily bar; ingest daily prices")


def _given_fields(frames: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Leave out the ranges and volumes that an ingestion filled in because the source had closes alone."""
    close, volume = frames["close"].to_numpy(), frames["volume"].to_numpy()
    there = ~np.isnan(close)
    flat = all(np.array_equal(frames[field].to_numpy()[there], close[there]) for field in ("open", "high", "low"))
    unknown = bool((volume[there] == NO_VOLUME).all())
    without = {*(("open", "high", "low") if flat else ()), *(("volume",) if unknown else ())}
    return {field: frame for field, frame in frames.items() if field not in without}


def _session_range(name: str, sessions: pd.DatetimeIndex, start: Date | None, end: Date | None) -> pd.DatetimeIndex:
    first, last = (
        sessions[0] if start is None else as_day(start),
        sessions[-1] if end is None else as_day(end),
    )
    span = f"bundle {name!r} holds {sessions[0].date()} to {sessions[-1].date()}"
    if last > sessions[-1]:
        raise BundleRangeError(f"{last.date()} is after the last session: {span}; end there, or ingest newer data")
    if first < sessions[0]:
        raise BundleRangeError(f"{first.date()} is before the first session: {span}; start there")
    chosen = sessions[(sessions >= first) & (sessions <= last)]
    if chosen.empty:
        raise BundleRangeError(f"no session from {first.date()} to {last.date()}: {span}")
    return chosen


def _symbols(name: str, finder: Any) -> dict[str, int]:
    """Sids by symbol, for every equity of the bundle."""
    equities = finder.retrieve_all(finder.equities_sids)
    symbols = {equity.symbol: int(equity) for equity in equities}
    if len(symbols) < len(equities):
        twice = Counter(equity.symbol for equity in equities).most_common(1)[0][0]
        raise BundleError(
            f"{twice}: two stocks of bundle {name!r} have this symbol; give each its own and ingest again"
        )
    return symbols


def _known(name: str, assets: Iterable[str], symbols: Mapping[str, int]) -> list[str]:
    wanted = list(assets)
    unknown = [str(asset) for asset in wanted if asset not in symbols]
    if unknown:
        raise AssetMismatchError(f"bundle {name!r} has no {', '.join(unknown)}; it holds {', '.join(symbols)}")
    return wanted


def _adjusted(
    data: bundles.core.BundleData, sessions: pd.DatetimeIndex, symbols: Mapping[str, int], anchor: str
) -> dict[str, pd.DataFrame]:
    sids = list(symbols.values())
    raw = data.equity_daily_bar_reader.load_raw_arrays(list(FIELDS), sessions[0], sessions[-1], sids)
    ratios = {
        table: _ratios(data.adjustment_reader.get_df_from_table(table, convert_dates=True), sessions, sids)
        for table in ("splits", "mergers", "dividends")
    }
    shares = _factors(ratios["splits"], anchor)
    prices = _factors(ratios["splits"] * ratios["mergers"] * ratios["dividends"], anchor)
    frames = {}
    for field, values in zip(FIELDS, raw, strict=True):
        # zipline holds a missing bar as NaN prices and zero volume.
        if field == "volume":
            values = np.where(np.isnan(raw[3]), np.nan, values / shares)
        else:
            values *= prices
        frames[field] = pd.DataFrame(values, index=sessions, columns=list(symbols))
    return frames


def _ratios(table: pd.DataFrame, sessions: pd.DatetimeIndex, sids: list[int]) -> np.ndarray:
    """Ratios that apply to all bars before a row: sessions x assets, one where nothing happened."""
    ratios = np.ones((len(sessions), len(sids)))
    rows = sessions.searchsorted(table["effective_date"])
    columns = pd.Index(sids).get_indexer(table["sid"])
    inside = (rows > 0) & (rows < len(sessions)) & (columns >= 0)
    np.multiply.at(ratios, (rows[inside], columns[inside]), table["ratio"].to_numpy()[inside])
    return ratios


def _factors(ratios: np.ndarray, anchor: str) -> np.ndarray:
    """Multiplier of each row's prices, one on the anchor's row."""
    if anchor == "first":
        return 1.0 / np.cumprod(ratios, axis=0)
    later = np.ones_like(ratios)
    later[:-1] = np.cumprod(ratios[:0:-1], axis=0)[::-1]
    return later
