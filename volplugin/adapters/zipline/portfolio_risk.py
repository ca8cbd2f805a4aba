"""The portfolio that a running algorithm holds, and its predicted risk."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from volplugin.adapters.zipline.provider import RiskProvider
from volplugin.errors import InsufficientHistoryError
from volplugin.risk.covariance_path import CovarianceArrays
from volplugin.units import annualize


@dataclass(frozen=True)
class PortfolioRisk:
    """Predicted risk of a portfolio; volatilities are annual.

    Attributes
    ----------
    predicted_vol : float
        Of the stocks with a forecast; 0 for a portfolio of cash.
    contributions : dict of str to float
        Contribution of each stock to `predicted_vol`, by symbol.
    unmodelled : tuple of str
        Symbols held without a forecast.
    unmodelled_weight : float
        Sum of their absolute weights.
    market_vol : float
        Volatility from the market alone: beta times the volatility of the equal-weight portfolio of all stocks with a
        forecast, with the sign of beta.
    """

    predicted_vol: float = np.nan
    contributions: Mapping[str, float] = field(default_factory=dict)
    unmodelled: tuple[str, ...] = ()
    unmodelled_weight: float = np.nan
    market_vol: float = 0.0


@dataclass(frozen=True, eq=False)
class Holdings:
    """The stocks of a portfolio and their weights at the last prices.

    Attributes
    ----------
    symbols : list of str
        In zipline's order; none for a portfolio that is worth nothing.
    weights : ndarray of shape (n_symbols,)
        Fractions of the portfolio's value.
    """

    symbols: list[str]
    weights: np.ndarray

    @classmethod
    def of_portfolio(cls, portfolio: Any) -> Holdings:
        """Read the portfolio that zipline passes to strategies and controls."""
        if not portfolio.portfolio_value > 0:
            return NOTHING_HELD
        weights = portfolio.current_portfolio_weights
        return cls([asset.symbol for asset in weights.index], weights.to_numpy())

    @classmethod
    def of_ledger(cls, ledger: Any) -> Holdings:
        """Read the ledger that zipline passes to metrics, from the exposures that it has computed already."""
        value = ledger.portfolio.portfolio_value
        if not value > 0:
            return NOTHING_HELD
        tracker = ledger.position_tracker
        return cls([asset.symbol for asset in tracker.positions], tracker.stats.position_exposure_array / value)

    @cached_property
    def cash(self) -> float:
        """One less the sum of the weights."""
        return 1.0 - float(self.weights.sum())

    def drift_from(self, reference: Holdings) -> float:
        """Return the one-way turnover that would restore another portfolio; cash counts as a holding."""
        if self.symbols == reference.symbols:
            apart = float(np.abs(self.weights - reference.weights).sum())
        else:
            one, other = (dict(zip(held.symbols, held.weights.tolist(), strict=True)) for held in (self, reference))
            apart = sum(abs(one.get(symbol, 0.0) - other.get(symbol, 0.0)) for symbol in one.keys() | other.keys())
        return (apart + abs(self.cash - reference.cash)) / 2


NOTHING_HELD = Holdings([], np.empty(0))


class PortfolioRiskCalculator:
    """Risk of a portfolio under a forecast, close after close, annual by some number of sessions per year.

    The places of the held stocks among the forecast assets are stored until either changes: looking them up takes
    longer than the risk itself.
    """

    def __init__(self, periods: float) -> None:
        self._periods = periods
        self._symbols: list[str] = []
        self._assets: pd.Index | None = None
        self._modelled: list[str] = []
        self._unmodelled: tuple[str, ...] = ()
        self._is_modelled = np.empty(0, dtype=bool)
        self._places = np.empty(0, dtype=int)

    def risk(self, covariance: CovarianceArrays | None, held: Holdings) -> PortfolioRisk:
        """Return the risk of a portfolio.

        Parameters
        ----------
        covariance : CovarianceArrays, or None
            Labelled with symbols; None if no stock held has a forecast.
        held : Holdings
        """
        self._locate(covariance, held)
        missing = float(np.abs(held.weights[~self._is_modelled]).sum()) if self._unmodelled else 0.0
        if covariance is None or not self._modelled:
            return PortfolioRisk(0.0, {}, self._unmodelled, missing)
        parts = self._variance_parts(covariance, held)
        volatility = math.sqrt(max(parts.sum(), 0.0))
        contributions = annualize(parts / volatility, self._periods) if volatility > 0 else np.zeros(len(parts))
        by_symbol = dict(zip(self._modelled, contributions.tolist(), strict=True))
        market = annualize(self._market_volatility(covariance, held), self._periods)
        return PortfolioRisk(annualize(volatility, self._periods), by_symbol, self._unmodelled, missing, market)

    def volatility(self, covariance: CovarianceArrays | None, held: Holdings) -> float:
        """Return the annual volatility alone."""
        self._locate(covariance, held)
        if covariance is None or not self._modelled:
            return 0.0
        return annualize(math.sqrt(max(self._variance_parts(covariance, held).sum(), 0.0)), self._periods)

    def _market_volatility(self, covariance: CovarianceArrays, held: Holdings) -> float:
        """Daily ``w' Sigma m / sqrt(m' Sigma m)`` with equal weights m of all stocks with a forecast."""
        own = covariance.volatility**2 - covariance.correlated**2
        exposure = covariance.correlated * (covariance.correlation @ covariance.correlated) + own
        weights = held.weights[self._is_modelled] if self._unmodelled else held.weights
        return float(weights @ exposure[self._places] / math.sqrt(exposure.sum()))

    def _variance_parts(self, covariance: CovarianceArrays, held: Holdings) -> np.ndarray:
        """Parts of the daily variance by stock held that has a forecast."""
        weights = np.zeros(len(covariance.volatility))
        weights[self._places] = held.weights[self._is_modelled] if self._unmodelled else held.weights
        return covariance.variance_parts(weights)[self._places]

    def _locate(self, covariance: CovarianceArrays | None, held: Holdings) -> None:
        assets = None if covariance is None else covariance.assets
        if assets is self._assets and held.symbols == self._symbols:
            return
        self._assets, self._symbols = assets, list(held.symbols)
        places = {} if assets is None else {asset: place for place, asset in enumerate(assets)}
        self._modelled = [symbol for symbol in held.symbols if symbol in places]
        self._unmodelled = tuple(symbol for symbol in held.symbols if symbol not in places)
        self._is_modelled = np.array([symbol in places for symbol in held.symbols], dtype=bool)
        self._places = np.array([places[symbol] for symbol in self._modelled], dtype=int)


def covariances_at_close(
    algorithm: Any, provider: RiskProvider, session: pd.Timestamp, symbols: list[str], *horizons: int
) -> list[CovarianceArrays] | list[None]:
    """Return the forecasts at a close by horizon; None without stocks, or if none of them has a forecast."""
    if symbols:
        with suppress(InsufficientHistoryError):
            return provider.arrays_at(algorithm, session, symbols, horizons)
    return [None] * len(horizons)
