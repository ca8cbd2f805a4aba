"""Aligned daily prices with one gate, `PricePanel.asof`, through which time passes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from volplugin.data.variance import daily_variance
from volplugin.errors import AssetMismatchError, InsufficientHistoryError, PanelError

DERIVED = ("returns", "variance", "overnight", "_previous_close")
PRICES = ("open", "high", "low", "close")
FIELDS = (*PRICES, "volume")
SMALLEST, LARGEST = 1e-100, 1e100
"""Prices between which every ratio of two is a number."""
MAX_GAP_SESSIONS = 10
"""Sessions without a bar after which an asset counts as gone; its last forecast stands until then."""


class PricePanel:
    """Daily prices of many assets, aligned by session and checked once.

    Prices are adjusted for splits and dividends. A missing bar (before listing, in a halt, after
    delisting) is NaN in every field and is never filled. Panels are immutable by convention:
    the frames are private copies, and every method returns a new panel.

    Parameters
    ----------
    close : DataFrame of shape (n_sessions, n_assets)
        Adjusted closes; unique, increasing, timezone-naive dates.
    open, high, low : DataFrame, optional
        The rest of the bar: all three or none. Without them the variance proxy is the squared return.
    volume : DataFrame, optional
        Shares traded.
    market : PricePanel, optional
        Reference universe for market-wide inputs; the panel itself if not given.

    Raises
    ------
    PanelError
        For prices that cannot be used, naming the asset and the date.
    """

    def __init__(
        self,
        close: pd.DataFrame,
        open: pd.DataFrame | None = None,
        high: pd.DataFrame | None = None,
        low: pd.DataFrame | None = None,
        volume: pd.DataFrame | None = None,
        *,
        market: PricePanel | None = None,
    ) -> None:
        given = {"open": open, "high": high, "low": low, "close": close, "volume": volume}
        bars = [field for field in ("open", "high", "low") if given[field] is not None]
        if bars and len(bars) < 3:
            raise PanelError(f"open, high and low come together: only {', '.join(bars)} given; pass all or none")
        index = _check_index(close)
        self._frames: Mapping[str, pd.DataFrame] = {
            field: _clean(field, frame, index, close.columns) for field, frame in given.items() if frame is not None
        }
        _check_bars(self._frames)
        self._sessions, self._assets = self._frames["close"].index, self._frames["close"].columns
        self._market = None if market is None else market.asof(self.last_session)

    @classmethod
    def _view(cls, frames: Mapping[str, pd.DataFrame], market: PricePanel | None) -> PricePanel:
        """Build a panel of frames that were checked already."""
        panel = cls.__new__(cls)
        panel._frames, panel._market = frames, market
        if isinstance(frames, _Cut):
            panel._sessions, panel._assets = frames.sessions, frames.assets
        else:
            panel._sessions, panel._assets = frames["close"].index, frames["close"].columns
        return panel

    @classmethod
    def from_csv(cls, path: str | Path) -> PricePanel:
        """Read adjusted prices from one long CSV (``symbol`` column) or a folder of ``SYMBOL.csv`` files.

        Columns: ``date``, ``close`` and, if there, ``open, high, low, volume``.
        """
        from volplugin.data.readers import read_csv_frames

        return cls(**read_csv_frames(Path(path)))

    @classmethod
    def from_parquet(cls, path: str | Path) -> PricePanel:
        """Read adjusted prices from one long Parquet file, with the columns of `from_csv`'s single file."""
        from volplugin.data.readers import read_parquet_frames

        return cls(**read_parquet_frames(Path(path)))

    @classmethod
    def concat(cls, panels: Iterable[PricePanel]) -> PricePanel:
        """Put panels of different assets side by side, on the sessions of all of them.

        Raises
        ------
        AssetMismatchError
            Naming an asset that two of them hold.
        PanelError
            If some have open, high and low, and some have not.
        """
        each = list(panels)
        names = pd.Index([asset for panel in each for asset in panel.assets])
        if names.has_duplicates:
            raise AssetMismatchError(f"{names[names.duplicated()][0]} is in two of the panels; leave it out of one")
        if len({panel.has_ranges for panel in each}) > 1:
            raise PanelError("some of the panels have open, high and low, and some have not; use closes() of all")
        fields = [field for field in each[0]._frames if all(field in panel._frames for panel in each)]
        return cls(
            **{field: pd.concat([panel._frames[field] for panel in each], axis=1).sort_index() for field in fields}
        )

    # -- what it holds ----------------------------------------------------------------------

    @property
    def close(self) -> pd.DataFrame:
        """Adjusted closes, sessions x assets."""
        return self._frames["close"]

    @property
    def open(self) -> pd.DataFrame | None:
        """Adjusted opens, or None for a close-only panel."""
        return self._frames.get("open")

    @property
    def high(self) -> pd.DataFrame | None:
        """Adjusted highs, or None for a close-only panel."""
        return self._frames.get("high")

    @property
    def low(self) -> pd.DataFrame | None:
        """Adjusted lows, or None for a close-only panel."""
        return self._frames.get("low")

    @property
    def volume(self) -> pd.DataFrame | None:
        """Shares traded, or None."""
        return self._frames.get("volume")

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that are there, "close" among them."""
        return tuple(self._frames)

    @property
    def has_ranges(self) -> bool:
        """Whether open, high and low are there."""
        return "high" in self._frames

    @property
    def has_volume(self) -> bool:
        """Whether shares traded are there."""
        return "volume" in self._frames

    @property
    def assets(self) -> pd.Index:
        """Asset names, in column order."""
        return self._assets

    @property
    def sessions(self) -> pd.DatetimeIndex:
        """Sessions, increasing and timezone-naive."""
        return cast(pd.DatetimeIndex, self._sessions)

    @property
    def last_session(self) -> pd.Timestamp:
        """The last completed session: the `asof` of every forecast made from this panel."""
        return pd.Timestamp(self.sessions[-1])

    @property
    def market(self) -> PricePanel:
        """The reference universe for market-wide inputs, cut at the same session."""
        return self if self._market is None else self._market

    @cached_property
    def returns(self) -> pd.DataFrame:
        """Daily log returns over consecutive bars of each asset; NaN where a bar is missing.

        After a halt of at most `MAX_GAP_SESSIONS` sessions the return spans the gap and stands on the
        session that trading resumed.
        """
        return self._handed_on("returns", lambda: np.log(self.close / self._previous_close))

    @cached_property
    def variance(self) -> pd.DataFrame:
        """Daily variance proxy (overnight squared + Garman-Klass; squared returns for closes only)."""
        return self._handed_on("variance", self._daily_variance)

    @cached_property
    def overnight(self) -> pd.DataFrame:
        """Log return from the previous close to the open; NaN where either is missing.

        Raises
        ------
        PanelError
            For a close-only panel.
        """
        if self.open is None:
            raise PanelError("overnight returns need opens, and this panel has closes only")
        opens = self.open
        return self._handed_on("overnight", lambda: np.log(opens / self._previous_close))

    @cached_property
    def _previous_close(self) -> pd.DataFrame:
        return self._handed_on("_previous_close", lambda: self.close.ffill(limit=MAX_GAP_SESSIONS).shift(1))

    def _daily_variance(self) -> pd.DataFrame:
        frames = {field: self._frames[field].to_numpy() for field in PRICES if field in self._frames}
        values = daily_variance(self._previous_close.to_numpy(), **frames)
        return pd.DataFrame(values, index=self.sessions, columns=self.assets)

    def tail_values(self, name: str, count: int) -> np.ndarray:
        """Return the last rows of a field or of what is derived, without deriving or copying those before.

        Parameters
        ----------
        name : str
            ``"close"``, or any other field; ``"returns"``, ``"variance"`` or ``"overnight"``.
        count : int
            Rows wanted; all of them if there are fewer.

        Returns
        -------
        ndarray of shape (count, n_assets)
            A copy in C order, so that sums over it are the same to the last bit wherever it came from.
        """
        cut, begin = self._frames, len(self.sessions) - count
        if name in self.__dict__ or not isinstance(cut, _Cut) or (name in DERIVED and begin <= MAX_GAP_SESSIONS):
            frame, rows, columns = getattr(self, name), slice(max(begin, 0), None), None
        elif name not in DERIVED or name in cut.panel.__dict__:
            frame, rows, columns = (
                getattr(cut.panel, name),
                slice(cut.rows.start + max(begin, 0), cut.rows.stop),
                cut.columns,
            )
        else:
            return getattr(self.tail(count + MAX_GAP_SESSIONS + 1), name).to_numpy()[-count:].copy()
        values = frame.to_numpy()[rows]
        return values.copy() if columns is None else values.take(columns, axis=1)

    def _handed_on(self, name: str, derive: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """Take what the panel behind a cut has derived already: a row of it depends on that row and on earlier ones.

        The first rows are derived anew, so that they are what the panel's own prices say, whoever had asked before.
        A copy either way, which is in one memory order: that of results varies, and with it the last bit of sums.
        """
        if not (isinstance(self._frames, _Cut) and name in self._frames.panel.__dict__):
            return derive().copy()
        frame = self._frames.of(self._frames.panel.__dict__[name])
        if self._frames.rows.start > 0:
            frame.iloc[: MAX_GAP_SESSIONS + 1] = getattr(self._frames.head, name).to_numpy()
        return frame

    # -- the gate, and cuts -----------------------------------------------------------------

    def asof(self, date: str | pd.Timestamp) -> PricePanel:
        """All that was known at the close of `date`: nothing later can be reached from the result.

        Raises
        ------
        PanelError
            If the date is timezone-aware, or no date.
        InsufficientHistoryError
            If no session is at or before the date.
        """
        moment = as_moment(date)
        count = int(self.sessions.searchsorted(moment, side="right"))
        if count == 0:
            raise InsufficientHistoryError(
                f"no session at or before {moment.date()}: the panel begins on {self.sessions[0].date()}"
            )
        return self._rows(slice(0, count), moment)

    def tail(self, count: int) -> PricePanel:
        """Return the last `count` sessions (all of them if there are fewer)."""
        return self._rows(slice(max(0, len(self.sessions) - count), None), self.last_session)

    def select(self, assets: Iterable[str]) -> PricePanel:
        """Keep some of the assets; the whole panel stays behind them as `market`.

        Raises
        ------
        AssetMismatchError
            Naming the assets that the panel does not have; for none, and for one named twice.
        """
        names = list(assets)
        missing = [name for name in names if name not in self.assets]
        if missing:
            raise AssetMismatchError(f"the panel has no {_listed(missing)}; it holds {_listed(list(self.assets))}")
        if not names or len(set(names)) < len(names):
            raise AssetMismatchError(f"asked for {_listed(names) or 'no asset'}; name one or more assets, each once")
        places, frames = self.assets.get_indexer(names), self._frames
        if isinstance(frames, _Cut) and not any(name in self.__dict__ for name in DERIVED):
            columns = places if frames.columns is None else frames.columns[places]
            return self._view(_Cut(frames.panel, frames.rows, columns), self.market)
        return self._view(_Cut(self, slice(0, len(self.sessions)), places), self.market)

    def with_market(self, market: PricePanel) -> PricePanel:
        """Return the same panel with another reference universe for market-wide inputs."""
        return self._view(self._frames, market.asof(self.last_session))

    def close_only(self) -> PricePanel:
        """Return the closes alone, of the assets and of their market."""
        market = None if self._market is None else self._market.close_only()
        panel = self._view({"close": self.close}, market)
        for name in ("returns", "_previous_close"):
            if name in self.__dict__:
                panel.__dict__[name] = self.__dict__[name]
        return panel

    def with_market_assets(self) -> PricePanel:
        """Return the assets and their market in one panel: what correlations are estimated on."""
        if self._market is None:
            return self
        extra = [asset for asset in self.assets if asset not in self._market.assets]
        same = self._market.sessions.equals(self.sessions) and self._market._frames.keys() == self._frames.keys()
        if same and not extra:
            return self._market
        frames = {}
        for field, frame in self._market._frames.items():
            if field in self._frames:
                frames[field] = pd.concat([frame.reindex(self.sessions), self._frames[field][extra]], axis=1)
        return self._view(frames, self._market)

    def _rows(self, rows: slice, last: pd.Timestamp) -> PricePanel:
        begin, stop, _ = rows.indices(len(self.sessions))
        market = self._market
        if market is not None:
            first = int(market.sessions.searchsorted(self.sessions[begin]))
            end = int(market.sessions.searchsorted(last, side="right"))
            market = market._rows(slice(first, end), last)
        frames = self._frames
        if isinstance(frames, _Cut) and not any(name in self.__dict__ for name in DERIVED):
            begin, stop = frames.rows.start + begin, frames.rows.start + stop
            return self._view(_Cut(frames.panel, slice(begin, stop), frames.columns), market)
        return self._view(_Cut(self, slice(begin, stop), None), market)

    def __getstate__(self) -> dict[str, Any]:
        """Return what the panel itself holds: the panel that it was cut from stays behind."""
        known = {name: self.__dict__[name] for name in DERIVED if name in self.__dict__}
        return known | {
            "_frames": dict(self._frames),
            "_market": self._market,
            "_sessions": self._sessions.copy(deep=True),
            "_assets": self._assets,
        }

    # -- identity ---------------------------------------------------------------------------

    def fingerprint(self) -> str:
        """SHA-256 over assets, sessions, returns and variances, and those of a market: equal for equal information.

        Prices enter through scale-free numbers, so that a later split or dividend, which rescales
        every earlier adjusted price, does not change the fingerprint of the past.
        """
        digest = hashlib.sha256()
        digest.update("\n".join(map(str, self.assets)).encode())
        digest.update(self.sessions.to_numpy("datetime64[D]").astype(np.int64).tobytes())
        for frame, scale in ((self.returns, 1e6), (self.variance, 1e8)):
            digest.update(np.nan_to_num(np.round(frame.to_numpy() * scale), nan=-1.0).astype(np.int64).tobytes())
        if self._market is not None:
            digest.update(self._market.fingerprint().encode())
        return digest.hexdigest()

    def __repr__(self) -> str:
        span = f"{self.sessions[0].date()} to {self.sessions[-1].date()}"
        return f"PricePanel({len(self.assets)} assets, {len(self.sessions)} sessions, {span})"


class _Cut(Mapping[str, pd.DataFrame]):
    """Some rows and columns of a panel's frames, each copied when it is first asked for.

    Copies, so that no row beyond leads anywhere through a view's base; late, because most that are cut are
    never looked at.
    """

    def __init__(self, panel: PricePanel, rows: slice, columns: np.ndarray | None) -> None:
        self.panel, self.rows, self.columns = panel, rows, columns
        self._copies: dict[str, pd.DataFrame] = {}

    @property
    def sessions(self) -> pd.Index:
        return self.panel.sessions[self.rows]

    @property
    def assets(self) -> pd.Index:
        return self.panel.assets if self.columns is None else self.panel.assets[self.columns]

    @cached_property
    def head(self) -> PricePanel:
        """The first rows, as a panel that knows nothing of those before."""
        rows = slice(self.rows.start, min(self.rows.stop, self.rows.start + MAX_GAP_SESSIONS + 1))
        return PricePanel._view(dict(_Cut(self.panel, rows, self.columns)), None)

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Cut a frame of the panel behind."""
        return frame.iloc[self.rows].copy() if self.columns is None else frame.iloc[self.rows, self.columns].copy()

    def __getitem__(self, field: str) -> pd.DataFrame:
        if field not in self._copies:
            self._copies[field] = self.of(self.panel._frames[field])
        return self._copies[field]

    def __contains__(self, field: object) -> bool:
        return field in self.panel._frames

    def __iter__(self) -> Iterator[str]:
        return iter(self.panel._frames)

    def __len__(self) -> int:
        return len(self.panel._frames)


