"""From prices to variance with a fitted LSTM: the steps that `LSTMVolatility` and its online predictor share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from volplugin.data.panel import PricePanel
from volplugin.volatility.features import (
    CLOSES_ONLY,
    INPUT_SETS,
    MARKET,
    RECURRENT,
    Features,
    build_features,
    without_market,
    without_season,
)
from volplugin.volatility.long_horizons import TermStructure, all_horizons
from volplugin.volatility.lstm.ensemble import Ensemble, Readout
from volplugin.volatility.lstm.sequences import blocks
from volplugin.volatility.reference import reference
from volplugin.volatility.season import SEASON

PART_SEQUENCES = 500
"""Sequences whose hidden units are computed before they are mapped to forecasts: 25 MB."""


def recurrent_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return the inputs of the recurrent layers, in the order of `names`."""
    return tuple(name for name in names if name in RECURRENT)


def panel_features(inputs: str, panel: PricePanel, market: PricePanel | None, first: int = 0, **table: Any) -> Features:
    """Return the inputs from row `first` on, computed from closes alone for the sets of inputs in `CLOSES_ONLY`.

    Parameters
    ----------
    inputs : str
        Set of inputs of the model, a key of `INPUT_SETS`.
    panel : PricePanel
    market : PricePanel or None
        Reference universe of the market-wide inputs; None to leave them out.
    first : int, default 0
        First row wanted.
    **table
        Names and data type, as in `build_features`.
    """
    names = INPUT_SETS[inputs]
    table.setdefault("names", names if market is not None else tuple(name for name in names if name not in MARKET))
    if inputs not in CLOSES_ONLY:
        return build_features(panel, market, first, **table)
    closes = panel.close_only()
    return build_features(closes, closes if market is panel else market and market.close_only(), first, **table)


@dataclass(frozen=True)
class FittedLSTM:
    """The learned parameters of an `LSTMVolatility`, and the forecasts computed from them.

    Attributes
    ----------
    ensemble : Ensemble
        One network per seed, with the copies of single assets.
    readout : Readout
        From hidden units and inputs to log variance relative to the slow level.
    factor : ndarray of shape (n_horizons,)
        Rescale of the variance.
    no_market_coef : ndarray of shape (1 + n_horizons + n_inputs + 1, n_horizons)
        Coefficients used without market-wide inputs; their rescale is the last row.
    no_season_coef : ndarray of shape (1 + n_horizons + n_inputs + 1, n_horizons) or None
        Coefficients of the event-free forecast; None for models without inputs of the earnings season.
    reversion : TermStructure or None
        Term structure beyond the last fitted horizon; None to hold the variance of the last stretch.
    bounds : ndarray of shape (2, 2)
        Least and greatest level inputs of the training data.
    inputs : str
        Set of inputs, a key of `INPUT_SETS`.
    window : int
        Least number of sessions that warm up the network's state.
    fitted_horizons : tuple of int
        In sessions.
    universe : list of str
        Assets of the reference universe.
    tuned_readout : bool
        Whether single assets have a readout of their own, with the shared networks.
    """

    ensemble: Ensemble
    readout: Readout
    factor: np.ndarray
    no_market_coef: np.ndarray
    no_season_coef: np.ndarray | None
    reversion: TermStructure | None
    bounds: np.ndarray
    inputs: str
    window: int
    fitted_horizons: tuple[int, ...]
    universe: list[str]
    tuned_readout: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Inputs of the linear skip, in order."""
        return INPUT_SETS[self.inputs]

    @property
    def horizons(self) -> tuple[int, ...]:
        """Horizons in sessions that forecasts are interpolated between: the fitted ones and longer ones."""
        return all_horizons(self.fitted_horizons, self.reversion)

    @property
    def event_aware(self) -> bool:
        """Whether there is an event-free forecast."""
        return self.no_season_coef is not None

    def reference(self, panel: PricePanel) -> PricePanel | None:
        """Return the assets whose means are the market-wide inputs; None if the model or the panel has none."""
        return None if set(self.names).isdisjoint(MARKET) else reference(panel, self.universe)

    def features(self, panel: PricePanel, market: PricePanel | None, first: int = 0) -> Features:
        """Return the inputs of a panel from row `first` on."""
        return panel_features(self.inputs, panel, market, first)

    def recurrent(self, features: Features, quiet: bool = False) -> np.ndarray:
        """Return the inputs of the recurrent layers, of shape (n_sessions, n_assets, n_recurrent).

        If `quiet`, the inputs of the earnings season are zero, in rows where the other inputs are not missing.
        """
        names = recurrent_names(self.names)
        x = features.take(names)
        return np.where([name in SEASON for name in names], 0.0 * x, x) if quiet else x

    def fitted_variance(self, features: Features, panel: PricePanel, first: int, quiet: bool = False) -> np.ndarray:
        """Return the mean daily variance at `horizons`, from row `first` on; event-free if `quiet`.

        Returns
        -------
        ndarray of shape (n_sessions, n_assets, n_horizons)
            NaN before `first` and in rows without inputs.
        """
        x, sessions = self.recurrent(features, quiet), panel.sessions
        found = np.full((*features.base.shape, len(self.horizons)), np.nan)
        # In parts: the hidden units of all sessions would be the largest array of a vintage.
        spans, count = blocks(sessions, self.window, first), max(1, PART_SEQUENCES // len(panel.assets))
        for part in (spans[begin : begin + count] for begin in range(0, len(spans), count)):
            rows, answers = slice(part[0].begin, part[-1].stop), slice(part[0].answer, part[-1].stop)
            hidden = self.ensemble.encode(
                x[rows], panel.assets, sessions[rows], self.window, answers.start - rows.start
            )
            known = replace(features, values=features.values[answers], base=features.base[answers])
            found[answers] = self.variance(hidden, known, panel.assets, quiet)
        return found

    def variance(self, hidden: np.ndarray, features: Features, assets: pd.Index, quiet: bool = False) -> np.ndarray:
        """Return the mean daily variance at `horizons` from the hidden units of the networks; event-free if `quiet`.

        Parameters
        ----------
        hidden : ndarray of shape (n_sessions, n_assets, n_hidden)
        features : Features
            Of the same sessions and assets.
        assets : Index of length n_assets
        """
        names, readout, factor, table = self.names, self.readout, self.factor, None
        own: np.ndarray | float = 0.0
        if not set(self.names) <= set(features.names):
            # The panel lacks the reference universe: coefficients fitted without market-wide inputs.
            names, table = without_market(self.names), self.no_market_coef
        elif quiet and self.no_season_coef is not None:
            names, table = without_season(self.names), self.no_season_coef
            own = self._own_difference(hidden, features, assets)
        if table is not None:
            readout, factor = self.ensemble.alone(table), table[-1]
        # The readout gives log variance relative to the slow level `base`; the factor is the rescale.
        log_ratio = readout(hidden, features.take(names, self.bounds), assets) + own
        variance = np.exp(log_ratio) * factor * features.base[..., None]
        if self.reversion is None:
            return variance
        level = features.take(("level",))[..., 0]
        return self.reversion.extend(variance, features.base, level, self.fitted_horizons[-1])

    def _own_difference(self, hidden: np.ndarray, features: Features, assets: pd.Index) -> np.ndarray | float:
        """Log ratio of each asset's own readout to the shared one, with the season's inputs at zero."""
        if not self.tuned_readout or self.readout.own.keys().isdisjoint(map(str, assets)):
            return 0.0
        x = features.take(self.names, self.bounds)
        x = np.where([name in SEASON for name in self.names], 0.0, x)
        return self.readout.own_difference()(hidden, x, assets)
