"""Copies of ingested bundles with another future, in a ``ZIPLINE_ROOT`` of their own."""

from __future__ import annotations

import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from zipline.data.bcolz_daily_bars import BcolzDailyBarReader, BcolzDailyBarWriter
from zipline.utils.calendar_utils import get_calendar
from zipline.utils.paths import default_extension

from volplugin.adapters.zipline.audit.scramble import Future, other_future
from volplugin.adapters.zipline.bundles import newest_ingestion
from volplugin.data.panel import FIELDS
from volplugin.storage.atomic import is_abandoned, owner

EARLY_ENDS = 0.5
"""Chance of a listed asset to be delisted early in a copy; the others are delisted in the mirrored one."""

PREFIX = "volplugin-audit"
"""Of the names of temporary folders; the process that made one follows."""

COPIED = re.compile(r"minute_equities\.bcolz|adjustments\.sqlite|assets-\d+\.sqlite|volplugin\.json")
"""Files of an ingestion that a copy takes over; others could hold the true future."""

EVENTS = {
    "splits": "effective_date",
    "mergers": "effective_date",
    "dividends": "effective_date",
    "dividend_payouts": "ex_date",
    "stock_dividend_payouts": "ex_date",
}
"""Tables of a bundle's adjustments, and the column of the session that they are of."""


@contextmanager
def scrambled_root(
    bundles: Iterable[str], environ: Mapping[str, str], cut: pd.Timestamp | None, seed: int, *, mirrored: bool = False
) -> Iterator[str]:
    """Make a ``ZIPLINE_ROOT`` with copies of bundles whose future, from `cut` on, is another.

    Prices, volumes, splits, dividends and delistings are replaced; the calendar, the assets, their listings
    and everything before `cut` are not. What takes effect on the morning of `cut` stays. The folder is
    deleted after the block.

    Parameters
    ----------
    bundles : iterable of str
        Ingested bundles; each newest ingestion is copied.
    environ : mapping
        Whose ``ZIPLINE_ROOT`` holds them.
    cut : Timestamp, optional
        Nothing is replaced without it.
    seed : int
        Of the other future.
    mirrored : bool, default False
        With every replaced return the other way round.
    """
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}-root-{owner()}-") as folder:
        extension = Path(default_extension(environ)).absolute()
        if extension.exists():
            shutil.copyfile(extension, Path(folder, "extension.py"))
        for number, name in enumerate(bundles):
            source = newest_ingestion(name, environ)
            target = Path(folder, "data", name, source.name)
            _copy(source, target, cut, (seed, number), mirrored)
        yield folder


