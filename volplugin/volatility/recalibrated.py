"""The shipped models refitted to another market: market terms and level from local data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from volplugin.data.panel import PricePanel
from volplugin.errors import StoreConfigurationError
from volplugin.volatility.base import State
from volplugin.volatility.features import Features
from volplugin.volatility.har import TERMS, HARVolatility
from volplugin.volatility.reference import reference, with_reference
from volplugin.volatility.term_structure import FITTED_HORIZONS

BACKBONE = tuple(f"backbone_{horizon}" for horizon in FITTED_HORIZONS)
"""Regressors: log variance that the stored model forecasts, relative to the slow level, at each horizon."""


class RecalibratedVolatility(HARVolatility):
    """Least squares of log forward variance on a stored model's forecasts and the terms of a local HAR.

    The stored model, such as the shipped one, was trained on another market. The regression refits its level and its
    market terms, and can fall back to either of the two: coefficients of one on the forecast are the stored model,
    coefficients of zero the local HAR. The stored model's event-free forecast is used, since earnings seasons differ.
    The newest of its vintages trained by the end of the local training span is used, and stays in use.

    Units: a volatility is a daily standard deviation in decimals; only `annualize` and ``periods=`` change that.
    Timing: `asof` is the last completed session used; the forecast covers the `horizon` sessions after it.

    Parameters
    ----------
    store : str, default "pretrained"
        Folder of the stored model; "pretrained" for the shipped one.
    terms : {"har", "market", "lstm", "season"}, default "season"
        Local regressors, as in `HARVolatility`.

    Raises
    ------
    MissingVintageError
        From `fit`, if the store has no vintage trained by the panel's last session.
    StoreConfigurationError
        If a stored recalibration belongs to other vintages than those in `store`.
    InsufficientHistoryError
        From `fit`, with fewer than about 200 sessions.

    References
    ----------
    Mincer and Zarnowitz (1969), The Evaluation of Economic Forecasts, on the regression of outcomes on forecasts;
    Corsi (2009), A Simple Approximate Long-Memory Model of Realized Volatility, eq. 11.

    Examples
    --------
    >>> from volplugin import simulated_panel
    >>> from volplugin.volatility import RecalibratedVolatility
    >>> panel = simulated_panel(3, "2011-01-03", "2014-06-30")
    >>> model = RecalibratedVolatility().fit(panel.asof("2013-12-31"))
    >>> model.predict(panel.asof("2014-01-31"), horizon=21).shape
    (3,)
    """

    load_store: ClassVar[Callable[[str], Any]]
    """Return the vintages in a folder (`load_walk_forward`); set in `volplugin.volatility.pretrained`."""

    def __init__(self, store: str = "pretrained", terms: str = "season") -> None:
        self.store = store
        self.terms = terms

    pooled = True  # HARVolatility's parameter: one set of coefficients for all assets

    @property
    def lookback(self) -> int:
        """Number of sessions up to `asof` that a forecast depends on."""
        return max(super().lookback, self._stored.lookback)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the regressors."""
        return (*TERMS[self.terms], *BACKBONE)

    def _fit(self, panel: PricePanel) -> None:
        self._backbone = self._stored.vintage_at(panel.last_session)
        panel = with_reference(panel, self._backbone.universe_, panel.last_session)
        found = reference(panel, self._backbone.universe_)
        self.universe_ = self.universe_ if found is None else list(found.assets)
        super()._fit(panel)

    def _inputs(self, panel: PricePanel, names: tuple[str, ...], first: int = 0) -> Features:
        local = tuple(name for name in names if name not in BACKBONE)
        features = super()._inputs(panel, local, first)
        # Universe of the recalibration, so that the stored model has the same market-wide inputs each time.
        market = reference(panel, self.universe_)
        whole = panel if market is None else panel.with_market(market)
        paths = self._backbone._paths(whole, tuple(-horizon for horizon in FITTED_HORIZONS), first)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = [
                2 * np.log(paths[-horizon].reindex(columns=panel.assets).to_numpy()) - np.log(features.base)
                for horizon in FITTED_HORIZONS
            ]
        values = np.concatenate([features.values, np.stack(logs, axis=-1)], axis=-1)
        return replace(features, values=values, names=(*features.names, *BACKBONE))

    @property
    def _stored(self) -> Any:
        if "_loaded" not in self.__dict__:
            self._loaded = RecalibratedVolatility.load_store(self.store)
        return self._loaded

    def get_state(self) -> State:
        """Return the coefficients, and the checksum of the stored model's vintage."""
        return super().get_state() | {"vintage": np.frombuffer(bytes.fromhex(self._checksum()), np.uint8).copy()}

    def set_state(self, state: State) -> None:
        """Set the coefficients.

        Raises
        ------
        StoreConfigurationError
            If the stored model's vintage is not the one that they belong to.
        """
        self._backbone = self._stored.vintage_at(self.trained_through_)
        super().set_state({name: array for name, array in state.items() if name != "vintage"})
        if state["vintage"].tobytes().hex() != self._checksum():
            raise StoreConfigurationError(
                f"recalibrated on another model than the one in {self.store} trained through "
                f"{self._backbone.trained_through_.date()}; recalibrate into another folder: "
                "volplugin transfer --recalibrate FOLDER"
            )

    def _checksum(self) -> str:
        return str(self._stored.store.manifest(self._backbone.trained_through_).checksum)

    def __getstate__(self) -> dict[str, object]:
        """Return everything but the open store."""
        return {name: value for name, value in super().__getstate__().items() if name != "_loaded"}
