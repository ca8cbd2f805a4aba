"""The reference universe: assets whose means are the market-wide inputs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from volplugin.data.panel import PricePanel

MIN_ASSETS, MAX_ASSETS, WINDOW = 4, 30, 252
"""Size of a reference universe selected from other assets than the model's, and sessions of their turnover. The mean
of one or two stocks is no market: with it the shipped models forecast worse than without market-wide inputs."""

NO_REFERENCE = (
    "the panel holds less than half of the reference universe, and fewer than 4 assets or 252 sessions up to the "
    "model's last training session to select another: the forecast uses coefficients without market-wide inputs; "
    "pass prices of a market as --market or market="
)


def reference(panel: PricePanel, universe: list[str]) -> PricePanel | None:
    """Return the panel whose means are the market-wide inputs, independent of the assets requested.

    It has the assets of `universe` in the panel's market, if they are at least half of the universe; otherwise all
    assets of the market passed as ``market=``; None without such a market.
    """
    names = _present(panel, universe)
    if 2 * len(names) >= len(universe):
        return panel if panel.market is panel and names == list(panel.assets) else panel.market.select(names)
    return panel.market if panel.has_reference else None


def with_reference(panel: PricePanel, universe: list[str], through: pd.Timestamp) -> PricePanel:
    """Return a panel with a market of its largest assets, if it holds less than half of `universe` and no market.

    They are the 30 assets with the largest median of price times volume over the 252 sessions up to `through`, the
    model's last training session, so that they stay the same until the next vintage; without volumes, all assets with
    a bar in each of these sessions. With fewer sessions, or fewer than four assets, the panel is returned as it is.
    """
    if panel.has_reference or 2 * len(_present(panel, universe)) >= len(universe):
        return panel
    market = panel.market
    stop = int(market.sessions.searchsorted(through, side="right"))
    if stop < WINDOW:
        return panel
    rows = len(market.sessions) - stop + WINDOW
    close = market.tail_values("close", rows)[:WINDOW]
    if market.has_volume:
        turnover = np.median(np.nan_to_num(close * market.tail_values("volume", rows)[:WINDOW]), axis=0)
        places = np.sort(np.argsort(-turnover, kind="stable")[:MAX_ASSETS])
        places = places[turnover[places] > 0]
    else:
        places = np.flatnonzero(np.isfinite(close).all(axis=0))
    return panel.with_market(market.select(market.assets[places])) if len(places) >= MIN_ASSETS else panel


def _present(panel: PricePanel, universe: list[str]) -> list[str]:
    assets = panel.market.assets
    return [asset for asset in universe if asset in assets]
