"""From prices to variance with a fitted LSTM: the steps that `LSTMVolatility` and its online predictor share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from volplugin.data.panel import PricePanel
from volplugin.volatility.features import (
    INPUT_SETS,
    MARKET,
    RECURRENT,
    Features,
    build_features,
    reference,
    without_market,
)
from volplugin.volatility.lstm.ensemble import Ensemble, Readout


def recurrent_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return the inputs of the recurrent layers, in the order of `names`."""
    return tuple(name for name in names if name in RECURRENT)


def panel_features(inputs: str, panel: PricePanel, market: PricePanel | None, first: int = 0, **table: Any) -> Features:
    """Return the inputs from row `first` on, computed from closes alone for ``inputs="closes"``.

    Parameters
    ----------
    inputs : {"all", "own", "closes"}
        Set of inputs of the model.
    panel : PricePanel
    market : PricePanel or None
        Reference universe of the market-wide inputs; None to leave them out.
    first : int, default 0
        First row wanted.
    **table
        Names and data type, as in `build_features`.
    """
    if inputs != "closes":
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
    bounds : ndarray of shape (2, 2)
        Least and greatest level inputs of the training data.
    inputs : str
        Set of inputs, a key of `INPUT_SETS`.
    window : int
        Least number of sessions that warm up the network's state.
    horizons : tuple of int
        Fitted horizons, in sessions.
    universe : list of str
        Assets of the reference universe.
    """

    ensemble: Ensemble
    readout: Readout
    factor: np.ndarray
    no_market_coef: np.ndarray
    bounds: np.ndarray
    inputs: str
    window: int
    horizons: tuple[int, ...]
    universe: list[str]

    @property
    def names(self) -> tuple[str, ...]:
        """Inputs of the linear skip, in order."""
        return INPUT_SETS[self.inputs]

    def reference(self, panel: PricePanel) -> PricePanel | None:
        """Return the assets whose means are the market-wide inputs; None if the model or the panel has none."""
        return None if set(self.names).isdisjoint(MARKET) else reference(panel, self.universe)

    def features(self, panel: PricePanel, market: PricePanel | None, first: int = 0) -> Features:
        """Return the inputs of a panel from row `first` on."""
        return panel_features(self.inputs, panel, market, first)

    def recurrent(self, features: Features) -> np.ndarray:
        """Return the inputs of the recurrent layers, of shape (n_sessions, n_assets, n_recurrent)."""
        return features.take(recurrent_names(self.names))

    def fitted_variance(self, features: Features, panel: PricePanel, first: int) -> np.ndarray:
        """Return the mean daily variance at the fitted horizons, from row `first` on.

        Returns
        -------
        ndarray of shape (n_sessions, n_assets, n_horizons)
            NaN before `first` and in rows without inputs.
        """
        hidden = self.ensemble.encode(self.recurrent(features), panel.assets, panel.sessions, self.window, first)
        return self.variance(hidden, features, panel.assets)

    def variance(self, hidden: np.ndarray, features: Features, assets: pd.Index) -> np.ndarray:
        """Return the mean daily variance at the fitted horizons from the hidden units of the networks.

        Parameters
        ----------
        hidden : ndarray of shape (n_sessions, n_assets, n_hidden)
        features : Features
            Of the same sessions and assets.
        assets : Index of length n_assets
        """
        if set(self.names) <= set(features.names):
            names, readout, factor = self.names, self.readout, self.factor
        else:
            # The panel lacks the reference universe: coefficients fitted without market-wide inputs.
            names, readout, factor = (
                without_market(self.names),
                self.ensemble.alone(self.no_market_coef),
                self.no_market_coef[-1],
            )
        # The readout gives log variance relative to the slow level `base`; the factor is the rescale.
        ratio = np.exp(readout(hidden, features.take(names, self.bounds), assets)) * factor
        return ratio * features.base[..., None]
