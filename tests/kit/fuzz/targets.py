"""The readers, how inputs for each are drawn, and what must hold of what they accept."""

from __future__ import annotations

import functools
import gzip
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import exchange_calendars
import numpy as np
import pandas as pd
from hypothesis import strategies as st

from kit.bitflip import ARRAYS, write_some_result
from kit.fuzz.mutation import edited, edits, leaves, reworked
from volplugin import ModelStore, PricePanel
from volplugin._bundles.checks import check_bars, without_trade
from volplugin._bundles.csv_folder import load_csv_folder
from volplugin._bundles.prices import to_stored
from volplugin._bundles.remarks import Remarks
from volplugin.cli.config import read_configuration, to_toml
from volplugin.errors import VolpluginError
from volplugin.report.folder import read_result
from volplugin.storage.forecast_cache import ForecastCache
from volplugin.workflows import read_weights

DATE = pd.Timestamp("2009-12-31")
BARS = ("open", "high", "low", "close")


NAMED = VolpluginError


@dataclass(frozen=True)
class Target:
    """One reader.

    Attributes
    ----------
    valid, wild : strategy
        Of inputs: valid ones with something changed, and ones made of nothing valid.
    read : callable
        Reads an input in a folder of its own; raises for a result that breaks a promise.
    weight : float
        Share of all inputs.
    """

    valid: st.SearchStrategy[Any]
    wild: st.SearchStrategy[Any]
    read: Callable[[Any, Path], None]
    weight: float


@functools.cache
def _frames() -> dict[str, pd.DataFrame]:
    sessions = exchange_calendars.get_calendar("XNYS", start="2019-12-02", end="2020-03-31").sessions[:12]
    random = np.random.default_rng(0)
    close = pd.DataFrame(50 * np.exp(0.01 * random.standard_normal((12, 3)).cumsum(axis=0)), sessions, list("ABC"))
    close = close.round(3)
    frames = {"open": close, "high": close + 0.5, "low": close - 0.5, "close": close, "volume": close * 100}
    return {field: frame.copy() for field, frame in frames.items()}


@functools.cache
def _long_csv() -> bytes:
    frames = {field: frame.rename_axis("date").rename_axis("symbol", axis=1) for field, frame in _frames().items()}
    table = pd.DataFrame({field: frame.stack() for field, frame in frames.items()}).reset_index()
    return table.to_csv(index=False).encode()


@functools.cache
def _one_csv() -> bytes:
    table = pd.DataFrame({field: frame["A"] for field, frame in _frames().items()}).rename_axis("date")
    return table.assign(volume=1000, dividend=0.0, split=1.0).reset_index().to_csv(index=False).encode()


@functools.cache
def _parquet() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        frames = {name: frame.rename_axis("date").rename_axis("symbol", axis=1) for name, frame in _frames().items()}
        table = pd.DataFrame({field: frame.stack() for field, frame in frames.items()}).reset_index()
        table.to_parquet(Path(folder) / "p.parquet")
        return (Path(folder) / "p.parquet").read_bytes()


# -- prices ----------------------------------------------------------------------------------------


def _check_panel(panel: PricePanel) -> None:
    assert panel.sessions.is_monotonic_increasing
    assert panel.sessions.is_unique
    assert panel.assets.is_unique
    values = panel.close.to_numpy()
    assert (values[~np.isnan(values)] > 0).all()
    assert np.isfinite(values[~np.isnan(values)]).all()
    assert panel.returns.shape == panel.variance.shape == values.shape
    assert len(panel.fingerprint()) == 64
    assert panel.asof(panel.last_session).fingerprint() == panel.fingerprint()


def _read_long(content: bytes, folder: Path) -> None:
    (folder / "prices.csv").write_bytes(content)
    _check_panel(PricePanel.from_csv(folder / "prices.csv"))


def _read_gz(content: bytes, folder: Path) -> None:
    (folder / "prices.csv.gz").write_bytes(content)
    _check_panel(PricePanel.from_csv(folder / "prices.csv.gz"))


def _read_parquet(content: bytes, folder: Path) -> None:
    (folder / "prices.parquet").write_bytes(content)
    _check_panel(PricePanel.from_parquet(folder / "prices.parquet"))


@functools.cache
def _calendar() -> exchange_calendars.ExchangeCalendar:
    return exchange_calendars.get_calendar("XNYS", start="2015-01-02", end="2022-12-30")


