"""List the vintages of a model store, optionally with their out-of-sample losses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from volplugin.adapters.zipline.bundles import read_bundle
from volplugin.evaluation import qlike, realized_variance
from volplugin.storage import ModelStore
from volplugin.volatility.walk_forward import WalkForward

HORIZON = 21


@dataclass(frozen=True)
class StoredVintage:
    """A vintage in a store.

    Attributes
    ----------
    date : Timestamp
        Last training session.
    assets, universe : int
        Number of assets trained on, and in the reference universe.
    fingerprint : str
        Digest of the training prices.
    bytes : int
        Size on disk.
    """

    date: pd.Timestamp
    assets: int
    universe: int
    fingerprint: str
    bytes: int


def stored_vintages(store: ModelStore) -> list[StoredVintage]:
    """List the vintages of a store, oldest first."""
    manifests = {date: store.manifest(date) for date in store.vintages()}
    return [
        StoredVintage(date, len(manifest.assets), len(manifest.universe), manifest.fingerprint, store.size(date))
        for date, manifest in manifests.items()
    ]


def vintage_losses(walk_forward: WalkForward, bundle: str) -> dict[pd.Timestamp, float]:
    """Return the mean QLIKE of each vintage over 21 sessions, on the sessions of a bundle for which it is in use."""
    panel = read_bundle(bundle)
    outcomes = realized_variance(panel.returns, HORIZON)
    dates = [] if walk_forward.store is None else walk_forward.store.vintages()
    first = next((date for date in dates if date <= panel.last_session), panel.last_session)
    losses = {}
    for vintage, sessions in walk_forward.iter_vintages(panel, max(first, panel.sessions[0]), panel.last_session):
        forecast = vintage.predict_path(panel, sessions[0], sessions[-1], HORIZON)
        loss = qlike(outcomes.reindex(sessions), forecast**2).to_numpy()
        if np.isfinite(loss).any():
            losses[pd.Timestamp(vintage.trained_through_)] = float(np.nanmean(loss))
    return losses


def vintage_table(vintages: list[StoredVintage], losses: dict[pd.Timestamp, float] | None = None) -> str:
    """Lay out one line per vintage and a line with their number and total size."""
    if not vintages:
        return "no vintages"
    rows = {
        str(vintage.date.date()): {
            "assets": vintage.assets,
            "universe": vintage.universe,
            "data": vintage.fingerprint[:12],
            "size": f"{vintage.bytes / 1e6:.2f} MB",
        }
        for vintage in vintages
    }
    table = pd.DataFrame.from_dict(rows, orient="index")
    if losses is not None:
        table["QLIKE"] = [f"{losses[vintage.date]:.4f}" if vintage.date in losses else "" for vintage in vintages]
    total = sum(vintage.bytes for vintage in vintages) / 1e6
    return f"{table.rename_axis('trained through', axis=1).to_string()}\n{len(vintages)} vintages, {total:.1f} MB"
