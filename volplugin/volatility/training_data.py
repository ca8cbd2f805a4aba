"""The data that stored vintages were trained on, compared with the prices at hand."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from volplugin.data.checks import listed
from volplugin.data.panel import PricePanel
from volplugin.errors import StoreConfigurationError
from volplugin.storage import ModelStore
from volplugin.volatility.features import QUARTER, relative_volume

logger = logging.getLogger("volplugin")

TABLES = ("returns", "variance", "volume")
"""Log returns, daily variances, and the log of volume over its mean of a quarter."""
TOLERANCE, STORAGE_UNIT = 1e-6, 1e-3
"""Numbers are equal within `TOLERANCE` plus two storage units over the price; zipline stores prices in thousandths."""
VOLATILITY_FACTOR = 4.0
"""An error of e in each log price moves the root of the daily variance by at most 3.6 e."""
OTHER_RETURN, OTHER_SHARE = 0.1, 0.25
"""Another stock under the same name: returns that differ by over a tenth of the median move, on over a quarter of
the sessions."""
MISSING = np.float32(3e38)
"""Replaces NaN in a store, whose tensors are finite."""


@dataclass(frozen=True)
class TrainingData:
    """Scale-free numbers of a panel and its market in single precision.

    Attributes
    ----------
    assets : list of str
    sessions : DatetimeIndex
    tables : dict of ndarray of shape (n_sessions, n_assets)
        By name in `TABLES`; NaN where missing.
    """

    assets: list[Any]
    sessions: pd.DatetimeIndex
    tables: dict[str, np.ndarray]

    @classmethod
    def of(cls, panel: PricePanel) -> Self:
        """Take the numbers of a panel."""
        panel = panel.with_market_assets()
        tables = {"returns": panel.returns.to_numpy(), "variance": panel.variance.to_numpy()}
        volume = panel.volume
        tables["volume"] = (
            np.full_like(tables["returns"], np.nan) if volume is None else relative_volume(volume.to_numpy(), 0)
        )
        return cls(
            list(panel.assets), panel.sessions, {name: table.astype(np.float32) for name, table in tables.items()}
        )

    def save(self, store: ModelStore, fingerprint: str) -> str:
        """Write to a store; returns the name."""
        name = f"{self.sessions[-1].date()}-{fingerprint[:16]}"
        state = {key: np.where(np.isnan(table), MISSING, table) for key, table in self.tables.items()}
        state["sessions"] = self.sessions.to_numpy("datetime64[D]").astype(np.int64)
        store.save_training(name, state, {"assets": json.dumps(self.assets)})
        return name

    @classmethod
    def load(cls, store: ModelStore, name: str) -> Self | None:
        """Read from a store; None if the store holds none of that name."""
        found = store.load_training(name)
        if found is None:
            return None
        state, metadata = found
        tables = {key: np.where(state[key] == MISSING, np.nan, state[key]) for key in TABLES}
        sessions = pd.DatetimeIndex(state["sessions"].astype("datetime64[D]")).as_unit("ns")
        return cls(json.loads(metadata["assets"]), sessions, tables)

    def differences(self, panel: PricePanel) -> tuple[list[str], list[Any]]:
        """Compare with a panel that ends on the same session.

        Returns
        -------
        list of str
            What changed: assets, sessions, and numbers by asset.
        list of str
            Assets with the prices of another stock.
        """
        here = TrainingData.of(panel)
        before, after = set(self.assets), set(here.assets)
        gone = [asset for asset in self.assets if asset not in after]
        new = [asset for asset in here.assets if asset not in before]
        text = [f"{listed(new)} added"] if new else []
        text += [f"{listed(gone)} not among these prices"] if gone else []
        first = max(self.sessions[0], here.sessions[0])
        spans = [data.sessions[data.sessions >= first] for data in (self, here)]
        text += [f"history from {here.sessions[0].date()}, before {self.sessions[0].date()}"] * (
            here.sessions[0] != self.sessions[0]
        )
        moved = spans[0].symmetric_difference(spans[1])
        text += [f"{len(moved)} sessions came or went, the last on {moved[-1].date()}"] if len(moved) else []
        common = spans[0].intersection(spans[1])
        # Means of volume over a quarter depend on where the history begins.
        common = common if self.sessions[0] == here.sessions[0] else common[QUARTER:]
        same = [asset for asset in self.assets if asset in after]
        if not len(common) or not same:
            return text, []
        changed, others = _numbers(self._at(common, same), here._at(common, same), panel, common, same)
        return text + changed, others

    def _at(self, sessions: pd.DatetimeIndex, assets: list[Any]) -> dict[str, np.ndarray]:
        if assets == self.assets and sessions.equals(self.sessions):
            return self.tables  # a third of the comparison was copying whole tables
        rows, columns = self.sessions.get_indexer(sessions), pd.Index(self.assets).get_indexer(pd.Index(assets))
        return {name: table[np.ix_(rows, columns)] for name, table in self.tables.items()}


def _numbers(
    old: Mapping[str, np.ndarray],
    new: Mapping[str, np.ndarray],
    panel: PricePanel,
    sessions: pd.DatetimeIndex,
    assets: list[Any],
) -> tuple[list[str], list[Any]]:
    """Describe the assets whose numbers differ, and list those that are another stock."""
    if all(np.array_equal(old[name], new[name], equal_nan=True) for name in TABLES):
        return [], []
    whole = panel.with_market_assets()
    # The smaller of the two prices of a return has the larger rounding error.
    price = np.fmin(whole.close, whole.close.ffill().shift(1)).loc[sessions, assets].to_numpy()
    allowed = TOLERANCE + np.nan_to_num(2 * STORAGE_UNIT / price)
    volumes = whole.volume
    of_volume = 0.0 if volumes is None else 2 / np.maximum(volumes.loc[sessions, assets].to_numpy(), 1.0)
    wrong = {
        "returns": _differ(old["returns"], new["returns"], allowed),
        "variance": _differ(np.sqrt(old["variance"]), np.sqrt(new["variance"]), VOLATILITY_FACTOR * allowed),
        "volume": _differ(old["volume"], new["volume"], TOLERANCE + np.nan_to_num(of_volume)),
    }
    gap = np.abs(new["returns"] - old["returns"])
    large = gap > allowed + OTHER_RETURN * np.nanmedian(np.abs(np.nan_to_num(old["returns"])), axis=0)
    changed = np.flatnonzero(np.any([table.any(axis=0) for table in wrong.values()], axis=0))
    text = [f"{assets[place]}: {_changes(wrong, gap, place, sessions)}" for place in changed[:5]]
    text += [f"and {len(changed) - 5} more stocks"] if len(changed) > 5 else []
    return text, [assets[place] for place in np.flatnonzero(large.mean(axis=0) > OTHER_SHARE)]


def _differ(old: np.ndarray, new: np.ndarray, allowed: Any) -> np.ndarray:
    return (np.isnan(old) != np.isnan(new)) | (np.nan_to_num(np.abs(new - old)) > allowed)


def _changes(wrong: Mapping[str, np.ndarray], gap: np.ndarray, place: int, sessions: pd.DatetimeIndex) -> str:
    counts = {name: int(table[:, place].sum()) for name, table in wrong.items()}
    text = ", ".join(f"{count} of {len(sessions)} {_PLURAL[name]}" for name, count in counts.items() if count)
    sizes = np.where(wrong["returns"][:, place], np.nan_to_num(gap[:, place]), 0.0)
    row = int(sizes.argmax())
    return text + (f", a return by {sizes[row]:.2%} on {sessions[row].date()}" if sizes[row] > 0 else "")


_PLURAL = {"returns": "returns", "variance": "daily variances", "volume": "volumes"}


def check_training_data(
    store: ModelStore, dates: Sequence[pd.Timestamp], panel: PricePanel, *, migrate: bool = False
) -> None:
    """Compare the data that vintages were trained on with a panel, and log what changed.

    The vintages stay usable: splits, dividends, re-adjusted histories, and stocks that come or go are logged.

    Parameters
    ----------
    store : ModelStore
    dates : sequence of Timestamp
        Last training sessions of stored vintages, at or before the panel's last session.
    panel : PricePanel
    migrate : bool, default False
        Add the panel's data to vintages that were stored by a version that did not store them.

    Raises
    ------
    StoreConfigurationError
        If most stocks trained on have the prices of another stock, or if a vintage without training data has
        another digest than the panel in a store whose other vintages have them.
    """
    by_name: dict[str | None, list[pd.Timestamp]] = {}
    for date in dates:
        name = store.manifest(date).training
        known = name is not None and store.has_training(name)
        by_name.setdefault(name if known else None, []).append(date)
    _check_old(store, by_name.pop(None, []), panel, migrate)
    for name, group in by_name.items():
        assert name is not None
        data = TrainingData.load(store, name)
        if data is not None:
            _check_group(store, data, group, panel)


def _check_group(store: ModelStore, data: TrainingData, dates: list[pd.Timestamp], panel: PricePanel) -> None:
    last = max(dates)
    rows = slice(0, int(data.sessions.searchsorted(last, side="right")))
    data = TrainingData(data.assets, data.sessions[rows], {name: table[rows] for name, table in data.tables.items()})
    text, others = data.differences(panel.asof(last))
    if 2 * len(others) > len(set(data.assets) & set(panel.with_market_assets().assets)):
        raise StoreConfigurationError(
            f"the vintage trained through {min(dates).date()} in {store.path} was trained on other prices, "
            f"{listed(others)} among them; use another folder for --store, or delete this one"
        )
    if text:
        logger.warning(
            "%s: vintages through %s were trained on other data than these: %s; they are used as they are. "
            "To train on these data, use another folder for --store",
            store.path, last.date(), "; ".join(text),
        )  # fmt: skip


def _check_old(store: ModelStore, dates: list[pd.Timestamp], panel: PricePanel, migrate: bool) -> None:
    """Compare vintages without training data by their digest, and add the data on request."""
    if not dates:
        return
    digests = {date: panel.asof(date).fingerprint() for date in dates}
    strange = [date for date, digest in digests.items() if store.manifest(date).fingerprint != digest]
    if strange and any(store.manifest(date).training for date in store.vintages()):
        raise StoreConfigurationError(
            f"the vintage trained through {min(strange).date()} in {store.path} was trained on other prices; "
            "use another folder for --store, or delete this one"
        )
    if strange:
        logger.warning(
            "%s: written by a version that stored no training data, and not trained on exactly these prices (%d of %d "
            "vintages): what changed cannot be determined; they are used as they are%s",
            store.path, len(strange), len(dates), "; later changes will be named" if migrate else "",
        )  # fmt: skip
    if migrate:
        last = max(dates)
        name = TrainingData.of(panel.asof(last)).save(store, digests[last])
        for date in dates:
            store.set_training(date, name)
        logger.info("%s: training data added to %d vintages of an earlier version", store.path, len(dates))


def check_same_stocks(store: ModelStore, panel: PricePanel) -> None:
    """Refuse to add a vintage to a store whose newest vintage was trained on none of the panel's stocks.

    Raises
    ------
    StoreConfigurationError
    """
    stored = store.vintages()
    if not stored:
        return
    assets = store.manifest(stored[-1]).assets
    if not set(assets) & set(panel.assets):
        raise StoreConfigurationError(
            f"{store.path} holds models of other stocks ({listed(assets)}), and lacks a vintage that these prices "
            "need; train it in another folder with --store, or forecast with the models there (--no-train)"
        )
