"""Precomputed forecasts in Pipeline: a data set and its point-in-time loader.

A forecast made at the close of session t is known on the morning of t+1, and Pipeline returns it then.
zipline's own ``DataFrameLoader`` returns the row of t on t, one session too early.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from zipline.lib.adjusted_array import AdjustedArray
from zipline.pipeline.data import Column, DataSet
from zipline.pipeline.loaders.base import PipelineLoader

from volplugin.adapters.zipline.sessions import running_algorithm
from volplugin.data.checks import as_floats
from volplugin.data.tables import read_long
from volplugin.errors import AssetMismatchError, InsufficientHistoryError, PanelError, ParameterError, require_type
from volplugin.storage.reading import as_path


class _Loaders(dict[Any, PipelineLoader]):
    """Loaders by column; a column that Pipeline has specialized to the run's market has the same loader."""

    def __missing__(self, column: Any) -> PipelineLoader:
        if column.unspecialize() not in self:
            raise KeyError(column)
        return self[column.unspecialize()]


class PrecomputedForecasts(PipelineLoader):
    """Tables of forecasts as Pipeline columns.

        forecasts = PrecomputedForecasts(volatility=walk.predict_path(panel, start, end))

        def initialize(context):
            forecasts.attach(context)                        # works under ``zipline run`` too
            attach_pipeline(Pipeline({"volatility": forecasts.dataset.volatility.latest}), "risk")

    From Python, ``run_algorithm(custom_loader=forecasts.custom_loader)`` does instead of `attach`.

    Parameters
    ----------
    max_age : int, default 0
        Sessions for which a forecast stays in force if none follows: 0 for a table with one row per session, about
        21 for one row per month.
    **tables : DataFrame of shape (n_sessions, n_assets)
        By column name. Rows are labelled with the last session that was used (the `asof`), timezone-naive;
        columns with symbols. NaN where there is no forecast.

    Raises
    ------
    ParameterError
        Without a table, or for an age below zero.
    PanelError
        If the index is not of increasing, timezone-naive dates.
    """

    def __init__(self, *, max_age: int = 0, **tables: pd.DataFrame) -> None:
        if not tables:
            raise ParameterError("no forecasts: pass tables by name, such as volatility=walk.predict_path(...)")
        if not isinstance(max_age, int | np.integer) or max_age < 0:
            raise ParameterError(f"max_age is {max_age}; pass a number of sessions, 0 for the row of the session alone")
        odd = next((name for name in tables if hasattr(DataSet, name) or not name), None)
        if odd is not None:
            raise ParameterError(f"no forecast can be called {odd!r}, a name that Pipeline uses; rename the column")
        self.max_age = max_age
        self.tables = {name: _checked(name, table) for name, table in tables.items()}
        columns: dict[str, Any] = {name: Column(np.float64, missing_value=np.nan) for name in tables}
        self.dataset: Any = type("Forecasts", (DataSet,), columns)

    @classmethod
    def from_file(cls, path: str | Path, *, max_age: int = 0) -> PrecomputedForecasts:
        """Read a long CSV or Parquet file: columns ``date`` (the `asof`), ``symbol``, and one per forecast.

        Raises
        ------
        PanelError
            If the file cannot be read, a column is missing or twice, or a date and symbol are there twice.
        """
        table = read_long(as_path(path))
        names = [str(column) for column in table.columns if column not in ("date", "symbol")]
        twice = table[table.duplicated(["date", "symbol"])]
        if len(twice):
            raise PanelError(f"{path}: {twice['symbol'].iloc[0]} on {twice['date'].iloc[0].date()} is there twice")
        wide = {name: table.pivot(index="date", columns="symbol", values=name) for name in names}
        if "max_age" in wide or "self" in wide:
            raise PanelError(f"{path}: no forecast can be called max_age or self; rename the column")
        return cls(max_age=max_age, **wide)

    @property
    def custom_loader(self) -> dict[Any, PipelineLoader]:
        """Loaders by column, for ``run_algorithm(custom_loader=...)``."""
        return _Loaders((column, self) for column in self.dataset.columns)

    def attach(self, context: Any) -> None:
        """Offer the data set to the Pipelines of a run; call it in ``initialize``, before they are computed."""
        before, own = context.engine._get_loader, self.custom_loader

        def get_loader(column: Any) -> Any:
            return own[column] if column.unspecialize() in own else before(column)

        context.init_engine(get_loader)

    def load_adjusted_array(
        self, domain: Any, columns: Any, dates: pd.DatetimeIndex, sids: pd.Index, mask: np.ndarray
    ) -> dict[Any, AdjustedArray]:
        """Return the forecasts known before the open of each date.

        Raises
        ------
        AssetMismatchError
            If a table has none of the run's assets.
        PanelError
            If it has a row that is no session.
        InsufficientHistoryError
            If none of its rows is shown in the run.
        """
        sessions = domain.sessions()
        rows = sessions.get_indexer(dates) - 1
        algorithm = running_algorithm()
        symbols = [asset.symbol for asset in algorithm.asset_finder.retrieve_all(sids)]
        loaded = {}
        for column in columns:
            table = self.tables[column.name]
            _check_fit(column.name, table, sessions, symbols)
            self._check_dates(column.name, table, sessions, algorithm.sim_params)
            begin = max(rows[0] - self.max_age, 0)
            window = table.reindex(sessions[begin : rows[-1] + 1], columns=symbols)
            window = window.ffill(limit=self.max_age) if self.max_age else window
            values = window.to_numpy(dtype=float)[-len(rows) :].copy()
            loaded[column] = AdjustedArray(values, adjustments={}, missing_value=column.missing_value)
        return loaded

    def _check_dates(self, name: str, table: pd.DataFrame, sessions: pd.DatetimeIndex, run: Any) -> None:
        first, last = table.index[0], table.index[-1]
        shown_last = min(int(sessions.searchsorted(last)) + 1 + self.max_age, len(sessions) - 1)
        if first >= run.end_session or sessions[shown_last] < run.start_session:
            raise InsufficientHistoryError(
                f"{name}: forecasts from {first.date()} to {last.date()} do not cover any session of a run from "
                f"{run.start_session.date()} to {run.end_session.date()}; make them for its dates"
            )


