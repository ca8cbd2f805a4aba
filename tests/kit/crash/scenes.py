"""What is killed: the commands that write, on a market small enough for hundreds of runs."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

import zipline_market
from kit.crash.steps import digests
from volplugin import LSTMVolatility, ModelStore, RefitSchedule, WalkForward, read_bundle
from volplugin.cli import main
from volplugin.errors import BundleNotFoundError

BUNDLE = "crash-kit"
SPAN = ("--bundle", BUNDLE, "--start", "2017-06-01", "--end", "2017-09-29")
EXTENSION = """
from volplugin._bundles import register_csv_folder
register_csv_folder({name!r}, {prices!r})
"""


@dataclass(frozen=True)
class Scene:
    """One command, and the folder that it begins from.

    Attributes
    ----------
    name : str
    command : tuple of str
        Arguments of volplugin; paths are relative to the folder.
    start : Path
        Copied for every run; below it ``zipline`` is the root of bundles, unless that is `root`.
    root : Path, optional
        Root of bundles outside the folder, which is only read.
    """

    name: str
    command: tuple[str, ...]
    start: Path
    root: Path | None = None

    def fresh(self, folder: Path) -> Path:
        """Copy the folder that the command begins from."""
        shutil.rmtree(folder, ignore_errors=True)
        return Path(shutil.copytree(self.start, folder))

    def run(self) -> str:
        """Run the command in the current folder; returns what it printed."""
        os.environ["ZIPLINE_ROOT"] = str(self.root or Path.cwd() / "zipline")
        result = CliRunner().invoke(main, list(self.command))
        if result.exit_code:
            raise RuntimeError(result.output) from result.exception
        return result.stdout

    def read(self) -> dict[str, Any]:
        """Read what the current folder holds as its user would: everything that is there, checked."""
        os.environ["ZIPLINE_ROOT"] = str(self.root or Path.cwd() / "zipline")
        store = ModelStore("models")
        vintages = {str(date.date()): store.load(date)[1].checksum for date in store.vintages()}
        return {"vintages": vintages, "prices": None if self.root else _fingerprint()}


def _fingerprint() -> str | None:
    from volplugin.adapters.zipline.bundles import ensure_registered

    try:
        ensure_registered(BUNDLE)
        panel = read_bundle(BUNDLE)
    except BundleNotFoundError:
        return None
    return panel.fingerprint() + str(panel.last_session.date())


def make_scenes(folder: Path) -> list[Scene]:
    """Write the inputs of every scene; their starts are made by the commands themselves."""
    prices = zipline_market.write_csv(folder / "prices", zipline_market.market())
    older = zipline_market.write_csv(
        folder / "older", {name: bars.loc[:"2017-06-30"] for name, bars in zipline_market.market().items()}
    )
    root = folder / "zipline"
    for place in (root, folder / "ingest" / "zipline"):
        place.mkdir(parents=True)
        (place / "extension.py").write_text(EXTENSION.format(name=BUNDLE, prices=str(prices)))
    tiny = LSTMVolatility(units=(4,), window=10, seeds=(0, 1), steps=5)
    for name in ("train", "evaluate"):
        walk_forward = WalkForward(tiny, RefitSchedule("quarterly"), ModelStore(folder / name / "models"))
        walk_forward.store.configure(walk_forward.configuration)
    evaluate = ("evaluate", *SPAN, "--models", "LSTM,HAR", "--horizons", "5")
    return [
        Scene("ingest", ("ingest", BUNDLE, "--csv", str(prices)), folder / "ingest"),
        Scene("train", ("train", *SPAN, "--store", "models", "--jobs", "1"), folder / "train", root),
        Scene(
            "evaluate", (*evaluate, "--store", "models", "--out", "judged", "--jobs", "1"), folder / "evaluate", root
        ),
        Scene("older ingest", ("ingest", BUNDLE, "--csv", str(older)), folder / "ingest"),
    ]


def outcome(folder: Path, printed: str, read: dict[str, Any]) -> dict[str, Any]:
    """Return what two runs are compared by: all files, but of bundles the prices in them."""
    files = {name: found for name, found in digests(folder).items() if not name.startswith("zipline/")}
    return {"files": files, "printed": re.sub(r" \(\d+ s\)", "", printed), "read": read}
