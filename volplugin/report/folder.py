"""Read the numbers of a result from the folder of a backtest."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
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
from volplugin.storage.reading import parse_arrays, parse_json, read_regular_file, sealed, to_json
from volplugin.units import TRADING_DAYS

SCORECARD, HISTORY = "scorecard.json", "history.npz"
FORMAT = 1
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

NamedArrays = Iterator[tuple[str, np.ndarray]]


def write_result(result: BacktestResult, folder: str | os.PathLike[str]) -> None:
    """Write the numbers of a result into a folder, each file whole or not at all; the folder is made."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **dict(arrays(result)))  # type: ignore[arg-type]
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
    return card


def arrays(result: BacktestResult) -> NamedArrays:
    """Yield name and values of everything that has a date; names are paths, such as ``perf/returns``."""
    perf, parts, traded = result.perf, result.contributions, turnover(result.perf)
    stored = perf[[name for name in COLUMNS if name in perf]]
    yield from _lines("perf", stored if traded is None else stored.assign(turnover=traded))
    if not parts.empty:
        # NaN on the sessions without a portfolio.
        yield "contributions/assets", texts(parts.columns)
        yield "contributions/values", parts.reindex(perf.index).to_numpy(dtype=np.float32)
    for place, run in enumerate(result.comparisons.values()):
        yield from _lines(f"comparison/{place}", run.perf[["returns", "predicted_vol"]])
    yield "book/names", texts(list(result.portfolios))
    for place, portfolio in enumerate(result.portfolios.values()):
        yield f"book/{place}/horizon", np.array(portfolio.horizon)
        yield f"book/{place}/kind", np.array(portfolio.kind)
        for name in ("predicted", "returns"):
            yield from _lines(f"book/{place}/{name}", getattr(portfolio, name).to_frame("values"))
    if result.average_correlation is not None:
        yield from _lines("average_correlation", result.average_correlation.to_frame("values"))
    if result.volatility is not None:
        losses = result.volatility.losses
        yield "losses/origins", days(losses.index)
        yield "losses/models", texts(losses.columns.get_level_values("model"))
        yield "losses/horizons", losses.columns.get_level_values("horizon").to_numpy(dtype=int)
        yield "losses/values", losses.to_numpy(dtype=np.float32)


def _lines(place: str, frame: pd.DataFrame) -> NamedArrays:
    yield f"{place}/sessions", days(frame.index)
    for column in frame:
        yield f"{place}/{column}", frame[column].to_numpy(dtype=float)


def days(index: pd.Index) -> np.ndarray:
    """Sessions as numpy's days."""
    return index.to_numpy("datetime64[D]")


def texts(names: Any) -> np.ndarray:
    """Names as an array of text."""
    return np.array([symbol(name) for name in names], dtype=str)


def forget_result(folder: str | Path) -> None:
    """Remove the numbers of an earlier run, which must not be mistaken for results of a new run."""
    for name in (SCORECARD, HISTORY):
        (Path(folder) / name).unlink(missing_ok=True)


SCORECARD_LIMIT, HISTORY_LIMIT = 2**26, 2**30
"""Bytes of the largest scorecard and the largest history that are read."""
PARTS = ("details", "portfolio", "history")
AGAIN = "run volplugin backtest again"

StoredArrays = Mapping[str, np.ndarray]


def read_result(folder: str | os.PathLike[str]) -> BacktestResult:
    """Read the numbers that `write_result` wrote.

    Nothing is unpickled: ``perf.pkl`` is not read.

    Raises
    ------
    ResultFolderError
        If the folder is missing, holds no results, or results that are damaged or of different runs.
    """
    path = Path(folder)
    if not path.is_dir():
        raise ResultFolderError(f"{path}: no such folder; name one that volplugin backtest --out or demo --out wrote")
    if not (path / SCORECARD).is_file():
        raise ResultFolderError(
            f"{path}: holds no {SCORECARD}; name a folder that volplugin backtest --out or demo --out wrote"
        )
    card = _scorecard(path / SCORECARD)
    try:
        return _of_history(card, _arrays(path, card))
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        if isinstance(error, ResultFolderError):
            raise
        raise ResultFolderError(
            f"{path}: its numbers do not fit together ({type(error).__name__}: {error}); {AGAIN}"
        ) from error


def _scorecard(file: Path) -> dict[str, Any]:
    try:
        card = parse_json(read_regular_file(file, SCORECARD_LIMIT))
    except OSError as error:
        raise ResultFolderError(f"{file}: cannot be read ({error.strerror or error}); {AGAIN}") from error
    except ValueError as error:
        raise ResultFolderError(f"{file}: not valid JSON ({error}); {AGAIN}") from error
    if not isinstance(card, dict) or not all(isinstance(card.get(part), dict) for part in PARTS):
        raise ResultFolderError(f"{file}: not the scorecard of a backtest; {AGAIN}")
    if card["history"].get("format") != FORMAT:
        raise ResultFolderError(f"{file}: written by another version of volplugin, in another format; {AGAIN}")
    if sealed(card) != card:
        raise ResultFolderError(f"{file}: damaged or altered, its checksum differs; {AGAIN}")
    for part in (card["portfolio"], *card.get("comparisons", {}).values()):
        part.update(
            {name: np.nan for name, value in part.items() if value is None and name not in ("target", "over_horizon")}
        )
    return card


