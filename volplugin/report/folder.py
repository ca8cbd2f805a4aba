"""Read the numbers of a result from the folder of a backtest."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from volplugin.errors import ResultFolderError
from volplugin.evaluation import PortfolioForecasts, VolatilityScores, compare_portfolio_forecasts
from volplugin.report.measures import turnover
from volplugin.report.result import BacktestResult, Comparison, RunDetails, symbol
from volplugin.storage.atomic import SUMS, altered_files, write_files
from volplugin.storage.reading import as_path, parse_arrays, parse_json, read_regular_file, sealed, to_json
from volplugin.units import TRADING_DAYS

SCORECARD, HISTORY = "scorecard.json", "history.npz"
FORMAT = 2
COLUMNS = (
    "returns",
    "predicted_vol",
    "predicted_vol_market",
    "predicted_vol_specific",
    "realized_vol",
    "gross_leverage",
    "net_leverage",
    "unmodelled_weight",
    "cash_weight",
    "weight_drift",
    "value_at_risk",
    "expected_shortfall",
)
"""Columns of the perf frame that are stored if present, in addition to contributions and turnover."""

SCORES = ("table", "by_year", "by_stress", "by_stock", "bias_by_stock")
"""Tables of the volatility scores."""


def write_result(result: BacktestResult, folder: str | os.PathLike[str]) -> None:
    """Write the numbers of a result into a folder, each file whole or not at all; the folder is made."""
    buffer = io.BytesIO()
    stored = {name: values for place, frame in frames(result) for name, values in arrays(place, frame)}
    np.savez_compressed(buffer, **stored)  # type: ignore[arg-type]
    history = buffer.getvalue()
    card = scorecard(result) | {"history": {"format": FORMAT, "sha256": hashlib.sha256(history).hexdigest()}}
    write_files(folder, {HISTORY: history, SCORECARD: to_json(sealed(card)).encode()})


def scorecard(result: BacktestResult) -> dict[str, Any]:
    """Return every number of a result that has no date of its own as plain JSON values."""
    details = asdict(replace(result.details, parameters=dict(result.details.parameters)))
    card: dict[str, Any] = {"details": details, "portfolio": dict(result.scorecard)}
    card["comparisons"] = {name: dict(run.scorecard) for name, run in result.comparisons.items()}
    if result.volatility is not None:
        card["volatility"] = result.volatility.as_dict()
    if result.portfolios:
        table = compare_portfolio_forecasts(result.portfolios)
        card["book"] = json.loads(table.to_json(orient="index"))
    card["portfolios"] = {name: {"horizon": one.horizon, "kind": one.kind} for name, one in result.portfolios.items()}
    return card


def frames(result: BacktestResult) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield place and numbers of every table of the history."""
    perf, parts, traded = result.perf, result.contributions, turnover(result.perf)
    stored = perf[[name for name in COLUMNS if name in perf]].astype(float)
    yield "perf", stored if traded is None else stored.assign(turnover=traded)
    if not parts.empty:
        yield "contributions", parts.astype(np.float32)
    for place, run in enumerate(result.comparisons.values()):
        yield f"comparison {place}", run.perf[["returns", "predicted_vol"]]
    for place, one in enumerate(result.portfolios.values()):
        yield f"predicted {place}", one.predicted.to_frame("predicted")
        yield f"returns {place}", one.returns.to_frame("returns")
    if result.average_correlation is not None:
        yield "average correlation", result.average_correlation.to_frame("values")
    if result.volatility is not None:
        yield "losses", result.volatility.losses.astype(np.float32)
        yield "left out", result.volatility.left_out.to_frame("left_out")
        for name in SCORES:
            yield name, getattr(result.volatility, name)


