"""The book that a running algorithm holds, and what is expected of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from volplugin.adapters.zipline.provider import RiskProvider
from volplugin.errors import InsufficientHistoryError
from volplugin.risk.covariance import CovarianceForecast
from volplugin.units import annualize


@dataclass(frozen=True)
class PortfolioRisk:
    """What is expected of a book over the sessions to come; volatilities are annual.

    Attributes
    ----------
    predicted_vol : float
        Of the modelled part of the book, 0 for a book of cash.
    contributions : dict of str to float
        How that splits over the stocks, by symbol.
    unmodelled : tuple of str
        Symbols held without a forecast.
    unmodelled_weight : float
        Sum of their absolute weights.
    """

    predicted_vol: float = np.nan
    contributions: Mapping[str, float] = field(default_factory=dict)
    unmodelled: tuple[str, ...] = ()
    unmodelled_weight: float = np.nan


@dataclass(frozen=True, eq=False)
class Holdings:
    """What a portfolio holds at the last prices.

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
        """Take in a portfolio as strategies and controls are handed it."""
        if not portfolio.portfolio_value > 0:
            return NOTHING_HELD
        weights = portfolio.current_portfolio_weights
        return cls([asset.symbol for asset in weights.index], weights.to_numpy())

    @classmethod
    def of_ledger(cls, ledger: Any) -> Holdings:
        """Take in a ledger as metrics are handed it: the same, of the exposures that zipline has summed up."""
        value = ledger.portfolio.portfolio_value
        if not value > 0:
            return NOTHING_HELD
        tracker = ledger.position_tracker
        return cls([asset.symbol for asset in tracker.positions], tracker.stats.position_exposure_array / value)

    @property
    def cash(self) -> float:
        """One less the sum of the weights."""
        return 1.0 - float(self.weights.sum())

    def drift_from(self, reference: Holdings) -> float:
        """Turnover, one way, that would bring this back to what was held; cash counts as a holding."""
        if self.symbols == reference.symbols:
            apart = float(np.abs(self.weights - reference.weights).sum())
        else:
            one, other = (dict(zip(held.symbols, held.weights.tolist(), strict=True)) for held in (self, reference))
            apart = sum(abs(one.get(symbol, 0.0) - other.get(symbol, 0.0)) for symbol in one.keys() | other.keys())
        return (apart + abs(self.cash - reference.cash)) / 2


NOTHING_HELD = Holdings([], np.empty(0))


class PortfolioRiskCalculator:
    """What a forecast says of the stocks of a book, looked up once for all weights that these may take.

    Parameters
    ----------
    forecast : CovarianceForecast, or None
        Labelled with symbols; without one nothing of the book is modelled.
    symbols : list of str
        Held, in order.
    """

    def __init__(self, forecast: CovarianceForecast | None, symbols: list[str]) -> None:
        self._forecast, self._symbols = forecast, symbols
        places = {} if forecast is None else forecast.places
        self._modelled = [symbol for symbol in self._symbols if symbol in places]
        self._unmodelled = tuple(symbol for symbol in self._symbols if symbol not in places)
        self._known = np.array([symbol in places for symbol in self._symbols], dtype=bool)
        if forecast is not None:
            place = [places[symbol] for symbol in self._modelled]
            self._sigma = forecast.volatility.to_numpy()[place]
            self._rho = forecast.correlation.to_numpy()[np.ix_(place, place)]

    def is_of(self, forecast: CovarianceForecast | None, symbols: list[str]) -> bool:
        """Whether this is what a forecast says of these stocks."""
        return forecast is self._forecast and symbols == self._symbols

    def risk(self, held: np.ndarray) -> PortfolioRisk:
        """Return the risk of the book at some weights, of the same stocks in the same order."""
        missing = float(np.abs(held[~self._known]).sum()) if self._unmodelled else 0.0
        if not self._modelled:
            return PortfolioRisk(0.0, {}, self._unmodelled, missing)
        contributions = self._contributions(held[self._known] if self._unmodelled else held)
        by_symbol = dict(zip(self._modelled, contributions.tolist(), strict=True))
        return PortfolioRisk(float(contributions.sum()), by_symbol, self._unmodelled, missing)

    def _contributions(self, held: np.ndarray) -> np.ndarray:
        """Annual contributions, as `CovarianceForecast.risk_contributions`, on arrays: this is asked every session."""
        exposure = held * self._sigma
        parts = exposure * (self._rho @ exposure)
        variance = parts.sum()
        return annualize(parts / np.sqrt(variance)) if variance > 0 else np.zeros(len(held))


def forecast_of(
    algorithm: Any, provider: RiskProvider, session: pd.Timestamp, symbols: list[str]
) -> CovarianceForecast | None:
    """Forecast at a close what can be forecast of a book; None if nothing can, or there is nothing."""
    if not symbols:
        return None
    try:
        return provider.forecast_at(algorithm, session, symbols)
    except InsufficientHistoryError:
        return None
