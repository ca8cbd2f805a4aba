"""What a store holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from volplugin.adapters.zipline.bundles import read_bundle
from volplugin.evaluation.losses import qlike, realized_variance
from volplugin.storage import ModelStore
from volplugin.volatility.walk_forward import WalkForward

HORIZON = 21


@dataclass(frozen=True)
class Stored:
    """One vintage in a store.

    Attributes
    ----------
    date : Timestamp
        Last session trained on.
    assets, universe : int
        Trained on, and in the reference universe.
    fingerprint : str
        Of the prices.
    bytes : int
        On disk.
    carries : bool
        Whether the store holds its state at a later session.
    """

    date: pd.Timestamp
    assets: int
    universe: int
    fingerprint: str
    bytes: int
    carries: bool


def stored(store: ModelStore) -> list[Stored]:
    """List the vintages of a store, oldest first."""
    found = []
    for date in store.vintages():
        metadata = store.manifest(date)
        size, carries = store.size(date), store.carries(date)
        found.append(Stored(date, len(metadata.assets), len(metadata.universe), metadata.fingerprint, size, carries))
    return found


def losses_of(walk_forward: WalkForward, bundle: str) -> dict[pd.Timestamp, float]:
    """Mean QLIKE over 21 sessions of each vintage, on the sessions of a bundle at which it answered."""
    panel = read_bundle(bundle)
    outcomes = realized_variance(panel.returns, HORIZON)
    dates = [] if walk_forward.store is None else walk_forward.store.vintages()
    first = next((date for date in dates if date <= panel.last_session), panel.last_session)
    found = {}
    for vintage, sessions in walk_forward.iter_vintages(panel, max(first, panel.sessions[0]), panel.last_session):
        forecast = vintage.predict_path(panel, sessions[0], sessions[-1], HORIZON)
        loss = qlike(outcomes.reindex(sessions), forecast**2).to_numpy()
        if np.isfinite(loss).any():
            found[pd.Timestamp(vintage.trained_through_)] = float(np.nanmean(loss))
    return found


def vintage_table(found: list[Stored], losses: dict[pd.Timestamp, float] | None = None) -> str:
    """Lay vintages out, one a line, with a line that adds them up."""
    if not found:
        return "no vintages"
    rows = {
        str(vintage.date.date()): {
            "assets": vintage.assets,
            "universe": vintage.universe,
            "data": vintage.fingerprint[:12],
            "size": f"{vintage.bytes / 1e6:.2f} MB",
            "carries": "yes" if vintage.carries else "no",
        }
        for vintage in found
    }
    table = pd.DataFrame.from_dict(rows, orient="index")
    if losses is not None:
        table["QLIKE"] = [f"{losses[vintage.date]:.4f}" if vintage.date in losses else "" for vintage in found]
    total = sum(vintage.bytes for vintage in found) / 1e6
    return f"{table.rename_axis('trained through', axis=1).to_string()}\n{len(found)} vintages, {total:.1f} MB"
