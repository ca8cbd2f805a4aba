"""The equal-weight portfolio under several volatility models, with one correlation for all of them.

Two forecasts of the portfolio then differ by the volatilities alone. Correlations are processed one after the other and
not stored: 500 assets at every session of a decade would need gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from volplugin.data.panel import PricePanel
from volplugin.errors import InsufficientHistoryError, require_type
from volplugin.evaluation.forecasts import PortfolioForecasts, portfolio_returns

Portfolios = dict[int, dict[str, PortfolioForecasts]]
"""Forecasts of one portfolio by horizon and model."""


class EqualWeightPortfolios:
    """Forecasts of the portfolio by each model, ``w' D R D w``, from every origin with a correlation.

    Parameters
    ----------
    forecasts : DataFrame, columns (model, horizon, asset)
        Daily volatility by origin, from `forecast_table`.
    panel : PricePanel
        For the portfolio's returns.
    """

    def __init__(self, forecasts: pd.DataFrame, panel: PricePanel) -> None:
        require_type(forecasts, pd.DataFrame, "forecasts")
        require_type(panel, PricePanel, "panel")
        self._panel, self._origins = panel, forecasts.index
        self._models = list(forecasts.columns.get_level_values("model").unique())
        self._horizons = list(forecasts.columns.get_level_values("horizon").unique())
        pairs = [[(horizon, model) for model in self._models] for horizon in self._horizons]
        wanted = [[[(model, horizon, asset) for asset in panel.assets] for horizon, model in row] for row in pairs]
        shape = len(self._horizons), len(self._models), len(panel.assets)
        flat = [key for row in wanted for keys in row for key in keys]
        self._place = forecasts.columns.get_indexer(pd.MultiIndex.from_tuples(flat)).reshape(shape)
        self._sigma = forecasts.to_numpy(dtype=float)
        self._weights = np.zeros((len(self._origins), len(self._horizons), len(panel.assets)))
        self._variance = np.full((len(self._origins), *shape[:2]), np.nan)

    def take(self, origin: pd.Timestamp, correlation: pd.DataFrame) -> None:
        """Add the assets' correlation, estimated with data through an origin; other dates are ignored."""
        row = int(self._origins.get_indexer([origin])[0])
        if row < 0:
            return
        own = self._panel.assets.get_indexer(correlation.index)
        known = own >= 0
        rho = correlation.to_numpy()[np.ix_(known, known)]
        place = self._place[..., own[known]]
        sigma = np.where(place >= 0, self._sigma[row][place], np.nan)
        held = np.isfinite(sigma).all(axis=1) & np.isfinite(np.diagonal(rho))
        weights = held / np.maximum(held.sum(axis=1, keepdims=True), 1)
        exposure = weights[:, None, :] * np.where(held[:, None, :], sigma, 0.0)
        variance = ((exposure @ np.nan_to_num(rho)) * exposure).sum(axis=-1)
        self._variance[row] = np.where(held.any(axis=1)[:, None], variance, np.nan)
        self._weights[row][:, own[known]] = weights

    def by_horizon(self) -> Portfolios:
        """Return the forecasts, of one portfolio for all models of a horizon.

        At each origin the portfolio has the same weight in every asset with a correlation and a forecast of each model;
        its returns are simple returns.

        Raises
        ------
        InsufficientHistoryError
            If no origin has an asset that all models forecast.
        """
        found: Portfolios = {}
        for place, horizon in enumerate(self._horizons):
            weights = self._weights[:, place]
            there = weights.any(axis=1)
            if not there.any():
                raise InsufficientHistoryError(
                    f"horizon {horizon}: no session with a forecast of every model for some asset"
                )
            portfolios = pd.DataFrame(weights[there], self._origins[there], self._panel.assets)
            returns = portfolio_returns(self._panel.returns, portfolios)
            predicted = pd.DataFrame(np.sqrt(self._variance[:, place]), self._origins, self._models)
            found[horizon] = {
                model: PortfolioForecasts(
                    predicted[model].rename("predicted"), returns, horizon, periods=self._panel.periods_per_year
                )
                for model in self._models
            }
        return found


def equal_weight_portfolios(
    forecasts: pd.DataFrame, correlations: Iterable[tuple[pd.Timestamp, pd.DataFrame]], panel: PricePanel
) -> Portfolios:
    """`EqualWeightPortfolios` of a stream of correlations, by horizon.

    Parameters
    ----------
    forecasts, panel
        As `EqualWeightPortfolios` takes them.
    correlations : iterable of (origin, DataFrame of shape (n_assets, n_assets))
        Each made with data through its origin, such as ``((f.asof, f.correlation) for f in model.forecast_path(...))``.
    """
    portfolios = EqualWeightPortfolios(forecasts, panel)
    for origin, correlation in correlations:
        portfolios.take(origin, correlation)
    return portfolios.by_horizon()
