"""Prices from files and frames: a folder of one file per symbol, one long file, or DataFrames.

Every reader uses the rules of `volplugin.data.tables`, and reports all problems of its source at once.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from volplugin.data.checks import FIELDS, PRICES, listed
from volplugin.data.tables import (
    NUMBERS,
    is_csv,
    is_parquet,
    meaning_of,
    named_columns,
    read_dates,
    read_numbers,
    read_symbols,
    read_table,
    symbol_of,
)
from volplugin.errors import PanelError, VolpluginError

logger = logging.getLogger("volplugin")

UNREAD = re.compile(
    r"\.(tsv|xls[xmb]?|ods|feather|arrow|orc|avro|h5|hdf5?|zip|gz|bz2|xz|zst|7z|tar|pkl|pickle|dta|dat|(csv|parquet|pq)\.\w+)$"
    r"(?<!\.csv\.gz)",
    re.IGNORECASE,
)
"""Names of files that hold prices in a form that is not read."""
MOST_SHOWN = 40
"""Problems that one error message lists."""


@dataclass
class PriceTables:
    """Bars by symbol as a source has them, and notes on unused data.

    Attributes
    ----------
    bars : dict of DataFrame
        By symbol: columns among open, high, low, close, volume, adjusted_close, dividend and split, with increasing
        dates as index.
    notes : list of str
        Ignored columns and files.
    """

    bars: dict[str, pd.DataFrame]
    notes: list[str] = field(default_factory=list)


def collect(
    names: Iterable[str], work: Callable[[str], None], where: object, error: type[VolpluginError] = PanelError
) -> None:
    """Call a function per name, and raise all the problems it raised in one error.

    Raises
    ------
    PanelError, or the error given
        With one line per problem. A single problem is raised directly.
    """
    problems: list[VolpluginError] = []
    for name in names:
        try:
            work(name)
        except VolpluginError as problem:
            problems.append(problem)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise error(f"{where}: {len(problems)} problems\n{problem_table(problems)}")


def check_case(symbols: Iterable[str], where: object) -> None:
    """Raise PanelError for symbols that differ in case alone, which zipline compares in capitals."""
    capitals: dict[str, str] = {}
    for symbol in symbols:
        other = capitals.setdefault(symbol.upper(), symbol)
        if other != symbol:
            raise PanelError(f"{where}: {other} and {symbol} differ in case alone, and zipline does not; rename one")


def problem_table(problems: list[VolpluginError]) -> str:
    """Return problems one per line, at most `MOST_SHOWN` of them."""
    lines = [f"  {line}" for problem in problems[:MOST_SHOWN] for line in str(problem).splitlines()]
    more = len(problems) - MOST_SHOWN
    return "\n".join([*lines, *([f"  and {more} more"] if more > 0 else [])])


def read_prices(path: Path, time_zone: str | None = None) -> PriceTables:
    """Read a folder of ``SYMBOL.csv`` or ``SYMBOL.parquet`` files, or one long file with a column ``symbol``.

    Parameters
    ----------
    path : Path
    time_zone : str, optional
        Time zone of the exchange, needed for times in UTC.

    Raises
    ------
    PanelError
        With every problem of every file.
    """
    if path.is_dir():
        return _read_folder(path, time_zone)
    if not path.exists():
        raise PanelError(f"{path}: no such file or folder")
    return split_symbols(read_table(path), str(path), time_zone)


def _read_folder(folder: Path, time_zone: str | None) -> PriceTables:
    place = folder / "daily" if (folder / "daily").is_dir() else folder
    beside = [file.name for file in folder.iterdir() if place != folder and (is_csv(file) or is_parquet(file))]
    if beside:
        raise PanelError(
            f"{folder}: prices are in daily/, and {listed(sorted(beside))} beside it; keep them in one place"
        )
    files, others = _files(place)
    tables = _read_each(files, lambda symbol: (read_table(files[symbol]), str(files[symbol])), folder, time_zone)
    tables.notes += [f"{listed(others)}: not price files, ignored"] if others else []
    return tables


def _files(place: Path) -> tuple[dict[str, Path], list[str]]:
    found = sorted(file for file in place.iterdir() if file.is_file() and not file.name.startswith("."))
    prices = [file for file in found if is_csv(file) or is_parquet(file)]
    strange = [file.name for file in found if UNREAD.search(file.name) or _looks_like_prices(file)]
    strange += [f"{child.name}/" for child in place.iterdir() if child.is_dir() and any(map(is_csv, child.iterdir()))]
    if strange:
        raise PanelError(f"{place}: {listed(strange)} cannot be read; write .csv or .parquet, or move the file away")
    if not prices:
        raise PanelError(f"{place}: the folder holds no CSV files; name one per symbol, such as AAPL.csv")
    files: dict[str, Path] = {}

    def add(name: str) -> None:
        """Add one file under its symbol."""
        file = place / name
        symbol = symbol_of(file)
        if symbol == "":
            raise PanelError(f"{file}: the name of the file has no symbol; call it such as AAPL.csv")
        if symbol in files:
            raise PanelError(f"{symbol}: both {files[symbol].name} and {file.name} are there; keep one")
        files[symbol] = file

    collect([file.name for file in prices], add, place)
    return files, [file.name for file in found if file not in prices]


def _looks_like_prices(file: Path) -> bool:
    """Whether a file of text that is not read, such as AAPL.txt or AAPL.json, begins with dates and closes."""
    if is_csv(file) or is_parquet(file):
        return False
    with file.open("rb") as content:
        head = content.readline(4096).lower()
        head += content.read(4096).lower() if head[:1] in b"[{" else b""
    return b"close" in head and (b"date" in head or b"time" in head) and (b"," in head or b"\t" in head)


def read_bars(path: Path) -> pd.DataFrame:
    """Read the bars of one file with columns such as ``date, close``; raises PanelError as `read_prices` does."""
    return _read_one(read_table(path), str(path), None)[0]


def _read_one(table: pd.DataFrame, where: str, time_zone: str | None) -> tuple[pd.DataFrame, list[str]]:
    """Read the bars of one symbol; a column ``symbol`` with one value is allowed."""
    table = _flat_yahoo(table)
    bars, ignored = _named_prices(table, where)
    if "symbol" in bars:
        if bars["symbol"].nunique() > 1:
            raise PanelError(
                f"{where}: holds {listed(list(bars['symbol'].unique()))}; pass this file alone, or one file per symbol"
            )
        bars = bars.drop(columns="symbol")
    return _bars(bars, where, time_zone, _closes_adjusted(table)), ignored


def split_symbols(table: pd.DataFrame, where: str, time_zone: str | None = None) -> PriceTables:
    """Read one long table with a column ``symbol``.

    Raises
    ------
    PanelError
        With every problem of every symbol.
    """
    known, ignored = _named_prices(table, where)
    if "symbol" not in known:
        raise PanelError(f"{where}: no column 'symbol'; a single file holds many assets, one row per asset and date")
    if known.empty:
        raise PanelError(f"{where}: no rows")
    known = known.assign(symbol=read_symbols(known["symbol"], where))
    known = known.assign(date=read_dates(known["date"], where, time_zone))
    tables = PriceTables({}, [f"column {column!r} is ignored" for column in ignored])
    groups = dict(iter(known.groupby("symbol", sort=True)))
    check_case(groups, where)
    closes_adjusted = _closes_adjusted(table)

    def read(symbol: str) -> None:
        tables.bars[symbol] = _bars(groups[symbol], where, time_zone, closes_adjusted, symbol)

    collect(groups, read, where)
    return tables


def _named_prices(table: pd.DataFrame, where: str) -> tuple[pd.DataFrame, list[str]]:
    """Name the columns as `named_columns` does; dates and a close or an adjusted close are required."""
    close = "adjusted_close" if "adjusted_close" in map(meaning_of, table.columns) else "close"
    return named_columns(table, where, ["date", close])


def _closes_adjusted(table: pd.DataFrame) -> bool:
    """Whether a table has the columns of yfinance's default, whose closes are adjusted for dividends and splits.

    With ``auto_adjust=False`` there is a column ``Adj Close`` too.
    """
    names = {re.sub("[^a-z]", "", str(column).lower()) for column in table.columns}
    return names >= {"dividends", "stocksplits"} and "adjusted_close" not in map(meaning_of, names)


def _bars(
    table: pd.DataFrame, where: str, time_zone: str | None, closes_adjusted: bool, symbol: str | None = None
) -> pd.DataFrame:
    """Return increasing bars by date, after reading dates and numbers."""
    if table.empty:
        raise PanelError(f"{where}: no rows")
    numbers = read_numbers(table, [name for name in NUMBERS if name in table], where)
    if not any(numbers[name].notna().any() for name in ("close", "adjusted_close") if name in numbers):
        raise PanelError(f"{where}{'' if symbol is None else f': {symbol}'}: no close in any row; leave the symbol out")
    dates = read_dates(table["date"], where, time_zone)
    twice = dates.duplicated()
    if twice.any():
        name = symbol_of(Path(where)) if symbol is None else symbol
        day = dates[twice].iloc[0].date()
        raise PanelError(f"{name} on {day}: duplicate date in {where}; keep one row per session, a whole day's bar")
    bars = pd.DataFrame({**numbers, "date": dates}).set_index("date").sort_index()
    split = given_splits(bars)
    if closes_adjusted and ((split == 1.0).all() or splits_applied(bars["close"], split)):
        bars["adjusted_close"] = bars["close"]
    return bars


def _flat_yahoo(table: pd.DataFrame) -> pd.DataFrame:
    """Return the plain form of a file that yfinance wrote of one symbol, with three lines of header."""
    first = table.columns[0] if len(table.columns) else None
    if first != "Price" or len(table) < 2 or str(table.iloc[0, 0]) != "Ticker" or str(table.iloc[1, 0]) != "Date":
        return table
    if table.iloc[0, 1:].nunique() > 1:
        raise PanelError("a file of yfinance with several tickers; write it with data.stack(level=1) as one long file")
    return table.iloc[2:].rename(columns={"Price": "Date"}).reset_index(drop=True)


def read_frames(frames: object, where: str = "frames", time_zone: str | None = None) -> PriceTables:
    """Read prices from DataFrames in any of four shapes.

    - a dict of DataFrames by symbol, each with the columns of a price file and dates as index or column
    - a dict of wide DataFrames (dates x assets) by field, ``{"close": ..., "open": ...}``
    - a DataFrame with two levels of columns, field and symbol in either order, as yfinance returns
    - one long DataFrame with a column ``symbol``

    Raises
    ------
    PanelError
        With every problem of every symbol, or the shapes that are known.
    """
    if isinstance(frames, pd.DataFrame):
        if isinstance(frames.columns, pd.MultiIndex):
            return _read_each_frame(_by_symbol(frames, where), where, time_zone)
        long = frames if isinstance(frames.index, pd.RangeIndex) else frames.reset_index()
        return split_symbols(long, where, time_zone)
    if isinstance(frames, dict) and frames and all(isinstance(frame, pd.DataFrame) for frame in frames.values()):
        names = {str(name).strip().lower() for name in frames}
        if names <= {*NUMBERS}:
            wide = pd.concat({str(name).strip().lower(): frame for name, frame in frames.items()}, axis=1)
            return _read_each_frame(_by_symbol(wide, where), where, time_zone)
        return _read_each_frame({str(name): frame for name, frame in frames.items()}, where, time_zone)
    raise PanelError(
        f"{where}: a {type(frames).__name__}; pass DataFrames by symbol, wide DataFrames by field, "
        "a DataFrame of yfinance, or a long DataFrame with a column symbol"
    )


def _by_symbol(frame: pd.DataFrame, where: str) -> dict[str, pd.DataFrame]:
    """Split a frame with two levels of columns, whichever level holds the fields."""
    if frame.columns.nlevels != 2:
        raise PanelError(f"{where}: the columns have {frame.columns.nlevels} levels; keep field and symbol")
    levels = [all(meaning_of(name) for name in frame.columns.get_level_values(level).unique()) for level in (0, 1)]
    if not any(levels):
        first, second = (list(frame.columns.get_level_values(level).unique()) for level in (0, 1))
        raise PanelError(f"{where}: neither level of the columns holds fields: {listed(first)}; {listed(second)}")
    of_symbols = 1 if levels[0] else 0
    symbols = frame.columns.get_level_values(of_symbols).unique()
    return {str(symbol): frame.xs(symbol, axis=1, level=of_symbols) for symbol in symbols}


def _read_each_frame(frames: dict[str, pd.DataFrame], where: str, time_zone: str | None) -> PriceTables:
    def dated(symbol: str) -> tuple[pd.DataFrame, str]:
        frame = frames[symbol]
        if "date" not in {str(column).strip().lower() for column in frame.columns}:
            frame = frame.rename_axis("date").reset_index()
        # Wide frames hold the dates of all symbols: rows without any value belong to other symbols.
        values = [column for column in frame.columns if str(column).strip().lower() != "date"]
        return frame[frame[values].notna().any(axis=1)], f"{where}: {symbol}"

    return _read_each(frames, dated, where, time_zone)


def _read_each(
    symbols: Iterable[str], table_of: Callable[[str], tuple[pd.DataFrame, str]], where: object, time_zone: str | None
) -> PriceTables:
    """Read a table per symbol, and note its unknown columns; `table_of` returns the table and its name."""
    tables, ignored = PriceTables({}), dict[str, list[str]]()
    check_case(symbols, where)

    def read(symbol: str) -> None:
        tables.bars[symbol], unknown = _read_one(*table_of(symbol), time_zone)
        for column in unknown:
            ignored.setdefault(column, []).append(symbol)

    collect(symbols, read, where)
    tables.notes += [f"column {column!r} is ignored ({listed(names)})" for column, names in ignored.items()]
    return tables


def wide_frames(tables: PriceTables, where: object) -> dict[str, pd.DataFrame]:
    """Return adjusted prices by field, sessions x assets, as `PricePanel` takes them.

    Prices are taken as adjusted for dividends, and for splits unless they move by them. A column of adjusted closes is
    used instead: the bar is scaled by adjusted close over close. Dividends are not applied, and a logged warning names
    them.
    """
    for note in tables.notes:
        logger.warning("%s: %s", where, note)
    unadjusted = {name: bars for name, bars in tables.bars.items() if "adjusted_close" not in bars}
    paid = [name for name, bars in unadjusted.items() if bars.get("dividend", pd.Series(0.0)).fillna(0.0).any()]
    if paid:
        text = "%s: dividends are not applied (%s): prices are taken as adjusted; `volplugin ingest` adjusts raw ones"
        logger.warning(text, where, listed(paid))
    each = {symbol: adjusted_bars(bars) for symbol, bars in tables.bars.items()}
    present = [name for name in FIELDS if any(name in bars for bars in each.values())]
    columns = {name: {symbol: bars[name] for symbol, bars in each.items() if name in bars} for name in present}
    close = pd.DataFrame(columns["close"]).sort_index()
    wide = {name: pd.DataFrame(columns[name]).reindex(close.index, columns=close.columns) for name in present}
    return {name: frame.rename_axis(index="date", columns=None) for name, frame in wide.items()}


def adjusted_bars(bars: pd.DataFrame) -> pd.DataFrame:
    """Return bars scaled by adjusted close over close; without adjusted closes, by the splits of raw prices."""
    if "close" not in bars:
        return bars.rename(columns={"adjusted_close": "close"})
    split = given_splits(bars)
    shares = split.cumprod() / split.prod()  # one at the last row, as vendors adjust
    scale = {name: shares for name in PRICES} | {"volume": 1 / shares}
    if "adjusted_close" in bars:
        scale = dict.fromkeys(PRICES, bars["adjusted_close"] / bars["close"])
    elif (split == 1.0).all() or splits_applied(bars["close"], split):
        return bars
    return bars.assign(**{name: bars[name] * factor for name, factor in scale.items() if name in bars})


def given_splits(bars: pd.DataFrame) -> pd.Series:
    """Return new shares for one old by date, one without a split."""
    return bars.get("split", pd.Series(1.0, bars.index)).fillna(1.0).replace(0.0, 1.0)


def splits_applied(close: pd.Series, split: pd.Series) -> bool:
    """Whether prices do not move by their splits, and so are adjusted for them.

    Yahoo's closes are adjusted for splits; exchanges' and csvdir's are not. Over all splits, log price changes near
    zero mean adjusted, and changes near the log ratio mean raw.
    """
    close = close.where(close > 0)  # other prices are refused later
    before = np.log(close.ffill().shift(1) / close)
    happened = (split > 0) & (split != 1) & before.notna()
    moves, ratios = before[happened].to_numpy(), np.log(split[happened].to_numpy())
    return bool(np.abs(moves).sum() < 0.5 * np.abs(moves - ratios).sum())
