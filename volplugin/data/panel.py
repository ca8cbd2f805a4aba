"""Aligned daily prices. `PricePanel.asof` returns only data known at a session's close."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from volplugin._deprecated import former_method
from volplugin.data.blocks import BlockTables
from volplugin.data.calendars import calendar_periods, check_calendar, counted_periods, has_closed, infer_calendar
from volplugin.data.checks import FIELDS, PRICES, as_moment, check_bars, check_index, clean_field, listed
from volplugin.data.variance import daily_variance
from volplugin.errors import AssetMismatchError, InsufficientHistoryError, PanelError, require_type
from volplugin.storage.reading import as_path

DERIVED = ("returns", "variance", "overnight", "_previous_close")
MAX_GAP_SESSIONS = 10
"""Sessions without a bar after which an asset counts as gone; its last forecast is used until then."""


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
    calendar : str, optional
        Exchange calendar of the sessions, by its name in `exchange_calendars`: it sets `periods_per_year`. If not
        given, both are inferred from the sessions.

    Raises
    ------
    PanelError
        For prices that cannot be used, naming the asset and the date.

    Examples
    --------
    >>> import pandas as pd
    >>> from volplugin import PricePanel
    >>> days = pd.to_datetime(["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07"])
    >>> panel = PricePanel(close=pd.DataFrame({"AAPL": [75.1, 74.4, 75.0, 74.6]}, index=days))
    >>> panel
    PricePanel(1 assets, 4 sessions, 2020-01-02 to 2020-01-07)
    >>> panel.asof("2020-01-05").last_session
    Timestamp('2020-01-03 00:00:00')
    >>> panel.returns["AAPL"].round(4).tolist()
    [nan, -0.0094, 0.008, -0.0053]
    """

    _is_reference = False

    def __init__(
        self,
        close: pd.DataFrame,
        open: pd.DataFrame | None = None,
        high: pd.DataFrame | None = None,
        low: pd.DataFrame | None = None,
        volume: pd.DataFrame | None = None,
        *,
        market: PricePanel | None = None,
        calendar: str | None = None,
    ) -> None:
        given = {"open": open, "high": high, "low": low, "close": close, "volume": volume}
        bars = [field for field in ("open", "high", "low") if given[field] is not None]
        if bars and len(bars) < 3:
            raise PanelError(f"open, high and low come together: only {', '.join(bars)} given; pass all or none")
        if calendar is not None:
            check_calendar(calendar)
        index = check_index(close)
        self._frames: dict[str, pd.DataFrame] = {
            field: clean_field(field, frame, index, close.columns)
            for field, frame in given.items()
            if frame is not None
        }
        check_bars(self._frames)
        self._fields = tuple(self._frames)
        self._sessions, self._assets = self._frames["close"].index, self._frames["close"].columns
        self._source: BlockTables | None = None
        self._columns: np.ndarray | None = None
        self._calendar = calendar
        self._market = None if market is None else self.with_market(market).market

    def _like(self, market: PricePanel | None) -> PricePanel:
        """Return a panel of the same rows and assets with another market."""
        panel = type(self).__new__(type(self))
        panel.__dict__.update(self.__dict__)
        panel._market = market
        return panel

    @classmethod
    def _of_frames(
        cls, frames: Mapping[str, pd.DataFrame], market: PricePanel | None, calendar: str | None
    ) -> PricePanel:
        """Build a panel of frames that were checked before."""
        panel = cls.__new__(cls)
        panel._frames, panel._fields, panel._market, panel._calendar = dict(frames), tuple(frames), market, calendar
        panel._sessions, panel._assets = frames["close"].index, frames["close"].columns
        panel._source, panel._columns = None, None
        return panel

    @classmethod
    def from_csv(cls, path: str | Path) -> PricePanel:
        """Read adjusted prices from one long CSV (``symbol`` column) or a folder of ``SYMBOL.csv`` files.

        Columns: ``date``, ``close`` and, if present, ``open, high, low, volume, split``; raw prices are adjusted for
        the splits.
        """
        from volplugin.data.readers import read_prices, wide_frames

        return cls(**wide_frames(read_prices(as_path(path)), path))

    @classmethod
    def from_parquet(cls, path: str | Path) -> PricePanel:
        """Read adjusted prices from one long Parquet file, with the columns of `from_csv`'s single file."""
        file = as_path(path)
        if file.is_file() and file.suffix.lower() not in (".parquet", ".pq"):
            raise PanelError(f"{file}: not a Parquet file by its name; call it {file.stem}.parquet")
        return cls.from_csv(file)

    @classmethod
    def from_frames(cls, frames: object, *, calendar: str | None = None) -> PricePanel:
        """Read adjusted prices from DataFrames: by symbol, by field, of yfinance, or one long table.

        Parameters
        ----------
        frames : DataFrame or dict of DataFrame
            See `volplugin.data.readers.read_frames` for the shapes.
        calendar : str, optional
            Exchange calendar of the sessions.
        """
        from volplugin.data.readers import read_frames, wide_frames

        return cls(**wide_frames(read_frames(frames), "frames"), calendar=calendar)

    @classmethod
    def beside(cls, panels: Iterable[PricePanel]) -> PricePanel:
        """Call `concat` (former name)."""
        warnings.warn("PricePanel.beside() is deprecated; use PricePanel.concat()", DeprecationWarning, stacklevel=2)
        return cls.concat(panels)

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
        given = [] if isinstance(panels, PricePanel) else require_type(panels, Iterable, "panels")
        each = [require_type(panel, PricePanel, "one of the panels") for panel in given]
        if not each:
            raise PanelError("no panels to put side by side; pass a list of one or more")
        names = pd.Index([asset for panel in each for asset in panel.assets])
        if names.has_duplicates:
            raise AssetMismatchError(f"{names[names.duplicated()][0]} is in two of the panels; leave it out of one")
        if len({panel.has_ranges for panel in each}) > 1:
            raise PanelError("some panels have open, high and low, and some have not; use close_only() of each")
        fields = [field for field in each[0].fields if all(field in panel.fields for panel in each)]
        calendars = {panel._calendar for panel in each}
        return cls(
            **{field: pd.concat([panel._field(field) for panel in each], axis=1).sort_index() for field in fields},
            calendar=calendars.pop() if len(calendars) == 1 else None,
        )

    # -- contents ---------------------------------------------------------------------------

    @property
    def close(self) -> pd.DataFrame:
        """Adjusted closes, sessions x assets."""
        return self._field("close")

    @property
    def open(self) -> pd.DataFrame | None:
        """Adjusted opens, or None for a close-only panel."""
        return self._field("open") if self.has_ranges else None

    @property
    def high(self) -> pd.DataFrame | None:
        """Adjusted highs, or None for a close-only panel."""
        return self._field("high") if self.has_ranges else None

    @property
    def low(self) -> pd.DataFrame | None:
        """Adjusted lows, or None for a close-only panel."""
        return self._field("low") if self.has_ranges else None

    @property
    def volume(self) -> pd.DataFrame | None:
        """Shares traded, or None."""
        return self._field("volume") if self.has_volume else None

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields in the panel, "close" among them."""
        return self._fields

    @property
    def has_ranges(self) -> bool:
        """Whether the panel has open, high and low."""
        return "high" in self._fields

    @property
    def has_volume(self) -> bool:
        """Whether the panel has volumes."""
        return "volume" in self._fields

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

    @property
    def has_reference(self) -> bool:
        """Whether `market` was given by ``market=`` or `with_market`, and is not just the source of a selection."""
        return self.market._is_reference

    @cached_property
    def calendar(self) -> str | None:
        """Name of the exchange calendar: the one given, or a common one with exactly these sessions, or None."""
        return infer_calendar(self.sessions) if self._calendar is None else self._calendar

    @cached_property
    def periods_per_year(self) -> int:
        """Sessions per year of the calendar given (252 for XNYS), otherwise counted from the sessions."""
        return counted_periods(self.sessions) if self._calendar is None else calendar_periods(self._calendar)

    @property
    def has_calendar(self) -> bool:
        """Whether a calendar was given; if not, `calendar` and `periods_per_year` are inferred."""
        return self._calendar is not None

    @cached_property
    def returns(self) -> pd.DataFrame:
        """Daily log returns over consecutive bars of each asset; NaN where a bar is missing.

        After a halt of at most `MAX_GAP_SESSIONS` sessions the return spans the gap and is the return of the
        session on which trading resumed.
        """
        return self._derive("returns", lambda: np.log(self.close / self._previous_close))

    @cached_property
    def variance(self) -> pd.DataFrame:
        """Daily variance proxy (overnight squared + Garman-Klass; squared returns for closes only)."""
        return self._derive("variance", self._daily_variance)

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
        return self._derive("overnight", lambda: np.log(opens / self._previous_close))

    @cached_property
    def _previous_close(self) -> pd.DataFrame:
        return self._derive("_previous_close", lambda: self.close.ffill(limit=MAX_GAP_SESSIONS).shift(1))

    def _daily_variance(self) -> pd.DataFrame:
        frames = {field: self._field(field).to_numpy() for field in PRICES if field in self._fields}
        values = daily_variance(self._previous_close.to_numpy(), **frames)
        return pd.DataFrame(values, index=self.sessions, columns=self.assets)

    def tail_values(self, name: str, count: int) -> np.ndarray:
        """Return the last rows of a field or derived table, without deriving or copying earlier ones.

        Parameters
        ----------
        name : str
            ``"close"``, or any other field; ``"returns"``, ``"variance"`` or ``"overnight"``.
        count : int
            Number of rows; all of them if there are fewer.

        Returns
        -------
        ndarray of shape (count, n_assets)
            A copy in C order, so that sums over it do not depend on its source.
        """
        begin = len(self.sessions) - count
        source = self._source
        if (
            name in self._frames
            or name in self.__dict__
            or source is None
            or (name in DERIVED and begin <= MAX_GAP_SESSIONS)
        ):
            # The first rows after a cut depend on where the panel begins, and are derived in full.
            return np.array(getattr(self, name).to_numpy()[max(begin, 0) :], order="C")
        if name in source:
            return source.rows(name, max(begin, 0), self._columns)
        return getattr(self.tail(count + MAX_GAP_SESSIONS + 1), name).to_numpy()[-count:].copy()

    def _field(self, field: str) -> pd.DataFrame:
        if field not in self._frames and self._source is not None:
            values = self._source.whole(field, self._columns)
            self._frames[field] = pd.DataFrame(values, self.sessions, self.assets, copy=False)
        return self._frames[field]

    def _derive(self, name: str, derive: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """Take a derived table from the panel's source, or derive it.

        A row depends on itself and earlier rows only, so rows derived before a cut are right after it, but for the
        first ones after a cut at the beginning: the panel's own prices alone decide them. The result is a copy, in
        one memory order, because the order of operations on it decides the last bit of sums.
        """
        if self._source is None or name not in self._source:
            return derive().copy()
        frame = pd.DataFrame(self._source.whole(name, self._columns), self.sessions, self.assets, copy=False)
        if self._source.begins_late(name):
            rows = slice(0, MAX_GAP_SESSIONS + 1)
            head = {field: self._field(field).iloc[rows] for field in self._fields}
            frame.iloc[rows] = getattr(self._of_frames(head, None, None), name).to_numpy()
        return frame

    # -- cuts -------------------------------------------------------------------------------

    def asof(self, date: str | pd.Timestamp) -> PricePanel:
        """Return all data known at the close of `date`. No later row can be reached from the result.

        A date with a time of day includes that day's session only if the session has closed by then, in the
        exchange's local time; if the calendar is not known, a session closes at midnight.

        Raises
        ------
        PanelError
            If the date is timezone-aware, a number, or no date.
        InsufficientHistoryError
            If no session is at or before the date.
        """
        moment = as_moment(date)
        day = moment.normalize()
        side = "right" if day == moment or (day in self.sessions and has_closed(self.calendar, moment)) else "left"
        count = int(self.sessions.searchsorted(day, side=cast(Any, side)))
        if count == 0:
            raise InsufficientHistoryError(
                f"no session at or before {moment if moment != day else moment.date()}: "
                f"the panel begins on {self.sessions[0].date()}"
            )
        return self._rows(0, count, pd.Timestamp(self.sessions[count - 1]))

    def tail(self, count: int) -> PricePanel:
        """Return the last `count` sessions (all of them if there are fewer), 1 or more."""
        if not isinstance(count, Integral) or count < 1:
            raise PanelError(f"the last {count} sessions are no panel; pass a whole number, 1 or more")
        return self._rows(max(0, len(self.sessions) - count), len(self.sessions), self.last_session)

    def select(self, assets: Iterable[str]) -> PricePanel:
        """Return some of the assets, with the whole panel as their `market`.

        Raises
        ------
        AssetMismatchError
            Naming the assets that the panel does not have; for none, and for one named twice.
        """
        names = list(require_type(assets, Iterable, "assets"))
        unhashable = next((name for name in names if not isinstance(name, Hashable)), None)
        if unhashable is not None:
            raise AssetMismatchError(f"{unhashable!r} is not the label of an asset; pass a list of labels")
        missing = [name for name in names if name not in self.assets]
        if missing:
            raise AssetMismatchError(
                f"the panel has no {listed(missing)}; it holds {listed(list(self.assets))}{_hint(missing, self.assets)}"
            )
        if not names or len(set(names)) < len(names):
            raise AssetMismatchError(f"requested {listed(names) or 'no asset'}; name one or more assets, each once")
        places = self.assets.get_indexer(names)
        panel = self._view(self._sourced(), self._sessions, self.market)
        panel._columns = places if self._columns is None else self._columns[places]
        panel._assets = self.assets[places]
        return panel

    def with_market(self, market: PricePanel) -> PricePanel:
        """Return the same panel with another reference universe for market-wide inputs."""
        known = require_type(market, PricePanel, "market").asof(self.last_session)._like(None)
        known._is_reference = True
        return self._like(known)

    closes = former_method("PricePanel.closes", "close_only")

    def close_only(self) -> PricePanel:
        """Return the closes alone, of the assets and of their market."""
        market = None if self._market is None else self._market.close_only()
        panel = self._of_frames({"close": self.close}, market, self._calendar)
        panel._is_reference = self._is_reference
        for name in ("returns", "_previous_close"):
            if name in self.__dict__:
                panel.__dict__[name] = self.__dict__[name]
        return panel

    def with_market_assets(self) -> PricePanel:
        """Return the assets and their market in one panel, on which correlations are estimated."""
        if self._market is None:
            return self
        extra = [asset for asset in self.assets if asset not in self._market.assets]
        same = self._market.sessions.equals(self.sessions) and self._market.fields == self.fields
        if same and not extra:
            return self._market
        frames = {}
        for field in self._market.fields:
            if field in self.fields:
                table = self._market._field(field).reindex(self.sessions)
                frames[field] = pd.concat([table, self._field(field)[extra]], axis=1)
        return self._of_frames(frames, self._market, self._calendar)

    def _rows(self, begin: int, stop: int, last: pd.Timestamp) -> PricePanel:
        market = self._market
        if market is not None:
            first = int(market.sessions.searchsorted(self.sessions[begin]))
            market = market._rows(first, int(market.sessions.searchsorted(last, side="right")), last)
        # A copy: a slice of an index refers to all of its dates.
        sessions = pd.DatetimeIndex(self._sessions.to_numpy()[begin:stop].copy(), name=self._sessions.name)
        return self._view(self._sourced().cut(begin, stop), sessions, market)

    def _view(self, source: BlockTables, sessions: pd.Index, market: PricePanel | None) -> PricePanel:
        """Return a panel of a source's rows, whose frames are built on first access."""
        panel = type(self).__new__(type(self))
        panel._frames, panel._fields, panel._market, panel._calendar = {}, self._fields, market, self._calendar
        panel._sessions, panel._assets, panel._source, panel._columns = sessions, self._assets, source, self._columns
        panel._is_reference = self._is_reference
        return panel

    def _sourced(self) -> BlockTables:
        """Return the panel's tables in blocks, together with the tables derived so far."""
        derived = [name for name in DERIVED if name in self.__dict__]
        source = self._source
        known = source is not None and all(name in source and not source.begins_late(name) for name in derived)
        if source is None or (self._columns is not None and not known):
            fields = {field: self._field(field) for field in self._fields}
            self._source = source = BlockTables.by_quarter(self.sessions)
            self._columns = None
            for field, frame in fields.items():
                source.put(field, frame.to_numpy())
        for name in () if known else derived:
            source.put(name, self.__dict__[name].to_numpy())
        return source

    def __getstate__(self) -> dict[str, Any]:
        """Return the frames of the panel and its market, without the source they were cut from."""
        derived = {name: self.__dict__[name] for name in DERIVED if name in self.__dict__}
        return derived | {
            "_frames": {field: self._field(field) for field in self._fields},
            "_fields": self._fields,
            "_market": self._market,
            "_sessions": self._sessions.copy(deep=True),
            "_assets": self._assets,
            "_calendar": self._calendar,
            "_source": None,
            "_columns": None,
            "_is_reference": self._is_reference,
        }

    # -- identity ---------------------------------------------------------------------------

    def fingerprint(self) -> str:
        """SHA-256 over assets, sessions, returns and variances, of the panel and of its market.

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


def _hint(missing: list[Any], assets: pd.Index) -> str:
    """Return a hint where a label differs from an asset's name by its type alone."""
    first = missing[0]
    found = next((asset for asset in assets if str(asset) == str(first)), None)
    if found is None:
        return ""
    return f"; {first!r} is a {type(first).__name__}, the panel's label {found!r} a {type(found).__name__}"


def price_digest(panel: PricePanel) -> str:
    """Digest of every number of a panel and of its market, volume included, to the last bit."""
    digest = hashlib.sha256(b"reference" if panel.has_reference else b"")
    for part in (panel, panel.market) if panel.market is not panel else (panel,):
        digest.update("\n".join(map(str, part.assets)).encode())
        digest.update(part.sessions.to_numpy("datetime64[D]").astype(np.int64).tobytes())
        for field in FIELDS:
            there = field in part.fields
            digest.update(part._sourced().digest(field, part._columns) if there else b"none")
    return digest.hexdigest()