def _ingest(content: bytes, folder: Path) -> None:
    (folder / "AAA.csv").write_bytes(content)
    stored = to_stored(load_csv_folder(folder), _calendar(), "trade-free", Remarks())
    for symbol, bars in stored.items():
        check_bars(symbol, bars, _calendar())
        traded = bars[~without_trade(bars)]
        assert (traded[list(BARS)] > 0).all().all()
        assert bars.index.isin(_calendar().sessions).all()
        assert np.isfinite(traded.to_numpy()).all()


cells = st.tuples(
    st.sampled_from(["cell", "row", "twice", "sort", "rename", "zone", "text", "column", "field", "index", "type"]),
    st.sampled_from(["open", "high", "low", "close", "volume"]),
    st.integers(0, 11),
    st.integers(0, 2),
    st.sampled_from([np.nan, np.inf, -np.inf, -1.0, 0.0, 1e300, 1e-300, 1e9]),
)


def _spoilt(changes: list[tuple[str, str, int, int, float]]) -> dict[str, Any]:
    frames: dict[str, Any] = {name: frame.copy() for name, frame in _frames().items()}
    for kind, field, row, column, value in changes:
        frame = frames.get(field)
        if not isinstance(frame, pd.DataFrame) or frame.shape[0] <= row or frame.shape[1] <= column:
            continue
        if kind == "cell":
            for name in [field] if row % 2 else list(frames):
                other = frames[name]
                if isinstance(other, pd.DataFrame) and other.shape == frame.shape:
                    other.iloc[row, column] = value
        elif kind == "row":
            frames[field] = frame.drop(index=frame.index[row])
        elif kind == "twice":
            frames[field] = pd.concat([frame, frame.iloc[[row]]])
        elif kind == "sort":
            frames[field] = frame.iloc[::-1]
        elif kind == "rename":
            frames[field] = frame.rename(columns={frame.columns[column]: frame.columns[0]})
        elif kind == "zone":
            if isinstance(frame.index, pd.DatetimeIndex) and frame.index.tz is None:
                frames[field] = frame.tz_localize("UTC")
        elif kind == "text":
            frames[field] = frame.astype(object)
            frames[field].iloc[row, column] = "x"
        elif kind == "column":
            frames[field] = frame.drop(columns=frame.columns[column])
        elif kind == "field":
            frames.pop(field)
        elif kind == "index":
            frames[field] = frame.reset_index(drop=True) if row % 2 else frame.set_axis([pd.NaT] * len(frame))
        elif kind == "type":
            frames[field] = frame.to_numpy() if row % 2 else frame.iloc[:, column]
    return frames


def _build(frames: dict[str, Any], folder: Path) -> None:
    if "close" not in frames:
        return
    _check_panel(PricePanel(**frames))


wild_frames = st.fixed_dictionaries(
    {
        "close": st.one_of(
            st.just(pd.DataFrame()),
            st.just(None),
            st.integers(),
            st.builds(
                lambda values: pd.DataFrame(np.reshape(values[:6], (3, 2)), pd.bdate_range("2020-01-01", periods=3)),
                st.lists(st.floats(allow_subnormal=True), min_size=6, max_size=6),
            ),
        )
    }
)

# -- stores ----------------------------------------------------------------------------------------

STATE = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3), "factor": np.array([1.0, np.pi])}
FACTS = {"fingerprint": "ab" * 32, "assets": ["A", "B"], "universe": ["A", "B", "C"]}
CONFIGURATION = {"forecaster": "HARVolatility", "parameters": {"terms": "har"}, "schedule": "yearly"}


@functools.cache
def _store_files() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        store = ModelStore(Path(folder) / "s")
        store.configure(CONFIGURATION)
        store.save(DATE, STATE, FACTS)
        store.save_part(DATE + pd.Timedelta(days=1), 0, STATE, "print")
        return {
            file.relative_to(store.path).as_posix(): file.read_bytes()
            for file in store.path.rglob("*")
            if file.is_file()
        }


def _same(state: dict[str, np.ndarray]) -> None:
    assert state.keys() == STATE.keys()
    for name, array in STATE.items():
        np.testing.assert_array_equal(state[name], array, strict=True)


def _open(change: tuple[str, bytes], folder: Path) -> None:
    """Whatever one file of a store says: read as it was written, or refused."""
    name, content = change
    for other, original in _store_files().items():
        file = folder / "s" / other
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if other == name else original)
    store = ModelStore(folder / "s")
    if name == "store.json":
        store.configure(CONFIGURATION)
        return
    if name.startswith("parts"):
        part = store.load_part(DATE + pd.Timedelta(days=1), 0, "print")
        if part is not None and content == _store_files()[name]:
            _same(part)
        return
    state, manifest = store.load(DATE)
    _same(state)
    assert (manifest.fingerprint, manifest.assets, manifest.universe) == tuple(FACTS.values())