def _arrays(path: Path, card: Mapping[str, Any]) -> StoredArrays:
    file, metadata = path / HISTORY, card["history"]
    if not file.exists():
        raise ResultFolderError(f"{path}: {HISTORY} is missing next to {SCORECARD}; {AGAIN}")
    try:
        content = read_regular_file(file, HISTORY_LIMIT)
        altered = [name for name in altered_files(path) if not name.endswith((".html", SCORECARD, HISTORY))]
    except OSError as error:
        where = error.filename or file
        raise ResultFolderError(f"{where}: cannot be read ({error.strerror or error}); {AGAIN}") from error
    if hashlib.sha256(content).hexdigest() != metadata["sha256"]:
        raise ResultFolderError(f"{file}: damaged, or of another run than {SCORECARD}; {AGAIN}")
    if altered:  # pages are written again; history and scorecard have checksums of their own
        raise ResultFolderError(f"{path / altered[0]}: damaged or altered, {SUMS} has another checksum; {AGAIN}")
    try:
        return parse_arrays(content)
    except ValueError as error:
        raise ResultFolderError(f"{file}: damaged ({error}); {AGAIN}") from error


def _of_history(card: Mapping[str, Any], arrays: StoredArrays) -> BacktestResult:
    runs = enumerate(card.get("comparisons", {}).items())
    average = "average_correlation"
    return BacktestResult(
        details=RunDetails(**card["details"]),
        perf=_perf_frame(arrays),
        scorecard=card["portfolio"],
        target=card["portfolio"]["target"],
        volatility=scores_of(card["volatility"], arrays) if "volatility" in card else None,
        comparisons={name: Comparison(_frame_of(arrays, f"comparison/{place}"), one) for place, (name, one) in runs},
        portfolios={
            str(name): _portfolio(arrays, f"book/{place}", card["portfolio"].get("periods_per_year", TRADING_DAYS))
            for place, name in enumerate(arrays["book/names"])
        },
        average_correlation=_frame_of(arrays, average)["values"] if f"{average}/values" in arrays else None,
    )


def _perf_frame(arrays: StoredArrays) -> pd.DataFrame:
    perf = _frame_of(arrays, "perf")
    if "contributions/values" in arrays:
        assets = arrays["contributions/assets"].tolist()
        rows = arrays["contributions/values"].astype(float)
        perf["risk_contributions"] = [
            dict(zip(assets, row.tolist(), strict=True)) if np.isfinite(row[0]) else {} for row in rows
        ]
    return perf


def _frame_of(arrays: StoredArrays, place: str) -> pd.DataFrame:
    names = [name.removeprefix(f"{place}/") for name in arrays if name.startswith(f"{place}/")]
    columns = {name: arrays[f"{place}/{name}"] for name in names if name != "sessions"}
    return pd.DataFrame(columns, index=dates(arrays[f"{place}/sessions"]))


def _portfolio(arrays: StoredArrays, place: str, periods: float) -> PortfolioForecasts:
    predicted, returns = (_frame_of(arrays, f"{place}/{name}")["values"] for name in ("predicted", "returns"))
    kind: Any = str(arrays[f"{place}/kind"])
    horizon = int(arrays[f"{place}/horizon"])
    return PortfolioForecasts(predicted.rename("predicted"), returns.rename("returns"), horizon, kind, periods)


def scores_of(metadata: Mapping[str, Any], arrays: StoredArrays) -> VolatilityScores:
    """Scores of the volatility models from their JSON and, where it was kept, the history of their losses."""
    rows = {
        (int(horizon), model): row for horizon, models in metadata["scores"].items() for model, row in models.items()
    }
    kinds = ("qlike_by_year", "qlike_by_stress", "qlike_by_stock", "bias_by_stock")
    single = {key: {name: cell for name, cell in row.items() if name not in kinds} for key, row in rows.items()}
    years, stress, stocks, biases = (
        _frame({key: row[kind] for key, row in rows.items() if kind in row}) for kind in kinds
    )
    left = pd.Series(
        {int(horizon): count for horizon, count in metadata["stock_days_left_out"].items()}, name="left_out"
    )
    return VolatilityScores(
        _frame(single),
        years.rename(columns=int),
        stress,
        _losses(metadata, list(rows), arrays),
        left.rename_axis("horizon"),
        tuple(metadata["benchmarks"]),
        stocks,
        biases,
    )


def _frame(rows: Mapping[tuple[int, str], Mapping[str, Any]]) -> pd.DataFrame:
    if not rows:
        return pd.DataFrame()
    index = pd.MultiIndex.from_tuples(list(rows), names=["horizon", "model"])
    return pd.DataFrame(list(rows.values()), index=index).astype(float)


def _losses(metadata: Mapping[str, Any], keys: list[tuple[int, str]], arrays: StoredArrays) -> pd.DataFrame:
    """Losses by origin; where they were not kept, NaN at the first and the last origin."""
    ends = np.array([metadata["first_origin"], metadata["last_origin"]], dtype="datetime64[D]")
    columns = [(model, horizon) for horizon, model in keys]
    values: Any = np.nan
    if "losses/values" in arrays:
        ends, values = arrays["losses/origins"], arrays["losses/values"].astype(float)
        columns = list(zip(arrays["losses/models"].tolist(), arrays["losses/horizons"].tolist(), strict=True))
    return pd.DataFrame(values, dates(ends), pd.MultiIndex.from_tuples(columns, names=["model", "horizon"]))


def dates(days: np.ndarray) -> pd.DatetimeIndex:
    """Sessions of numpy's days."""
    return pd.DatetimeIndex(days.astype("datetime64[ns]"))
