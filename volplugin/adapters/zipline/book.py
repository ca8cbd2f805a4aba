"""The book that a running algorithm holds, and what is expected of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from volplugin.adapters.zipline.provider import RiskProvider
from volplugin.covariance import CovarianceForecast
from volplugin.errors import InsufficientHistoryError
from volplugin.units import annualize

CASH = "cash"


@dataclass(frozen=True)
class BookRisk:
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


def held_weights(portfolio: Any) -> dict[str, float]:
    """Weights by symbol, at the last prices, of a portfolio that is worth something; empty for one that is not."""
    value = portfolio.portfolio_value
    if not value > 0:
        return {}
    return {asset.symbol: held.amount * held.last_sale_price / value for asset, held in portfolio.positions.items()}


class Coverage:
    """What a forecast says of the stocks of a book, looked up once for all weights that these may take.

    Parameters
    ----------
    forecast : CovarianceForecast, or None
        Labelled with symbols; without one nothing of the book is modelled.
    symbols : iterable of str
        Held, in order.
    """

    def __init__(self, forecast: CovarianceForecast | None, symbols: Iterable[str]) -> None:
        self._forecast, self._symbols = forecast, list(symbols)
        places = {} if forecast is None else forecast.places
        self._modelled = [symbol for symbol in self._symbols if symbol in places]
        self._unmodelled = tuple(symbol for symbol in self._symbols if symbol not in places)
        self._known = np.array([symbol in places for symbol in self._symbols], dtype=bool)
        if forecast is not None:
            place = [places[symbol] for symbol in self._modelled]
            self._sigma = forecast.volatility.to_numpy()[place]
            self._rho = forecast.correlation.to_numpy()[np.ix_(place, place)]

    def is_of(self, forecast: CovarianceForecast | None, symbols: Iterable[str]) -> bool:
        """Whether this is what a forecast says of these stocks."""
        return forecast is self._forecast and list(symbols) == self._symbols

    def risk(self, weights: Mapping[str, float]) -> BookRisk:
        """Return the risk of the book at some weights, of the same stocks in the same order."""
        held = np.fromiter(weights.values(), dtype=float, count=len(weights))
        missing = float(np.abs(held[~self._known]).sum()) if self._unmodelled else 0.0
        if not self._modelled:
            return BookRisk(0.0, {}, self._unmodelled, missing)
        contributions = self._contributions(held[self._known] if self._unmodelled else held)
        by_symbol = dict(zip(self._modelled, contributions.tolist(), strict=True))
        return BookRisk(float(contributions.sum()), by_symbol, self._unmodelled, missing)

    def _contributions(self, held: np.ndarray) -> np.ndarray:
        """Annual contributions, as `CovarianceForecast.risk_contributions`, on arrays: this is asked every session."""
        exposure = held * self._sigma
        parts = exposure * (self._rho @ exposure)
        variance = parts.sum()
        return annualize(parts / np.sqrt(variance)) if variance > 0 else np.zeros(len(held))


def weight_drift(weights: Mapping[str, float], reference: Mapping[str, float]) -> float:
    """Turnover, one way, that would bring a book back to reference weights; cash counts as a holding."""
    one, other = ({**held, CASH: 1.0 - sum(held.values())} for held in (weights, reference))
    return sum(abs(one.get(name, 0.0) - other.get(name, 0.0)) for name in one.keys() | other.keys()) / 2


def forecast_of(
    algorithm: Any, provider: RiskProvider, session: pd.Timestamp, symbols: Iterable[str]
) -> CovarianceForecast | None:
    """Forecast at a close what can be forecast of a book; None if nothing can, or there is nothing."""
    held = list(symbols)
    if not held:
        return None
    try:
        return provider.forecast_at(algorithm, session, held)
    except InsufficientHistoryError:
        return None
