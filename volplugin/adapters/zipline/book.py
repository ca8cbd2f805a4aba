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


def book_risk(forecast: CovarianceForecast | None, weights: Mapping[str, float]) -> BookRisk:
    """Return the risk of a book by a forecast labelled with symbols; without one, nothing of it is modelled."""
    symbols = list(weights)
    held = np.array([weights[symbol] for symbol in symbols], dtype=float)
    places = {} if forecast is None else forecast.places
    place = np.array([places.get(symbol, -1) for symbol in symbols], dtype=int)
    known = place >= 0
    unmodelled = tuple(symbol for symbol, there in zip(symbols, known, strict=True) if not there)
    missing = float(np.abs(held[~known]).sum())
    if forecast is None or not known.any():
        return BookRisk(0.0, {}, unmodelled, missing)
    contributions = _contributions(forecast, place[known], held[known])
    modelled = (symbol for symbol, there in zip(symbols, known, strict=True) if there)
    return BookRisk(
        float(contributions.sum()), dict(zip(modelled, contributions.tolist(), strict=True)), unmodelled, missing
    )


def _contributions(forecast: CovarianceForecast, place: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Annual contributions, as `CovarianceForecast.risk_contributions`, on arrays: this is asked every session."""
    exposure = weights * forecast.volatility.to_numpy()[place]
    parts = exposure * (forecast.correlation.to_numpy()[np.ix_(place, place)] @ exposure)
    variance = parts.sum()
    return annualize(parts / np.sqrt(variance)) if variance > 0 else np.zeros(len(weights))


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
