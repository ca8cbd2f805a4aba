"""List the vintages of a model store, optionally with their out-of-sample losses."""

from __future__ import annotations

import numpy as np
import pandas as pd

from volplugin.adapters.zipline.bundles import read_bundle
from volplugin.evaluation import qlike, realized_variance
from volplugin.storage import ModelStore
from volplugin.volatility.walk_forward import WalkForward

HORIZON = 21


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


def vintage_table(store: ModelStore, losses: dict[pd.Timestamp, float] | None = None) -> str:
    """Lay out assets, reference universe, digest of the prices, size and loss of each vintage, and the total size."""
    manifests = {date: store.manifest(date) for date in store.vintages()}
    if not manifests:
        return "no vintages"
    rows = {
        str(date.date()): {
            "assets": len(manifest.assets),
            "universe": len(manifest.universe),
            "data": manifest.fingerprint[:12],
            "size": f"{store.size(date) / 1e6:.2f} MB",
        }
        | ({} if losses is None else {"QLIKE": f"{losses[date]:.4f}" if date in losses else ""})
        for date, manifest in manifests.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("trained through", axis=1)
    return f"{table.to_string()}\n{len(rows)} vintages, {sum(map(store.size, manifests)) / 1e6:.1f} MB"
