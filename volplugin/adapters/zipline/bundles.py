"""Price panels from ingested zipline bundles."""

from __future__ import annotations

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
from volplugin._bundles.staged import INGESTION, remove_leftovers
from volplugin.data.panel import FIELDS, PricePanel
from volplugin.errors import AssetMismatchError, BundleError, BundleNotFoundError, BundleRangeError, PanelError

Date: TypeAlias = str | pd.Timestamp
Environ: TypeAlias = Mapping[str, str]


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
        An ingested bundle: ``dow30``, one of `register_csv_folder`, or any other zipline bundle.
    start, end : str or Timestamp, optional
        First and last session wanted, the bundle's own by default. Adjustments after `end` are not used.
    assets : iterable of str, optional
        Symbols wanted, in order; the rest of the bundle stays behind them as ``panel.market``.
    anchor : {"first", "last"}, default "first"
        Where adjusted prices equal raw ones. With "first", on each asset's first session: a row then
        holds nothing of what came after it, down to the last bit, and models of past years stay the
        same when the bundle grows. With "last", on the last session, as price charts show them.
    environ : mapping, optional
        Whose ``ZIPLINE_ROOT`` to use; the process's own by default.

    Returns
    -------
    PricePanel
        Open, high, low, close and volume; sessions x symbols, NaN where an asset has no bar.

    Raises
    ------
    BundleNotFoundError
        If the bundle is not registered or not ingested; the message has the command.
    BundleRangeError
        If the dates reach beyond the bundle's sessions.
    AssetMismatchError
        Naming the symbols that the bundle lacks.
    """
    if anchor not in ("last", "first"):
        raise BundleError(f"anchor is {anchor!r}; pass 'first' or 'last'")
    with open_bundle(name, environ) as data:
        sessions = _session_range(name, data.equity_daily_bar_reader.sessions, start, end)
        symbols = _symbols(name, data.asset_finder)
        wanted = None if assets is None else _known(name, assets, symbols)
        frames = _adjusted(data, sessions, symbols, anchor)
    panel = PricePanel(**frames)
    return panel if wanted is None else panel.select(wanted)


def bundle_sessions(name: str, environ: Environ | None = None) -> pd.DatetimeIndex:
    """Sessions that a bundle covers, first to last.

    Raises
    ------
    BundleNotFoundError
        If the bundle is not registered or not ingested.
    """
    with open_bundle(name, environ) as data:
        return pd.DatetimeIndex(data.equity_daily_bar_reader.sessions)


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
    with data:
        yield data


def ensure_registered(name: str, environ: Environ | None = None) -> None:
    """See to it that zipline knows a bundle, from the user's ``extension.py`` or from our own.

    A bundle that is ingested but registered nowhere, such as one made by ``volplugin ingest`` from a
    folder of CSV files, is registered for reading.

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
        bundles.register(name, _cannot_ingest, calendar_name="XNYS", create_writers=False)
    else:
        known = sorted({*bundles.bundles, DOW30})
        raise BundleNotFoundError(
            f"no bundle {name!r}: there are {', '.join(known)}; register it in extension.py with "
            f"register_csv_folder({name!r}, folder) and ingest it"
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
    raise BundleError(
        "this bundle is registered for reading only; name its data with register_csv_folder in extension.py"
    )


def _ingestions(name: str, environ: Environ) -> list[Path]:
    folder = Path(data_path([name], environ))
    found = [child for child in folder.iterdir() if INGESTION.fullmatch(child.name)] if folder.is_dir() else []
    return [child for child in found if child.is_dir() and any(child.iterdir())]


def _session_range(name: str, sessions: pd.DatetimeIndex, start: Date | None, end: Date | None) -> pd.DatetimeIndex:
    first, last = (
        sessions[0] if start is None else _naive(start),
        sessions[-1] if end is None else _naive(end),
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


def _naive(date: Date) -> pd.Timestamp:
    moment = pd.Timestamp(date)
    if moment.tz is not None:
        raise PanelError(f"{date}: dates are timezone-naive here; pass {moment.tz_localize(None).date()}")
    return moment


def _symbols(name: str, finder: Any) -> dict[str, int]:
    """Sids by symbol, for every equity of the bundle."""
    equities = finder.retrieve_all(finder.equities_sids)
    symbols = {equity.symbol: int(equity) for equity in equities}
    if len(symbols) < len(equities):
        twice = Counter(equity.symbol for equity in equities).most_common(1)[0][0]
        raise BundleError(
            f"{twice}: two stocks of bundle {name!r} bear this symbol; give each its own and ingest again"
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
        values = values * prices if field != "volume" else np.where(np.isnan(raw[3]), np.nan, values / shares)
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
