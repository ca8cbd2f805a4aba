"""Flip single bits in every kind of file that the package writes, and read the files again.

    PYTHONPATH=tests python -m kit.bitflip --flips 2000

After a flip a reader must return the same numbers, compute them again (None from a cache), or raise a named error.
Any other error is raw, any other number is wrong; both are printed, and the exit status is then 1. A user's own file
has no checksum: of prices in Parquet only errors are judged. The tables of a bundle are zipline's.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from volplugin import HARVolatility, ModelStore, PricePanel, RefitSchedule, WalkForward, simulated_panel
from volplugin._bundles import bundle_from_frames, read_ingestion_metadata
from volplugin.adapters.zipline.bundles import newest_ingestion
from volplugin.cli.config import RECORD, read_configuration, to_toml
from volplugin.errors import VolpluginError
from volplugin.report.folder import read_result, write_result
from volplugin.report.result import BacktestResult, RunDetails
from volplugin.storage.atomic import SUMS, write_files
from volplugin.storage.forecast_cache import ForecastCache
from volplugin.workflows.study.networks import load_network, save_network


@dataclass(frozen=True)
class Kind:
    """One kind of file: `read` returns its numbers, or None where they must be computed again."""

    file: Path
    read: Callable[[], Any]


def kinds(folder: Path) -> dict[str, Kind]:
    """Write one file of each kind into a folder."""
    panel, result = simulated_panel(3, "2012-01-02", "2016-12-30", seed=0), folder / "result"
    cache = ForecastCache(folder / "cache")
    cache.save("one", "key", ARRAYS)
    store = _store(folder / "store", panel)
    vintage, (training,) = store.path / "vintages" / str(DATE.date()), (store.path / "training").iterdir()
    save_network(folder, "network", "digest", ARRAYS)
    long = panel.close.rename_axis("date").rename_axis("symbol", axis=1).stack().rename("close").reset_index()
    long.to_parquet(folder / "prices.parquet")
    bundle_from_frames("bitflip", long, environ={"ZIPLINE_ROOT": str(folder)})
    ingestion = newest_ingestion("bitflip", {"ZIPLINE_ROOT": str(folder)})
    write_some_result(result)
    reads: dict[str, tuple[Path, Callable[[], Any]]] = {
        "forecast cache": (next((folder / "cache").glob("*.npz")), lambda: _digest(cache.load("one", "key"))),
        "study network": (folder / "network.safetensors", lambda: _digest(load_network(folder, "network", "digest"))),
        "store manifest.json": (vintage / "manifest.json", lambda: _vintage(store)),
        "store model.safetensors": (vintage / "model.safetensors", lambda: _vintage(store)),
        "store store.json": (store.path / "store.json", lambda: _opened(store)),
        "store training": (training, lambda: str(store.load_training(training.stem))),
        "store part": (
            store.path / "parts" / str(LATER.date()) / "0.safetensors",
            lambda: _digest(store.load_part(LATER, 0, "fingerprint")),
        ),
        "bundle volplugin.json": (ingestion / "volplugin.json", lambda: str(read_ingestion_metadata(ingestion))),
        **{f"result {name}": (result / name, lambda: _result(result)) for name in RESULT_FILES},
        f"result {RECORD}": (result / RECORD, lambda: str(read_configuration(result / RECORD))),
        "user's prices": (
            folder / "prices.parquet",
            lambda: PricePanel.from_parquet(folder / "prices.parquet").fingerprint(),
        ),
    }
    return {name: Kind(*each) for name, each in reads.items()}


ARRAYS = {"values": np.linspace(0, 1, 40), "ids": np.arange(2)}
DATE, LATER = pd.Timestamp("2014-12-31"), pd.Timestamp("2017-12-29")
RESULT_FILES = ("scorecard.json", "history.npz", "perf.pkl", "evaluation.json", SUMS)


def _store(folder: Path, panel: PricePanel) -> ModelStore:
    store = ModelStore(folder)
    WalkForward(HARVolatility(), schedule=RefitSchedule("yearly"), store=store).train(
        panel, "2015-01-02", "2016-12-30", progress=False
    )
    store.save_part(LATER, 0, ARRAYS, "fingerprint")
    return store


def write_some_result(folder: Path) -> None:
    days = pd.bdate_range("2020-01-02", periods=80)
    columns = ("returns", "predicted_vol", "realized_vol", "gross_leverage", "net_leverage")
    perf = pd.DataFrame({name: np.linspace(0.01, 0.2, 80) for name in columns}, index=days)
    card = {"bias_statistic": 1.0, "target": 0.1, "mean_predicted_vol": 0.1, "realized_vol": 0.1}
    write_result(BacktestResult(RunDetails("s", "b", "m"), perf, card, 0.1), folder)
    options = to_toml({"target": 0.1, "jobs": 2, "bundle": "dow30"})
    write_files(folder, {"perf.pkl": b"numbers", "evaluation.json": b"{}", RECORD: options.encode()})


def _result(folder: Path) -> str:
    result = read_result(folder)
    return _digest({"returns": result.perf["returns"].to_numpy()}) + str(dict(result.scorecard)) + str(result.details)


def _vintage(store: ModelStore) -> str:
    state, manifest = store.load(DATE)
    return _digest(state) + str(manifest)


def _opened(store: ModelStore) -> str:
    walk_forward = WalkForward(HARVolatility(), schedule=RefitSchedule("yearly"), store=store)
    store.configure(walk_forward.configuration)
    return "the same configuration"


def _digest(arrays: Any) -> Any:
    if arrays is None:
        return None
    return " ".join(f"{name} {arrays[name].dtype} {arrays[name].tobytes().hex()}" for name in sorted(arrays))


def campaign(flips: int, seed: int) -> tuple[Counter[tuple[str, str]], list[str]]:
    """Flip bits; returns the number of outcomes by kind, and the faults found."""
    choice, outcomes, faults = random.Random(seed), Counter(), []
    folder = Path(tempfile.mkdtemp(prefix="bitflip"))
    try:
        found = kinds(folder)
        right = {name: kind.read() for name, kind in found.items()}
        for number in range(flips):
            name = list(found)[number % len(found)]
            kind = found[name]
            content = kind.file.read_bytes()
            place, bit = choice.randrange(len(content)), choice.randrange(8)
            kind.file.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
            outcome = _outcome(name, kind, right[name])
            kind.file.write_bytes(content)
            outcomes[name, outcome] += 1
            if outcome.startswith(("raw", "wrong")):
                faults.append(f"{name}, byte {place}, bit {bit}: {outcome}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return outcomes, faults


def _outcome(name: str, kind: Kind, right: Any) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read = kind.read()
    except VolpluginError as error:
        return type(error).__name__
    except Exception as error:
        return f"raw {type(error).__name__}: {error}"[:200]
    if read is None:
        return "computed again"
    if read == right:
        return "the same numbers"
    return "other numbers" if name.startswith("user's") else "wrong numbers"


@click.command()
@click.option("--flips", default=2_000, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(flips: int, seed: int) -> None:
    """Flip bits, print a table, and exit with 1 after a fault."""
    outcomes, faults = campaign(flips, seed)
    for (name, outcome), count in sorted(outcomes.items()):
        click.echo(f"{name:26} {outcome:40} {count:6,}")
    raw = sum(": raw" in fault for fault in faults)
    click.echo(f"{sum(outcomes.values()):,} flips (seed {seed}): {raw} raw errors, {len(faults) - raw} wrong numbers")
    for fault in faults:
        click.echo(fault)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
