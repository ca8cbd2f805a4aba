"""Forecasts of several models and their outcomes, on exactly the same stock-days."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from volplugin.data.panel import PricePanel
from volplugin.errors import AssetMismatchError, InsufficientHistoryError, ParameterError, require_type
from volplugin.evaluation.inputs import check_zones, checked_frame
from volplugin.evaluation.losses import PROXY_CALIBRATION_END, range_variance, realized_variance
from volplugin.units import TRADING_DAYS


@dataclass(frozen=True, eq=False)
class EvaluationSample:
    """Forecasts of one horizon and realised variances, on the same stock-days for all models.

    Attributes
    ----------
    horizon : int
        Sessions that each forecast covers.
    variance : dict of model name to DataFrame of shape (n_origins, n_assets)
        Daily variance that was forecast.
    outcome : DataFrame of shape (n_origins, n_assets)
        Mean squared return of the sessions covered.
    smooth : DataFrame of shape (n_origins, n_assets)
        Mean of the scaled range proxy over them, known where the outcome is or not.
    returns : DataFrame of shape (n_sessions, n_assets)
        Daily log returns of the panel.
    left_out : int
        Stock-days with an outcome that some models, but not all, had a forecast for.
    periods : float
        Sessions per year, for annual figures.

    All but `smooth` and `returns` are NaN on every stock-day that is not scored.
    """

    horizon: int
    variance: dict[str, pd.DataFrame]
    outcome: pd.DataFrame
    smooth: pd.DataFrame
    returns: pd.DataFrame
    left_out: int
    periods: float = TRADING_DAYS

    @property
    def stock_days(self) -> int:
        """How many stock-days are scored."""
        return int(self.outcome.notna().to_numpy().sum())

    def scored(self, volatility: pd.DataFrame) -> pd.DataFrame:
        """Return the variance of some other forecast on the scored stock-days."""
        frame = volatility.reindex(index=self.outcome.index, columns=self.outcome.columns) ** 2
        return frame.where(self.outcome.notna())


def scored_samples(
    forecasts: pd.DataFrame,
    panel: PricePanel,
    horizons: Iterable[int] | None = None,
    calibrated_through: str | pd.Timestamp = PROXY_CALIBRATION_END,
) -> dict[int, EvaluationSample]:
    """Sample of each horizon.

    Parameters
    ----------
    forecasts : DataFrame, columns (model, horizon, asset)
        Daily volatility by origin, from `forecast_table`.
    panel : PricePanel
        Prices through the last origin's horizon; origins whose outcome is not complete are not scored.
    horizons : iterable of int, optional
        Some of the table's horizons; all if not given.
    calibrated_through : date, default 2009-12-31
        Last session that sets the scale of the range proxy.

    Raises
    ------
    InsufficientHistoryError
        If for a horizon no stock-day has an outcome and a forecast of every model.
    ParameterError
        For columns that are not (model, horizon, asset), a repeated origin, and a forecast that is not positive.
    AssetMismatchError
        For an asset that the panel lacks.
    """
    require_type(forecasts, pd.DataFrame, "forecasts")
    require_type(panel, PricePanel, "panel")
    if list(forecasts.columns.names) != ["model", "horizon", "asset"]:
        raise ParameterError("the columns are not (model, horizon, asset); make the table with forecast_table")
    forecasts = checked_frame(forecasts, "forecasts")
    if (forecasts <= 0).to_numpy().any():
        raise ParameterError("a forecast volatility is not positive; leave missing forecasts NaN, never zero")
    check_zones(forecasts=forecasts, panel=panel.close)
    unknown = forecasts.columns.unique("asset").difference(panel.assets)
    if len(unknown):
        raise AssetMismatchError(f"the panel has no {unknown[0]}, which the table forecasts; pass the panel of both")
    present = [int(h) for h in forecasts.columns.get_level_values("horizon").unique()]
    wanted = present if horizons is None else list(horizons)
    absent = sorted(set(wanted) - set(present))
    if absent:
        raise ParameterError(f"no forecasts of horizon {absent[0]} in the table; it holds {present}")
    return {horizon: _sample(forecasts, panel, horizon, calibrated_through) for horizon in wanted}


def _sample(
    forecasts: pd.DataFrame, panel: PricePanel, horizon: int, calibrated_through: str | pd.Timestamp
) -> EvaluationSample:
    models = list(forecasts.columns.get_level_values("model").unique())
    variance = {model: forecasts[model][horizon].reindex(columns=panel.assets) ** 2 for model in models}
    outcome, smooth = (
        frame.reindex(forecasts.index)
        for frame in (
            realized_variance(panel.returns, horizon),
            range_variance(panel, horizon, calibrated_through),
        )
    )
    forecast_here = [frame.notna() for frame in variance.values()]
    every = np.logical_and.reduce(forecast_here) & outcome.notna()
    some = np.logical_or.reduce(forecast_here) & outcome.notna()
    if not every.to_numpy().any():
        raise InsufficientHistoryError(
            f"horizon {horizon}: no stock-day has an outcome and a forecast of each of {', '.join(models)}"
        )
    return EvaluationSample(
        horizon,
        {model: frame.where(every) for model, frame in variance.items()},
        outcome.where(every),
        smooth,
        panel.returns,
        int((some & ~every).to_numpy().sum()),
        panel.periods_per_year,
    )
