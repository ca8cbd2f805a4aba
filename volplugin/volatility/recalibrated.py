"""The shipped models refitted to another market: market terms and level from local data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.base import clone

from volplugin.data.panel import PricePanel
from volplugin.errors import PanelError, StoreConfigurationError
from volplugin.volatility.base import State
from volplugin.volatility.bias_correction import close_to_close_ratio, forward_variance
from volplugin.volatility.combination import Paths
from volplugin.volatility.features import Features
from volplugin.volatility.har import TERMS, HARVolatility
from volplugin.volatility.reference import reference, with_reference
from volplugin.volatility.term_structure import FITTED_HORIZONS

BACKBONE = tuple(f"backbone_{horizon}" for horizon in FITTED_HORIZONS)
"""Regressors: log variance that the stored model forecasts, relative to the slow level, at each horizon."""


PRIOR = np.array([4.0, 1.0, 0.25])
"""Weights before any loss, up to scale: the stored model is trained on far more stocks than the local members, and the
regression has the most parameters."""

FIRST_REFIT, REFIT, REFITS = 500, 126, 10
"""Sessions that the first past refit needs, sessions between two, and most past refits: the last five years."""

TEMPERATURE = 2.0
"""Divisor of the Gaussian log likelihood behind the weights, since returns have fat tails and losses last for months.
It and `PRIOR` were chosen on markets that no benchmark judges."""


class RecalibratedVolatility(HARVolatility):
    """Geometric blend of a stored model, a local HAR, and a regression on the forecasts and terms of both.

    The stored model, such as the shipped one, was trained on another market. The regression refits its level and its
    market terms on its event-free forecast, since earnings seasons differ. The newest of its vintages trained by the
    end of the local training span is used, and stays in use.

    All three are refitted half-yearly in the past and forecast the half-year after. A weight is proportional to
    `PRIOR` times exp(-L / 2T), with L the member's QLIKE summed over these sessions, a mean over assets, over the root
    of the horizon, since horizons overlap, and T `TEMPERATURE`. At a horizon the losses of the shorter ones, which have
    less noise, are added. With less than two and a half years the weights are the prior's.

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
    PanelError
        From a forecast on closes only, if fitted with open, high and low.

    References
    ----------
    Mincer and Zarnowitz (1969), The Evaluation of Economic Forecasts, on the regression of outcomes on forecasts;
    Yang (2004), Combining Forecasting Procedures, on the weights; Corsi (2009), eq. 11, as `HARVolatility`.

    Examples
    --------
    >>> from volplugin import simulated_panel
    >>> from volplugin.volatility import RecalibratedVolatility
    >>> panel = simulated_panel(3, "2011-01-03", "2014-06-30")
    >>> model = RecalibratedVolatility().fit(panel.asof("2013-12-31"))
    >>> model.predict(panel.asof("2014-01-31"), horizon=21).shape
    (3,)
    """

    load_store: ClassVar[Callable[[str], Any]]  # load_walk_forward, set in volplugin.volatility.pretrained

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
        self._fit_members(panel)
        self.weights_ = self._past_weights(panel)

    def _fit_members(self, panel: PricePanel) -> None:
        self._backbone = self._stored.vintage_at(panel.last_session)
        self.ranges_ = panel.has_ranges
        panel = with_reference(panel, self._backbone.universe_, panel.last_session)
        found = reference(panel, self._backbone.universe_)
        self.universe_ = self.universe_ if found is None else list(found.assets)
        self.local_ = HARVolatility("market").fit(panel, market=found)
        super()._fit(panel)

    def _past_weights(self, panel: PricePanel) -> np.ndarray:
        """Weights by member and fitted horizon, from forecasts of the sessions after each past refit."""
        target = forward_variance(panel, FITTED_HORIZONS, close_to_close_ratio(panel))
        last, loss = len(panel.sessions) - 1, np.zeros((3, len(FITTED_HORIZONS)))
        for cut in range(last - REFIT, max(FIRST_REFIT, last - REFITS * REFIT) - 1, -REFIT):
            known = panel.asof(panel.sessions[cut])
            if known.last_session < self._stored.vintage_dates()[0]:
                break
            past = clone(self)
            past._stored = self._stored
            past._describe(known)
            past._fit_members(known)
            past.trained_through_ = known.last_session
            ahead = past.with_reference(panel.asof(panel.sessions[cut + REFIT - 1])).tail(REFIT + past.lookback)
            paths = past._member_paths(ahead, FITTED_HORIZONS, len(ahead.sessions) - REFIT)
            frames = [[path[horizon].iloc[-REFIT:] for horizon in FITTED_HORIZONS] for path in paths]
            variance = np.square(np.moveaxis(np.array(frames), 1, -1))  # members, sessions, assets, horizons
            each = target[cut : cut + REFIT] / variance + np.log(variance)
            each = np.ma.masked_where(np.broadcast_to(~np.isfinite(each).all(axis=0), each.shape), each)
            loss += each.mean(axis=2).sum(axis=1).filled(0.0)
        evidence = -np.cumsum(loss / np.sqrt(FITTED_HORIZONS), axis=1) / (2 * TEMPERATURE)
        return softmax(np.log(PRIOR)[:, None] + evidence, axis=0)

    def _member_paths(self, panel: PricePanel, horizons: tuple[int, ...], first: int) -> tuple[Paths, ...]:
        """Forecasts of the stored model, the local HAR and the regression."""
        stored = self._backbone._paths(self._with_universe(panel), horizons, first)
        local = self.local_._paths(panel, horizons, first)
        return stored, local, super()._predict_paths(panel, horizons, first)

    def _predict_paths(self, panel: PricePanel, horizons: tuple[int, ...], first: int) -> Paths:
        if self.ranges_ and not panel.has_ranges:
            raise PanelError(
                f"{panel!r} has closes only, and the recalibration was fitted with open, high and low; bring them, or "
                "recalibrate on closes: volplugin transfer --recalibrate FOLDER"
            )
        panel = panel if self.ranges_ else panel.close_only()
        members = self._member_paths(panel, horizons, first)
        logs = {days: np.stack([np.log(path[days][panel.assets]) for path in members]) for days in horizons}
        weights = {days: [np.interp(abs(days), FITTED_HORIZONS, each) for each in self.weights_] for days in horizons}
        values = {days: np.exp(np.tensordot(weights[days], logs[days], axes=1)) for days in horizons}
        return {days: pd.DataFrame(values[days], panel.sessions, panel.assets) for days in horizons}

    def fallbacks(self, panel: PricePanel) -> dict[str, str]:
        """Report open, high and low that are not used, and missing market-wide inputs."""
        if self.ranges_ or not panel.has_ranges:
            return super().fallbacks(panel)
        text = "recalibrated on closes only, so they are not used; recalibrate on prices that have them"
        return super().fallbacks(panel) | {"open, high and low": text}

    def _with_universe(self, panel: PricePanel) -> PricePanel:
        """Return the panel with the recalibration's universe as its market: the stored model's inputs stay the same."""
        market = reference(panel, self.universe_)
        return panel if market is None else panel.with_market(market)

    def _inputs(self, panel: PricePanel, names: tuple[str, ...], first: int = 0) -> Features:
        local = tuple(name for name in names if name not in BACKBONE)
        features = super()._inputs(panel, local, first)
        paths = self._backbone._paths(self._with_universe(panel), tuple(-horizon for horizon in FITTED_HORIZONS), first)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = [
                2 * np.log(paths[-horizon].reindex(columns=panel.assets).to_numpy()) - np.log(features.base)
                for horizon in FITTED_HORIZONS
            ]
        values = np.concatenate([features.values, np.stack(logs, axis=-1)], axis=-1)
        return replace(features, values=values, names=(*features.names, *BACKBONE))

    @cached_property
    def _stored(self) -> Any:
        return RecalibratedVolatility.load_store(self.store)

    def get_state(self) -> State:
        """Return the coefficients, the weights, and the checksum of the stored model's vintage."""
        local = {f"local/{name}": array for name, array in self.local_.get_state().items()}
        vintage = np.frombuffer(bytes.fromhex(self._checksum()), np.uint8)
        own = {"weights": self.weights_, "vintage": vintage.copy(), "ranges": np.array([self.ranges_], np.uint8)}
        return super().get_state() | local | own

    def set_state(self, state: State) -> None:
        """Set the coefficients and the weights; raise StoreConfigurationError if they are of another stored model."""
        self._backbone = self._stored.vintage_at(self.trained_through_)
        if "ranges" not in state or state["vintage"].tobytes().hex() != self._checksum():
            raise StoreConfigurationError(
                f"recalibrated on another model than the one in {self.store} trained through "
                f"{self._backbone.trained_through_.date()}, or by an earlier version; recalibrate into another folder: "
                "volplugin transfer --recalibrate FOLDER"
            )
        local = {name.removeprefix("local/"): array for name, array in state.items() if name.startswith("local/")}
        self.local_ = HARVolatility("market").restore(local, self.trained_through_, self.assets_, self.universe_)
        self.weights_, self.ranges_ = state["weights"], bool(state["ranges"][0])
        super().set_state(state)

    def _checksum(self) -> str:
        return str(self._stored.store.manifest(self._backbone.trained_through_).checksum)

    def __getstate__(self) -> dict[str, object]:
        """Return everything but the open store."""
        return {name: value for name, value in super().__getstate__().items() if name != "_stored"}
