"""Write the numbers of a result: ``scorecard.json``, and beside it ``history.npz``."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from volplugin.errors import ParameterError
from volplugin.evaluation import book_scorecard
from volplugin.files import write_atomically
from volplugin.report.measures.book import turnover
from volplugin.report.result import BacktestResult, symbol

SCORECARD, HISTORY = "scorecard.json", "history.npz"
FORMAT = 1
COLUMNS = (
    "returns",
    "predicted_vol",
    "realized_vol",
    "gross_leverage",
    "net_leverage",
    "unmodelled_weight",
    "cash_weight",
    "weight_drift",
)
"""Columns of the perf frame that are kept, where they are there, besides contributions and turnover."""

Arrays = Iterator[tuple[str, np.ndarray]]


def write_result(result: BacktestResult, folder: str | os.PathLike[str]) -> None:
    """Write the numbers of a result into a folder, each file whole or not at all; the folder is made."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **dict(arrays(result)))  # type: ignore[arg-type]
    history = buffer.getvalue()
    card = scorecard(result) | {"history": {"format": FORMAT, "sha256": hashlib.sha256(history).hexdigest()}}
    write_atomically(Path(folder) / HISTORY, history)
    write_atomically(Path(folder) / SCORECARD, (json.dumps(card, indent=2) + "\n").encode())


def scorecard(result: BacktestResult) -> dict[str, Any]:
    """Return every number of a result that has no date of its own as plain JSON values."""
    details = asdict(replace(result.details, parameters=dict(result.details.parameters)))
    card: dict[str, Any] = {"details": details, "portfolio": dict(result.scorecard)}
    card["comparisons"] = {name: dict(run.scorecard) for name, run in result.comparisons.items()}
    if result.volatility is not None:
        card["volatility"] = result.volatility.as_dict()
    if result.books:
        table = book_scorecard(result.books)
        card["book"] = json.loads(table.to_json(orient="index"))
    return card


def arrays(result: BacktestResult) -> Arrays:
    """Name and values of everything that has a date; names are paths, such as ``perf/returns``."""
    yield from _perf(result)
    for place, run in enumerate(result.comparisons.values()):
        yield f"comparison/{place}/sessions", days(run.perf.index)
        for column in ("returns", "predicted_vol"):
            yield f"comparison/{place}/{column}", run.perf[column].to_numpy(dtype=float)
    yield from _books(result)
    yield "correlation/dates", days(pd.DatetimeIndex(list(result.correlations)))
    for place, rho in enumerate(result.correlations.values()):
        yield f"correlation/{place}/assets", texts(rho.index)
        yield f"correlation/{place}/values", rho.to_numpy(dtype=np.float32)
    if result.volatility is not None:
        losses = result.volatility.losses
        yield "losses/origins", days(losses.index)
        yield "losses/models", texts(losses.columns.get_level_values("model"))
        yield "losses/horizons", losses.columns.get_level_values("horizon").to_numpy(dtype=int)
        yield "losses/values", losses.to_numpy(dtype=np.float32)


def _perf(result: BacktestResult) -> Arrays:
    perf, parts = result.perf, result.contributions
    yield "perf/sessions", days(perf.index)
    for column in (name for name in COLUMNS if name in perf):
        yield f"perf/{column}", perf[column].to_numpy(dtype=float)
    try:
        yield "perf/turnover", turnover(perf).to_numpy(dtype=float)
    except ParameterError:
        pass  # nothing was recorded that it could be counted from
    if not parts.empty:
        # NaN on the sessions without a book.
        yield "contributions/assets", texts(parts.columns)
        yield "contributions/values", parts.reindex(perf.index).to_numpy(dtype=np.float32)


def _books(result: BacktestResult) -> Arrays:
    yield "book/names", texts(list(result.books))
    for place, book in enumerate(result.books.values()):
        yield f"book/{place}/horizon", np.array(book.horizon)
        yield f"book/{place}/kind", np.array(book.kind)
        for name in ("predicted", "returns"):
            line: pd.Series = getattr(book, name)
            yield f"book/{place}/{name}/sessions", days(line.index)
            yield f"book/{place}/{name}/values", line.to_numpy(dtype=float)


def days(index: pd.Index) -> np.ndarray:
    """Sessions as numpy's days."""
    return index.to_numpy("datetime64[D]")


def texts(names: Any) -> np.ndarray:
    """Names as an array of text."""
    return np.array([symbol(name) for name in names], dtype=str)


def forget_result(folder: str | Path) -> None:
    """Remove the numbers of an earlier run, which must not be taken for those of a new one."""
    for name in (SCORECARD, HISTORY):
        (Path(folder) / name).unlink(missing_ok=True)