def remove_abandoned_folders() -> None:
    """Remove the temporary folders of audits that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}-*-*"):
        if is_abandoned(folder, folder.name.split("-", 3)[-1]):
            shutil.rmtree(folder, ignore_errors=True)


def _copy(source: Path, target: Path, cut: pd.Timestamp | None, seed: tuple[int, int], mirrored: bool) -> None:
    def left_out(folder: str, names: list[str]) -> list[str]:
        """List the files that the copy leaves out: bars, daily and minute, and files that zipline does not write."""
        # Minute bars of the future would be the true ones: leave the folder empty, because zipline opens it.
        if Path(folder).name == "minute_equities.bcolz":
            return [name for name in names if name != "metadata.json"]
        return [name for name in names if Path(folder) == source and not COPIED.fullmatch(name)]

    shutil.copytree(source, target, ignore=left_out)
    reader = BcolzDailyBarReader(str(source / "daily_equities.bcolz"))
    with closing(sqlite3.connect(target / "adjustments.sqlite")) as adjustments:
        futures = _Futures(reader, adjustments, cut, seed, mirrored)
        calendar = get_calendar(reader.trading_calendar.name)
        writer = BcolzDailyBarWriter(
            str(target / "daily_equities.bcolz"), calendar, reader.sessions[0], reader.sessions[-1]
        )
        writer.write(futures.tables(), invalid_data_behavior="raise")
        if cut is not None:
            _replace_events(adjustments, cut, futures)
    for database in target.glob("assets-*.sqlite"):
        with closing(sqlite3.connect(database)) as assets:
            _end_early(assets, futures.ends)


class _Futures:
    """The assets of a bundle, one after the other, each with its other future."""

    def __init__(
        self,
        reader: BcolzDailyBarReader,
        adjustments: sqlite3.Connection,
        cut: pd.Timestamp | None,
        seed: tuple[int, int],
        mirrored: bool,
    ) -> None:
        self.sessions = pd.DatetimeIndex(reader.sessions)
        self.sids = [int(sid) for sid in reader._first_rows]  # noqa: SLF001 - in no public attribute
        self.splits: list[tuple[int, int, float]] = []
        self.dividends: list[tuple[int, int, float, float]] = []
        self.ends: dict[int, pd.Timestamp] = {}
        lengths = {sid: reader._last_rows[sid] - reader._first_rows[sid] for sid in self.sids}
        last = {sid: reader._calendar_offsets[sid] + length for sid, length in lengths.items()}
        longest = [sid for sid in self.sids if last[sid] == max(last.values())]
        self._survivor = longest[-1 if mirrored else 0]  # so that the bundle ends where it did
        self._reader, self._adjustments, self._seed, self._mirrored = reader, adjustments, seed, mirrored
        self._cut = len(self.sessions) if cut is None else int(self.sessions.searchsorted(cut))

    def tables(self) -> Iterator[tuple[int, pd.DataFrame]]:
        """Give every asset's bars, as zipline's writer takes them, and keep what happens to it."""
        for sid in self.sids:
            bars = np.column_stack(
                [values[:, 0] for values in self._reader.load_raw_arrays(FIELDS, *self.sessions[[0, -1]], [sid])]
            )
            rows = np.flatnonzero(np.isfinite(bars[:, 3]))
            if len(rows) == 0:
                continue
            begin, end = int(rows[0]), int(rows[-1]) + 1
            rng = np.random.default_rng([*self._seed, sid])
            drawn = (rng.random() < EARLY_ENDS) != self._mirrored
            early = drawn and sid != self._survivor and begin < self._cut < end
            future = self._future(sid, bars[begin:end], begin, rng, early)
            if len(future.bars) < end - begin:
                self.ends[sid] = self.sessions[begin + len(future.bars) - 1]
            self._keep(sid, begin, future)
            index = self.sessions[begin : begin + len(future.bars)]
            yield sid, pd.DataFrame(np.nan_to_num(future.bars), index=index, columns=list(FIELDS))

    def _future(self, sid: int, bars: np.ndarray, begin: int, rng: np.random.Generator, early: bool) -> Future:
        if self._cut >= begin + len(bars):
            return Future(bars)
        first = max(self._cut - begin, 0)
        dividends = max(len(self._events("dividend_payouts", sid, after=True)), 1)
        morning = self._morning(sid)
        return other_future(bars, first, morning, dividends, rng, delist=early, mirrored=self._mirrored)

    def _morning(self, sid: int) -> float:
        ratios = [ratio for table in ("splits", "mergers", "dividends") for ratio in self._events(table, sid)]
        return float(np.prod(ratios))

    def _events(self, table: str, sid: int, *, after: bool = False) -> list[float]:
        """Ratios of what takes effect on the morning of the cut, or one number for each event after it."""
        last = seconds(self.sessions[self._cut])
        begin, end = (last, 2**62) if after else (seconds(self.sessions[self._cut - 1]), last)
        column = "amount" if table == "dividend_payouts" else "ratio"
        query = f"select {column} from {table} where sid = ? and {EVENTS[table]} > ? and {EVENTS[table]} <= ?"
        return [value for (value,) in self._adjustments.execute(query, (sid, begin, end))]

    def _keep(self, sid: int, begin: int, future: Future) -> None:
        at = [seconds(session) for session in self.sessions[begin : begin + len(future.bars)]]
        self.splits += [(sid, at[row], ratio) for row, ratio in future.splits]
        self.dividends += [(sid, at[row], amount, ratio) for row, amount, ratio in future.dividends]


def _replace_events(adjustments: sqlite3.Connection, cut: pd.Timestamp, futures: _Futures) -> None:
    for table, column in EVENTS.items():
        adjustments.execute(f"delete from {table} where {column} > ?", (seconds(cut),))
    ratios = [(sid, at, ratio) for sid, at, _, ratio in futures.dividends]
    for table, rows in (("splits", futures.splits), ("dividends", ratios)):
        adjustments.executemany(f"insert into {table} (sid, effective_date, ratio) values (?, ?, ?)", rows)
    columns = "sid, amount, ex_date, declared_date, record_date, pay_date"
    adjustments.executemany(
        f"insert into dividend_payouts ({columns}) values (?, ?, ?, ?, ?, ?)",
        [(sid, amount, at, at, at, at) for sid, at, amount, _ in futures.dividends],
    )
    adjustments.commit()


def _end_early(assets: sqlite3.Connection, ends: Mapping[int, pd.Timestamp]) -> None:
    """Have assets end on other sessions; a position in one is closed the day after, as in our own bundles."""
    days = [(end.value, (end + pd.Timedelta(days=1)).value, sid) for sid, end in ends.items()]
    assets.executemany("update equities set end_date = ?, auto_close_date = ? where sid = ?", days)
    mapped = [(end, sid) for end, _, sid in days]
    assets.executemany("update equity_symbol_mappings set end_date = ? where sid = ?", mapped)
    assets.commit()


def seconds(session: pd.Timestamp) -> int:
    """Seconds since 1970, as zipline dates its adjustments."""
    return session.value // 10**9