def arrays(place: str, frame: pd.DataFrame) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and values of the arrays of a table: its numbers, and each level of its rows and columns."""
    yield f"{place}/values", frame.to_numpy()
    for side, index in (("rows", frame.index), ("columns", frame.columns)):
        for level, name in enumerate(index.names):
            labels = index.get_level_values(level)
            if isinstance(labels, pd.DatetimeIndex):
                found = labels.to_numpy("datetime64[ns]")
            elif labels.dtype == object:
                found = np.array([symbol(label) for label in labels], dtype=str)
            else:
                found = labels.to_numpy()
            yield f"{place}/{side} {level} {name or ''}", found


def forget_result(folder: str | Path) -> None:
    """Remove the numbers of an earlier run, which must not be mistaken for results of a new run."""
    for name in (SCORECARD, HISTORY):
        (Path(folder) / name).unlink(missing_ok=True)


SCORECARD_LIMIT, HISTORY_LIMIT = 2**26, 2**30
"""Bytes of the largest scorecard and the largest history that are read."""
PARTS = ("details", "portfolio", "history")
OPTIONAL = ("target", "over_horizon")
"""Entries of a scorecard that may be null."""
AGAIN = "run volplugin backtest again"

StoredArrays = Mapping[str, np.ndarray]


def read_result(folder: str | os.PathLike[str]) -> BacktestResult:
    """Read the numbers that `write_result` wrote.

    Nothing is unpickled: ``perf.pkl`` is not read.

    Raises
    ------
    ParameterError
        For an empty name, or anything else that is no path.
    ResultFolderError
        If the folder is missing, holds no results, or results that are damaged or of different runs.
    """
    path = as_path(folder)
    if not (path / SCORECARD).is_file():
        why = f"holds no {SCORECARD}" if path.is_dir() else "no such folder"
        raise ResultFolderError(f"{path}: {why}; name a folder that volplugin backtest --out or demo --out wrote")
    with _named(path / SCORECARD) as file:
        card = _card(read_regular_file(file, SCORECARD_LIMIT))
    with _named(path / HISTORY) as file:
        stored = _arrays(read_regular_file(file, HISTORY_LIMIT), card["history"]["sha256"])
        # Pages are written again; history and scorecard have checksums of their own.
        altered = [name for name in altered_files(path) if not name.endswith((".html", SCORECARD, HISTORY))]
    if altered:
        raise ResultFolderError(f"{path / altered[0]}: damaged or altered, {SUMS} has another checksum; {AGAIN}")
    try:
        return _of_history(card, stored)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        if isinstance(error, ResultFolderError):
            raise
        why = f"{type(error).__name__}: {error}"
        raise ResultFolderError(f"{path}: its numbers do not fit together ({why}); {AGAIN}") from error


@contextmanager
def _named(file: Path) -> Iterator[Path]:
    """Name the file in the errors of reading and parsing it."""
    try:
        yield file
    except OSError as error:
        why = error.strerror or error
        raise ResultFolderError(f"{error.filename or file}: cannot be read ({why}); {AGAIN}") from error
    except ValueError as error:
        raise ResultFolderError(f"{file}: {error}; {AGAIN}") from error


def _card(content: bytes) -> dict[str, Any]:
    """Parse and check a scorecard; numbers that JSON lacks are NaN again."""
    try:
        card = parse_json(content)
    except ValueError as error:
        raise ValueError(f"not valid JSON ({error})") from error
    if not isinstance(card, dict) or not all(isinstance(card.get(part), dict) for part in PARTS):
        raise ValueError("not the scorecard of a backtest")
    if card["history"].get("format") != FORMAT:
        raise ValueError("written by another version of volplugin, in another format")
    if sealed(card) != card:
        raise ValueError("damaged or altered, its checksum differs")
    for part in (card["portfolio"], *card["comparisons"].values()):
        part |= {name: np.nan for name, value in part.items() if value is None and name not in OPTIONAL}
    return card


def _arrays(content: bytes, digest: str) -> StoredArrays:
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(f"damaged, or of another run than {SCORECARD}")
    return parse_arrays(content)


def _of_history(card: Mapping[str, Any], stored: StoredArrays) -> BacktestResult:
    found = {place: _frame(stored, place) for place in {name.partition("/")[0] for name in stored}}
    runs, books = enumerate(card["comparisons"].items()), enumerate(card["portfolios"].items())
    periods = card["portfolio"].get("periods_per_year", TRADING_DAYS)
    average = found.get("average correlation")
    return BacktestResult(
        details=RunDetails(**card["details"]),
        perf=_perf(found["perf"], found.get("contributions", pd.DataFrame())),
        scorecard=card["portfolio"],
        target=card["portfolio"]["target"],
        volatility=_scores(card["volatility"], found) if "volatility" in card else None,
        comparisons={name: Comparison(found[f"comparison {place}"], one) for place, (name, one) in runs},
        portfolios={
            name: PortfolioForecasts(
                found[f"predicted {place}"]["predicted"], found[f"returns {place}"]["returns"], **one, periods=periods
            )
            for place, (name, one) in books
        },
        average_correlation=None if average is None else average["values"],
    )


def _perf(perf: pd.DataFrame, contributions: pd.DataFrame) -> pd.DataFrame:
    if contributions.empty:
        return perf
    cells = {session: row.to_dict() for session, row in contributions.astype(float).iterrows()}
    return perf.assign(risk_contributions=[cells.get(session, {}) for session in perf.index])


def _scores(metadata: Mapping[str, Any], found: Mapping[str, pd.DataFrame]) -> VolatilityScores:
    return VolatilityScores(
        losses=found["losses"].astype(float),
        left_out=found["left out"]["left_out"],
        benchmarks=tuple(metadata["benchmarks"]),
        **{name: found[name] for name in SCORES},
    )


def _frame(stored: StoredArrays, place: str) -> pd.DataFrame:
    """Return the table of `arrays`."""
    sides = []
    for side in ("rows", "columns"):
        start = f"{place}/{side} "
        levels = {name.removeprefix(start): labels for name, labels in stored.items() if name.startswith(start)}
        names = [name.partition(" ")[2] or None for name in sorted(levels)]
        labels = [pd.Index(levels[name]) for name in sorted(levels)]
        sides.append(labels[0].rename(names[0]) if len(labels) == 1 else pd.MultiIndex.from_arrays(labels, names=names))
    return pd.DataFrame(stored[f"{place}/values"], *sides)
