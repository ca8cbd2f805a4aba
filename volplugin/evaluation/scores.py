"""Scores of volatility models side by side, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from volplugin.evaluation.periods import stress_within


@dataclass(frozen=True, eq=False)
class VolatilityScores:
    """Scores of volatility forecasts; every session an origin, means over all stock-days.

    Attributes
    ----------
    table : DataFrame, index (horizon, model)
        ``qlike`` (against squared returns), ``qlike_range`` (against the scaled range proxy), ``mse`` (of
        daily variances), ``log_likelihood`` (mean Gaussian log density of the daily returns over the standing
        forecast), per benchmark ``below_NAME`` and ``below_NAME_range`` (percent by which QLIKE is lower)
        and ``dm_NAME`` (Diebold-Mariano t, negative where better), ``mean_forecast`` (daily variance),
        ``mz_intercept`` (daily variance), ``mz_slope`` and ``mz_pvalue`` (weighted Mincer-Zarnowitz over all
        stock-days), ``level_ratio`` (mean realised over forecast variance) and ``level_t`` (that it is one),
        ``mcs_pvalue`` (at least 0.10: in the 90% model confidence set), ``origins`` and ``stock_days``.
    by_year : DataFrame, index (horizon, model), one column a year
        Mean QLIKE against squared returns of the origins of the year.
    by_stress : DataFrame, index (horizon, model), one column a stress period within the span
        The same of its origins; the dates are in `periods.STRESS`.
    losses : DataFrame of shape (n_origins, n_models * n_horizons), columns (model, horizon)
        Cross-sectional mean QLIKE against squared returns.
    left_out : Series by horizon
        Stock-days with an outcome that some models, but not all, had a forecast for.
    benchmarks : tuple of str
        Those among the models.
    by_stock : DataFrame, index (horizon, model), one column an asset
        Mean QLIKE against squared returns of the asset's stock-days; NaN where it has none.
    bias_by_stock : DataFrame, index (horizon, model), one column an asset
        Root of the mean realised over forecast variance: above 1 risk was under-predicted.
    """

    table: pd.DataFrame
    by_year: pd.DataFrame
    by_stress: pd.DataFrame
    losses: pd.DataFrame
    left_out: pd.Series
    benchmarks: tuple[str, ...]
    by_stock: pd.DataFrame = field(default_factory=pd.DataFrame)
    bias_by_stock: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def models(self) -> list[str]:
        """Model names, in the order they were given."""
        return list(self.table.index.get_level_values("model").unique())

    @property
    def horizons(self) -> list[int]:
        """Horizons, in sessions."""
        return [int(h) for h in self.table.index.get_level_values("horizon").unique()]

    @property
    def parts(self) -> dict[str, pd.DataFrame]:
        """Tables of parts of the stock-days, by the name that they have in JSON."""
        return {
            "qlike_by_year": self.by_year,
            "qlike_by_stress": self.by_stress,
            "qlike_by_stock": self.by_stock,
            "bias_by_stock": self.bias_by_stock,
        }

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON: horizon -> model -> score."""
        scores: dict[str, Any] = {}
        for (horizon, model), row in self.table.iterrows():
            parts = {name: as_numbers(table.loc[(horizon, model)]) for name, table in self.parts.items() if len(table)}
            scores.setdefault(str(horizon), {})[str(model)] = as_numbers(row) | parts
        left_out = {str(horizon): int(count) for horizon, count in self.left_out.items()}
        first, last = self.losses.index[0], self.losses.index[-1]
        return {
            "first_origin": str(first.date()),
            "last_origin": str(last.date()),
            "stock_days_left_out": left_out,
            "benchmarks": list(self.benchmarks),
            "stress_periods": {name: stress_within(self.losses.index)[name] for name in self.by_stress.columns},
            "scores": scores,
        }


def as_numbers(row: pd.Series) -> dict[str, Any]:
    """Return a row as Python numbers by name, with None for NaN, which JSON does not know."""
    return {str(name): _number(value) for name, value in row.items()}


def nested(table: pd.DataFrame) -> dict[str, Any]:
    """Return a table as Python numbers, each level of its index a dictionary by name."""
    found: dict[str, Any] = {}
    for key, row in table.iterrows():
        *outer, last = key if isinstance(key, tuple) else (key,)
        place = found
        for name in outer:
            place = place.setdefault(str(name), {})
        place[str(last)] = as_numbers(row)
    return found


def _number(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, int | np.integer):
        return int(value)
    return float(value) if np.isfinite(value) else None