def as_moment(date: str | pd.Timestamp) -> pd.Timestamp:
    """Return a date as the timezone-naive timestamp that sessions are compared with.

    Raises
    ------
    PanelError
        For a timezone-aware date, and for what is no date.
    """
    try:
        moment = pd.Timestamp(date)
    except (TypeError, ValueError) as error:
        raise PanelError(f"{date!r} is not a date; pass one such as '2015-06-30'") from error
    if moment is pd.NaT:
        raise PanelError(f"{date!r} is not a date; pass one such as '2015-06-30'")
    if moment.tz is not None:
        raise PanelError(f"{date}: dates are timezone-naive here; pass {moment.tz_localize(None).date()}")
    return moment


def _listed(names: list[str], most: int = 8) -> str:
    shown = ", ".join(map(str, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _check_index(close: pd.DataFrame) -> pd.DatetimeIndex:
    if not isinstance(close, pd.DataFrame):
        raise PanelError(f"close is a {type(close).__name__}; pass a DataFrame of dates x assets")
    if close.shape[0] == 0 or close.shape[1] == 0:
        raise PanelError("the panel is empty: close has no rows or no columns")
    if not isinstance(close.index, pd.DatetimeIndex):
        raise PanelError("the index of close holds no dates; convert it with pd.to_datetime")
    if close.index.tz is not None:
        raise PanelError(f"dates are timezone-aware ({close.index.tz}); use index.tz_localize(None)")
    if close.index.hasnans:
        raise PanelError("the index of close holds a missing date (NaT); drop that row")
    if not close.index.equals(close.index.normalize()):
        odd = close.index[close.index != close.index.normalize()][0]
        raise PanelError(f"{odd} is a time of day, not a session; keep one row a session and use index.normalize()")
    if close.index.has_duplicates:
        raise PanelError(f"duplicate date {close.index[close.index.duplicated()][0].date()}; keep one row a session")
    if not close.index.is_monotonic_increasing:
        where = int(np.flatnonzero(np.diff(close.index.to_numpy()) < np.timedelta64(0))[0]) + 1
        raise PanelError(f"dates are not increasing at {close.index[where].date()}; sort the index")
    if close.columns.has_duplicates:
        raise PanelError(f"duplicate asset {close.columns[close.columns.duplicated()][0]}; keep one column an asset")
    return close.index


def _clean(field: str, frame: pd.DataFrame, index: pd.DatetimeIndex, columns: pd.Index) -> pd.DataFrame:
    """Return a float64 copy of one field, aligned with close and free of impossible values."""
    if not isinstance(frame, pd.DataFrame):
        raise PanelError(f"{field} is a {type(frame).__name__}; pass a DataFrame of dates x assets")
    if not isinstance(frame.index, pd.DatetimeIndex):
        raise PanelError(f"{field}: the index holds no dates; convert it with pd.to_datetime")
    if frame.index.tz is not None:
        raise PanelError(f"{field}: dates are timezone-aware, those of close are naive; use tz_localize(None)")
    if not frame.index.equals(index):
        odd = frame.index.symmetric_difference(index)
        first = f", first difference {odd[0]}" if len(odd) else ", same dates in another order"
        raise PanelError(f"the dates of {field} differ from those of close{first}; align the frames")
    if set(frame.columns) != set(columns) or frame.columns.has_duplicates:
        odd_assets = sorted(map(str, set(frame.columns).symmetric_difference(columns)))
        raise AssetMismatchError(f"the assets of {field} differ from those of close: {_listed(odd_assets)}")
    try:
        clean = frame[columns].astype(float).copy()
    except (TypeError, ValueError) as error:
        raise PanelError(f"{field} holds values that are not numbers: {error}") from error
    clean.index.name, clean.columns.name = "date", None
    values = clean.to_numpy()
    _refuse(np.isinf(values), clean, f"{field} is infinite")
    bad = values < 0 if field == "volume" else values <= 0
    _refuse(bad, clean, f"{field} is {'negative' if field == 'volume' else 'not positive'}")
    if field != "volume":
        _refuse((values < SMALLEST) | (values > LARGEST), clean, f"{field} is no price in any currency")
    return clean


def _check_bars(frames: Mapping[str, pd.DataFrame]) -> None:
    if "high" not in frames:
        return
    close, low, high = frames["close"], frames["low"].to_numpy(), frames["high"].to_numpy()
    _refuse(high < low, close, "high is below low")
    here = close.notna().to_numpy()
    for field in ("open", "high", "low"):
        _refuse(frames[field].isna().to_numpy() & here, close, f"{field} is missing where close is there")
        _refuse(frames[field].notna().to_numpy() & ~here, close, f"close is missing (NaN) where {field} is there")


def _refuse(bad: np.ndarray, frame: pd.DataFrame, what: str) -> None:
    if not bad.any():
        return
    row, column = (int(axis[0]) for axis in np.nonzero(bad))
    count = int(bad.sum())
    more = f" ({count} such values)" if count > 1 else ""
    raise PanelError(
        f"{frame.columns[column]} on {frame.index[row].date()}: {what}{more}; "
        "correct the bar or make it NaN in every field"
    )


def price_digest(panel: PricePanel) -> str:
    """Digest of every number of a panel and of its market, volume included, to the last bit."""
    digest = hashlib.sha256()
    for part in (panel, panel.market) if panel.market is not panel else (panel,):
        digest.update("\n".join(map(str, part.assets)).encode())
        digest.update(part.sessions.to_numpy("datetime64[D]").astype(np.int64).tobytes())
        for field in FIELDS:
            there = field in part.fields
            digest.update(part.tail_values(field, len(part.sessions)).tobytes() if there else b"none")
    return digest.hexdigest()
