"""The portfolio that a running algorithm holds, and its predicted risk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from volplugin.risk.covariance_path import CovarianceArrays
from volplugin.units import annualize


@dataclass(frozen=True)
class PortfolioRisk:
    """Predicted risk of a portfolio, annual, by the names of the columns that `metrics` describes."""

    predicted_vol: float = np.nan
    predicted_vol_market: float = np.nan
    predicted_vol_horizon: float = np.nan
    risk_contributions: Mapping[str, float] = field(default_factory=dict)
    unmodelled: tuple[str, ...] = ()
    unmodelled_weight: float = np.nan


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


def portfolio_risks(
    *covariances: Sequence[CovarianceArrays | None], held: Sequence[Holdings], periods: float
) -> list[PortfolioRisk]:
    """Return the risk of portfolios of the same stocks, each under a forecast of the same assets.

    Parameters
    ----------
    *covariances : sequence of CovarianceArrays, or of None
        For the next session, and for a longer horizon if there is one; labelled with symbols, None if no stock held
        has a forecast.
    held : sequence of Holdings
    periods : float
        Sessions per year.
    """
    first, symbols, weights = covariances[0][0], held[0].symbols, np.stack([one.weights for one in held])
    places = {} if first is None else {asset: place for place, asset in enumerate(first.assets)}
    is_modelled = np.array([symbol in places for symbol in symbols], dtype=bool)
    modelled = [symbol for symbol in symbols if symbol in places]
    unmodelled = tuple(symbol for symbol in symbols if symbol not in places)
    missing = np.abs(weights[:, ~is_modelled]).sum(axis=1).tolist()
    if first is None or not modelled:
        return [PortfolioRisk(0.0, 0.0, 0.0, {}, unmodelled, weight) for weight in missing]
    at, whole = [places[symbol] for symbol in modelled], np.zeros((len(held), len(places)))
    whole[:, at] = weights[:, is_modelled]
    variances = [_each(forecasts, CovarianceArrays.variance_parts, whole).take(at, axis=1) for forecasts in covariances]
    volatilities = [np.sqrt(np.maximum(parts.sum(axis=1), 0.0)) for parts in variances]
    parts, volatility, longer = variances[0], volatilities[0], volatilities[-1]
    contributions = np.divide(parts, volatility[:, None], out=np.zeros_like(parts), where=volatility[:, None] > 0)
    # The market is the portfolio of equal weights m: w' Sigma m / sqrt(m' Sigma m).
    exposure = _each(covariances[0], _exposures, whole)
    market = (whole * exposure).sum(axis=1) / np.sqrt(exposure.sum(axis=1))
    levels = annualize(np.stack([volatility, market, longer], axis=1), periods).tolist()
    shares = annualize(contributions, periods).tolist()
    return [
        PortfolioRisk(own, of_market, of_horizon, dict(zip(modelled, share, strict=True)), unmodelled, weight)
        for (own, of_market, of_horizon), share, weight in zip(levels, shares, missing, strict=True)
    ]


def _each(
    covariances: Sequence[CovarianceArrays | None],
    function: Callable[[CovarianceArrays, np.ndarray], np.ndarray],
    weights: np.ndarray,
) -> np.ndarray:
    return np.stack([function(one, row) for one, row in zip(covariances, weights, strict=True) if one is not None])


def _exposures(covariance: CovarianceArrays, _: np.ndarray) -> np.ndarray:
    """Daily covariance of each asset with the sum of all."""
    own = covariance.volatility**2 - covariance.correlated**2
    return np.asarray(covariance.correlated * (covariance.correlation @ covariance.correlated) + own)
