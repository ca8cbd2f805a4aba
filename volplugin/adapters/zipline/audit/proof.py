"""What trained models were trained on, as far as it can be proved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from volplugin.adapters.zipline.audit.models import ModelLoad
from volplugin.panel import PricePanel
from volplugin.pretrained import SHIPPED


def unproved(loads: Iterable[ModelLoad], panels: Sequence[PricePanel], start: pd.Timestamp) -> list[str]:
    """Say of which models it is not proved that they hold nothing later than they say.

    A manifest names the last training session and the fingerprint of the training data. Where prices that are at
    hand have that fingerprint up to that session, nothing later can have been in them. The models that come with
    the package are left to `shipped`.

    Parameters
    ----------
    loads : iterable of ModelLoad
    panels : sequence of PricePanel
        The whole bundle, and others that models may have been trained on.
    start : Timestamp
        First session of the run.
    """
    found = []
    for load in loads:
        name = f"{load.path}, vintage {load.trained_through}"
        if load.early and pd.Timestamp(load.trained_through) >= start:
            found.append(
                f"{name}: loaded in initialize, before the session it was trained through; whether it is asked only "
                "later cannot be seen. Load it through WalkForward, which answers by date"
            )
        if not _is_shipped(load) and not any(_is_trained_on(load, panel) for panel in panels):
            found.append(
                f"{name}: trained on other prices than the bundle's up to {load.trained_through}, so that what they "
                "hold of the future cannot be told; train it on this bundle, or name its prices (--trained-on)"
            )
    return found


def shipped(loads: Iterable[ModelLoad], panels: Sequence[PricePanel]) -> list[str]:
    """Say which models that come with the package are taken at their manifests' word."""
    taken = [load for load in loads if _is_shipped(load) and not any(_is_trained_on(load, panel) for panel in panels)]
    if not taken:
        return []
    last = max(load.trained_through for load in taken)
    return [
        f"models that come with the package ({len(taken)}, the last trained through {last}) are taken at their word: "
        "their prices are not in the bundle (--trained-on PRICES compares them)"
    ]


def _is_shipped(load: ModelLoad) -> bool:
    return Path(load.path).resolve() == SHIPPED.resolve()


def _is_trained_on(load: ModelLoad, panel: PricePanel) -> bool:
    moment = pd.Timestamp(load.trained_through)
    strangers = {*load.assets, *load.universe}.difference(panel.assets)
    if strangers or not panel.sessions[0] <= moment <= panel.last_session:
        return False
    known = panel.asof(moment)
    alone = _only(known, load.assets)
    beside_market = alone.with_market(_only(known, load.universe))
    return load.fingerprint in (alone.fingerprint(), beside_market.fingerprint())


def _only(panel: PricePanel, assets: Iterable[str]) -> PricePanel:
    """Return the panel of some assets, without the others as a market behind them."""
    names = list(assets)
    fields = {field: getattr(panel, field) for field in ("close", "open", "high", "low", "volume")}
    return PricePanel(**{field: frame[names] for field, frame in fields.items() if frame is not None})
