"""Volatility targeting in ml4t-backtest (https://github.com/ml4t/backtest).

    class Target(Strategy):
        def on_start(self, broker):
            self.provider = TargetVolatility(default_risk_model(), panel, 0.10)
            self.executor = TargetWeightExecutor(RebalanceConfig(min_weight_change=0.0))

        def on_data(self, timestamp, data, context, broker):
            weights = self.provider.get_weights(data, broker, timestamp)
            if weights is not None:
                self.executor.execute(weights, data, broker)

The class has the method of ml4t's ``WeightProvider`` protocol, and imports nothing of ml4t. Leverage above one needs
``allow_leverage=True`` in its configuration.

Timing: `timestamp` is the session whose close the strategy has seen; the forecast uses prices through it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from volplugin.adapters.targeting import SessionForecasts, TargetingRun, session_of
from volplugin.data.panel import PricePanel
from volplugin.portfolio import VolatilityTarget
from volplugin.risk.covariance import Weights
from volplugin.risk.model import RiskModel

__all__ = ["TargetVolatility"]


class TargetVolatility:
    """Weights that hold a portfolio at its target volatility; ask for them at every bar.

    Parameters
    ----------
    model : RiskModel
        Fitted, or with vintages.
    panel : PricePanel
        Prices from well before the run through its last session, with the names of the feed.
    rule : VolatilityTarget or float
        A float is the target, *annual*: 0.10 is ten percent a year.
    weights : Series or mapping of asset to weight, optional
        Wanted composition, at any leverage; equal weights of the assets with a bar by default.
    frequency : {"daily", "weekly", "monthly"}, default "daily"
        How often to rebalance; the rule's `guard` rebalances early.
    missing : {"raise", "drop"}, default "raise"
        What to do with a wanted asset that has no forecast, or does not trade: raise, or leave it out.
    """

    def __init__(
        self,
        model: RiskModel,
        panel: PricePanel,
        rule: VolatilityTarget | float,
        weights: Weights | None = None,
        frequency: str = "daily",
        missing: str = "raise",
    ) -> None:
        self.forecasts = SessionForecasts(model, panel)
        self._run = TargetingRun(rule, weights, frequency, missing)

    def get_weights(
        self, data: Mapping[str, Mapping[str, Any]], broker: Any, timestamp: datetime
    ) -> dict[str, float] | None:
        """Return the weights to hold by asset, None to trade nothing.

        Parameters
        ----------
        data : mapping of asset to bar
            As handed to ``Strategy.on_data``.
        broker : ml4t.backtest.Broker
            As handed to ``Strategy.on_data``; read for positions and value.
        timestamp : datetime
            As handed to ``Strategy.on_data``; the protocol lacks it.

        Raises
        ------
        LookAheadError
            If the panel ends before `timestamp`.
        DataFrequencyError
            For bars of less than a day.
        MissingForecastError, AssetMismatchError, InsufficientHistoryError
            If a wanted asset has no forecast or no bar and `missing` is "raise", or if no asset has a forecast.
        """
        session, value = session_of(timestamp), broker.get_account_value()
        held = {
            asset: position.quantity * broker.get_multiplier(asset) * data[asset]["close"] / value
            for asset, position in broker.positions.items()
            if asset in data
        }
        scaled = self._run.weights(
            session,
            self.forecasts.before,
            self.forecasts.at(timestamp),
            pd.Index(list(data)),
            pd.Series(held, dtype=float),
            value,
        )
        return None if scaled is None else scaled.to_dict()
