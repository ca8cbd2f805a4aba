"""The equal-weight book under several volatility models, with one correlation for all of them.

What differs between two forecasts of the book is then the volatilities alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from volplugin.errors import InsufficientHistoryError
from volplugin.evaluation.backtest import PortfolioForecasts, book_returns
from volplugin.panel import PricePanel


def equal_weight_books(
    forecasts: pd.DataFrame, correlations: Mapping[pd.Timestamp, pd.DataFrame], panel: PricePanel, horizon: int
) -> dict[str, PortfolioForecasts]:
    """Forecast of the book by each model, ``w' D R D w``, from every origin with a correlation matrix.

    Parameters
    ----------
    forecasts : DataFrame, columns (model, horizon, asset)
        Daily volatility by origin, from `forecast_table`.
    correlations : mapping of origin to DataFrame of shape (n_assets, n_assets)
        Made with data through the origin.
    panel : PricePanel
        For the book's returns.
    horizon : int
        One of the table's.

    Returns
    -------
    dict of model name to PortfolioForecasts
        Of one book: at each origin the same weight in every asset with a correlation and a forecast of each
        model. Simple returns, as a book earns them.

    Raises
    ------
    InsufficientHistoryError
        If no origin has an asset that all models forecast.
    """
    models = list(forecasts.columns.get_level_values("model").unique())
    sigma = {model: forecasts[model][horizon].reindex(columns=panel.assets).to_numpy() for model in models}
    rho = _aligned(correlations, forecasts.index, panel.assets)
    held = np.logical_and.reduce([np.isfinite(values) for values in sigma.values()])
    held &= np.isfinite(np.diagonal(rho, axis1=1, axis2=2))
    if not held.any():
        raise InsufficientHistoryError(f"horizon {horizon}: no session with a forecast of every model for some asset")
    there = held.any(axis=1)
    weights = np.where(held, 1 / np.maximum(held.sum(axis=1, keepdims=True), 1), 0.0)
    books = pd.DataFrame(weights[there], forecasts.index[there], panel.assets)
    returns = book_returns(panel.returns, books)
    found = {}
    for model, values in sigma.items():
        exposure = weights * np.where(held, values, 0.0)
        variance = np.einsum("ti,tij,tj->t", exposure, np.nan_to_num(rho), exposure)
        predicted = pd.Series(np.sqrt(variance), forecasts.index, name="predicted").where(there)
        found[model] = PortfolioForecasts(predicted, returns, horizon)
    return found


def _aligned(
    correlations: Mapping[pd.Timestamp, pd.DataFrame], origins: pd.DatetimeIndex, assets: pd.Index
) -> np.ndarray:
    """Correlations as an array, origins x assets x assets, NaN where there is none."""
    cube = np.full((len(origins), len(assets), len(assets)), np.nan)
    for place, origin in enumerate(origins):
        rho = correlations.get(origin)
        if rho is not None:
            own = assets.get_indexer(rho.index)
            known = own >= 0
            cube[place][np.ix_(own[known], own[known])] = rho.to_numpy()[np.ix_(known, known)]
    return cube