def _changed_file(choice: int, changes: list[tuple[str, float, int]]) -> tuple[str, bytes]:
    names = sorted(_store_files())
    name = names[choice % len(names)]
    return name, edited(_store_files()[name], changes)


def _changed_facts(which: bool, changes: list[tuple[str, int, int]]) -> tuple[str, bytes]:
    name = "vintages/2009-12-31/manifest.json" if which else "store.json"
    return name, reworked(json.loads(_store_files()[name]), changes)


wild_file = st.tuples(
    st.sampled_from(["store.json", "vintages/2009-12-31/manifest.json", "vintages/2009-12-31/model.safetensors"]),
    st.binary(max_size=200),
)

# -- forecasts and results -------------------------------------------------------------------------


@functools.cache
def _cache_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        ForecastCache(folder).save("one", "key", ARRAYS)
        return (Path(folder) / "one.npz").read_bytes()


def _cached(content: bytes, folder: Path) -> None:
    (folder / "one.npz").write_bytes(content)
    found = ForecastCache(folder).load("one", "key")
    if found is not None:
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(found[name], array, strict=True)


@functools.cache
def _result_files() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        write_some_result(Path(folder))
        return {file.name: file.read_bytes() for file in Path(folder).iterdir()}


def _report(change: tuple[str, bytes], folder: Path) -> None:
    for name, content in (_result_files() | dict([change])).items():
        (folder / name).write_bytes(content)
    np.testing.assert_array_equal(read_result(folder).perf["returns"], np.linspace(0.01, 0.2, 80))


def _changed_result(choice: int, changes: list[tuple[str, float, int]]) -> tuple[str, bytes]:
    name = sorted(_result_files())[choice % len(_result_files())]
    return name, edited(_result_files()[name], changes)


# -- what users write ------------------------------------------------------------------------------

CONFIG = to_toml({"bundle": "dow30", "target": 0.1, "jobs": 2, "judge": True}).encode() + b"[forecast]\nhorizon = 5\n"
WEIGHTS = b"symbol,weight\nAAPL,0.5\nMSFT,0.25\nBRK.B,-0.25\n"


def _configure(content: bytes, folder: Path) -> None:
    (folder / "c.toml").write_bytes(content)
    found = read_configuration(folder / "c.toml")
    flat = {key: value for key, value in found.items() if not isinstance(value, dict)}
    if all(key.replace("_", "").replace("-", "").isalnum() and key.isascii() for key in flat):
        (folder / "again.toml").write_text(to_toml(flat), encoding="utf-8")
        assert read_configuration(folder / "again.toml") == flat


def _weigh(content: bytes, folder: Path) -> None:
    (folder / "w.csv").write_bytes(content)
    weights = read_weights(folder / "w.csv")
    assert weights.index.is_unique
    assert np.isfinite(weights).all()
    assert len(weights) > 0


def _mutations_of(content: Callable[[], bytes]) -> st.SearchStrategy[bytes]:
    return edits.map(lambda changes: edited(content(), changes))


def targets() -> dict[str, Target]:
    """Return the readers by name."""
    junk = st.one_of(st.binary(max_size=120), st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace")))
    files = st.builds(_changed_file, st.integers(0, 20), edits)
    metadata = st.builds(_changed_facts, st.booleans(), st.lists(leaves, min_size=1, max_size=4))
    return {
        "prices in a CSV file": Target(_mutations_of(_long_csv), junk, _read_long, 0.16),
        "a CSV folder to ingest": Target(_mutations_of(_one_csv), junk, _ingest, 0.14),
        "prices in a Parquet file": Target(_mutations_of(_parquet), junk, _read_parquet, 0.04),
        "prices in a gz file": Target(_mutations_of(lambda: gzip.compress(_long_csv(), mtime=0)), junk, _read_gz, 0.04),
        "forecast cache": Target(_mutations_of(_cache_file), junk, _cached, 0.06),
        "result folder": Target(
            st.builds(_changed_result, st.integers(0, 20), edits),
            st.tuples(st.sampled_from(["scorecard.json", "history.npz", "perf.pkl", "SHA256SUMS"]), junk),
            _report,
            0.06,
        ),
        "price frames": Target(st.lists(cells, min_size=1, max_size=3).map(_spoilt), wild_frames, _build, 0.14),
        "files of a store": Target(files, wild_file, _open, 0.2),
        "manifest and configuration of a store": Target(metadata, wild_file, _open, 0.14),
        "options": Target(_mutations_of(lambda: CONFIG), junk, _configure, 0.1),
        "weights": Target(_mutations_of(lambda: WEIGHTS), junk, _weigh, 0.08),
    }
