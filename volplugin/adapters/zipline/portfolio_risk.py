"""The portfolio that a running algorithm holds, and its predicted risk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any, NamedTuple

import numpy as np

from volplugin.risk.covariance_path import CovarianceArrays, variance_parts
from volplugin.units import annualize


class PortfolioRisk(NamedTuple):
    """Predicted risk of a portfolio, annual, by the names of the columns that `metrics` describes."""

    predicted_vol: float = np.nan
    predicted_vol_market: float = np.nan
    predicted_vol_specific: float = np.nan
    predicted_vol_horizon: float = np.nan
    risk_contributions: Mapping[str, float] = {}
    unmodelled: tuple[str, ...] = ()
    unmodelled_weight: float = np.nan


@dataclass(frozen=True, eq=False, slots=True)
class Holdings:
    """The stocks of a portfolio and their weights at the last prices.

    Attributes
    ----------
    assets : list of zipline Equity
        In zipline's order; none for a portfolio that is worth nothing.
    weights : ndarray of shape (n_assets,)
        Fractions of the portfolio's value.
    """

    assets: list[Any]
    weights: np.ndarray

    @classmethod
    def of_portfolio(cls, portfolio: Any) -> Holdings:
        """Read the portfolio that zipline passes to strategies and controls."""
        if not portfolio.portfolio_value > 0:
            return NOTHING_HELD
        weights = portfolio.current_portfolio_weights
        return cls(list(weights.index), weights.to_numpy())

    @classmethod
    def of_ledger(cls, ledger: Any) -> Holdings:
        """Read the ledger that zipline passes to metrics, from the exposures that it has computed already."""
        value = ledger.portfolio.portfolio_value
        if not value > 0:
            return NOTHING_HELD
        tracker = ledger.position_tracker
        return cls(list(tracker.positions), tracker.stats.position_exposure_array / value)


NOTHING_HELD = Holdings([], np.empty(0))


def cash_and_drift(held: Sequence[Holdings], reference: Holdings) -> list[list[float]]:
    """Return one less the sum of each portfolio's weights, and the one-way turnover to the weights of another one.

    Cash counts as a holding.
    """
    rows = [*held, reference]
    places = {asset: place for place, asset in enumerate(dict.fromkeys(chain(*(one.assets for one in rows))))}
    weights = np.zeros((len(rows), len(places) + 1))
    for assets, same in groupby(zip(rows, weights, strict=True), lambda pair: pair[0].assets):
        at = [places[asset] for asset in assets]
        for one, row in same:
            row[at] = one.weights
    weights[:, -1] = 1 - weights.sum(axis=1)
    drift = np.abs(weights[:-1] - weights[-1]).sum(axis=1) / 2
    return np.stack([weights[:-1, -1], drift], axis=1).tolist()


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
    first, weights = covariances[0][0], np.stack([one.weights for one in held])
    symbols = [asset.symbol for asset in held[0].assets]
    is_modelled, at, whole = _placed(first, symbols, weights)
    modelled = [symbol for symbol, one in zip(symbols, is_modelled, strict=True) if one]
    unmodelled = tuple(symbol for symbol, one in zip(symbols, is_modelled, strict=True) if not one)
    missing = np.abs(weights[:, ~is_modelled]).sum(axis=1).tolist()
    if not modelled:
        return [PortfolioRisk(0.0, 0.0, 0.0, 0.0, {}, unmodelled, weight) for weight in missing]
    # The market is the portfolio of equal weights m: w' Sigma m / sqrt(m' Sigma m).
    of_all, exposure = variance_parts(covariances[0], whole, np.ones_like(whole))
    parts = of_all.take(at, axis=1)
    variances = [parts.sum(axis=1)]
    for ahead in covariances[1:]:
        place, of_ahead = at, whole
        if ahead[0] is None or first is None or ahead[0].assets is not first.assets:
            _, place, of_ahead = _placed(ahead[0], symbols, weights)
        variances.append(variance_parts(ahead, of_ahead)[0].take(place, axis=1).sum(axis=1))
    volatility, longer = np.sqrt(np.maximum([variances[0], variances[-1]], 0.0))
    contributions = np.divide(parts, volatility[:, None], out=np.zeros_like(parts), where=volatility[:, None] > 0)
    of_market = (whole * exposure).sum(axis=1) / np.sqrt(exposure.sum(axis=1))
    specific = np.sqrt(np.maximum(volatility**2 - of_market**2, 0.0))
    levels = annualize(np.stack([volatility, of_market, specific, longer], axis=1), periods).tolist()
    shares = annualize(contributions, periods).tolist()
    return [
        PortfolioRisk(predicted, market, rest, ahead, dict(zip(modelled, share, strict=True)), unmodelled, weight)
        for (predicted, market, rest, ahead), share, weight in zip(levels, shares, missing, strict=True)
    ]


def _placed(
    covariance: CovarianceArrays | None, symbols: list[str], weights: np.ndarray
) -> tuple[np.ndarray, list[int], np.ndarray]:
    """Return which symbols have a forecast, their places among its assets, and the weights of all its assets."""
    places = {} if covariance is None else {asset: place for place, asset in enumerate(covariance.assets)}
    is_modelled = np.array([symbol in places for symbol in symbols], dtype=bool)
    at, whole = [places[symbol] for symbol in symbols if symbol in places], np.zeros((len(weights), len(places)))
    whole[:, at] = weights[:, is_modelled]
    return is_modelled, at, whole