def _check_fit(name: str, table: pd.DataFrame, sessions: pd.DatetimeIndex, symbols: list[str]) -> None:
    """Refuse a table that has none of the run's assets, or rows that are no sessions."""
    if not table.columns.intersection(symbols).size:
        raise AssetMismatchError(
            f"{name}: the table's columns are {', '.join(map(str, table.columns[:5]))}, of which the run has none; "
            "label them with symbols"
        )
    strange = table.index.difference(sessions)
    if len(strange):
        raise PanelError(
            f"{name}: {strange[0].date()} is no session; label each row with the last session that it used"
        )


def _checked(name: str, table: pd.DataFrame) -> pd.DataFrame:
    dates = require_type(table, pd.DataFrame, name).index
    if not isinstance(dates, pd.DatetimeIndex) or dates.tz is not None or not dates.equals(dates.normalize()):
        raise PanelError(f"{name}: the rows must be plain dates, the last session that each forecast used")
    if not dates.is_monotonic_increasing or dates.has_duplicates or table.empty:
        raise PanelError(f"{name}: the dates must increase, each once, and there must be some; sort the rows")
    if table.columns.has_duplicates:
        raise PanelError(f"{name}: {table.columns[table.columns.duplicated()][0]} has two columns; keep one")
    table = as_floats(table, name)
    bad = np.isinf(table) | (table <= 0 if name == "volatility" else False)
    if bad.to_numpy().any():
        row, column = np.argwhere(bad.to_numpy())[0]
        raise PanelError(
            f"{name}: {table.columns[column]} on {dates[row].date()} is {table.iat[row, column]}; "
            "write no number where there is no forecast"
        )
    return table
