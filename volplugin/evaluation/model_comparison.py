"""Volatility models side by side, on exactly the same stock-days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from volplugin.data.panel import PricePanel
from volplugin.display import bars, card
from volplugin.evaluation.hypothesis_tests import diebold_mariano, model_confidence_set
from volplugin.evaluation.losses import (
    PROXY_CALIBRATION_END,
    log_likelihood,
    mse,
    qlike,
)
from volplugin.evaluation.panel_tests import level_test, pooled_mincer_zarnowitz
from volplugin.evaluation.sample import EvaluationSample, scored_samples
from volplugin.evaluation.stress_periods import mean_by_stress, mean_by_year, mean_of, stress_within


@dataclass(frozen=True, eq=False)
class VolatilityScores:
    """Scores of volatility forecasts; every session an origin, means over all stock-days.

    Attributes
    ----------
    table : DataFrame, index (horizon, model)
        ``qlike`` (against squared returns), ``qlike_range`` (against the scaled range proxy), ``mse`` (of
        daily variances), ``log_likelihood`` (mean Gaussian log density of the daily returns over the forecast in
        forecast), per benchmark ``below_NAME`` and ``below_NAME_range`` (percent by which QLIKE is lower)
        and ``dm_NAME`` (Diebold-Mariano t, negative where better), ``mean_forecast`` (daily variance),
        ``mz_intercept`` (daily variance), ``mz_slope`` and ``mz_pvalue`` (weighted Mincer-Zarnowitz over all
        stock-days), ``level_ratio`` (mean realised over forecast variance) and ``level_t`` (that it is one),
        ``mcs_pvalue`` (at least 0.10: in the 90% model confidence set), ``origins`` and ``stock_days``.
    by_year : DataFrame, index (horizon, model), one column per year
        Mean QLIKE against squared returns of the origins of the year.
    by_stress : DataFrame, index (horizon, model), one column per stress period within the span
        The same of its origins; the dates are in `STRESS`.
    losses : DataFrame of shape (n_origins, n_models * n_horizons), columns (model, horizon)
        Cross-sectional mean QLIKE against squared returns.
    left_out : Series by horizon
        Stock-days with an outcome that some models, but not all, had a forecast for.
    benchmarks : tuple of str
        Benchmarks among the models.
    by_stock : DataFrame, index (horizon, model), one column per asset
        Mean QLIKE against squared returns of the asset's stock-days; NaN where it has none.
    bias_by_stock : DataFrame, index (horizon, model), one column per asset
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

    def _repr_html_(self) -> str:
        """Show mean QLIKE by model and horizon, and the percent below the benchmark, in a notebook."""
        loss = self.table["qlike"].unstack("horizon").loc[self.models]
        base, last = (self.benchmarks or self.models)[0], self.horizons[-1]
        rows = {
            name: ", ".join(f"{value:.3f} ({horizon} ahead)" for horizon, value in row.items())
            for name, row in loss.iterrows()
        }
        lower = 100 * (1 - loss[last] / loss.at[base, last])
        better = lower[lower > 0].sort_values(ascending=False)
        values = {str(name): [float(value)] for name, value in better.items()}
        texts = {name: f"{value:.1f}%" for name, (value,) in values.items()}
        picture = bars(f"QLIKE lower than {base}'s, {last} sessions ahead", values, texts)
        return card("Mean QLIKE, lower is better", rows, picture)

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
    """Return a row as Python numbers by name, with None for NaN, which JSON does not have."""
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


BENCHMARKS = ("EWMA94", "HAR", "GJR", "HAR-own")
"""Names of the models that others are compared with, where they are evaluated."""


def volatility_scorecard(
    forecasts: pd.DataFrame,
    panel: PricePanel,
    horizons: Iterable[int] | None = None,
    benchmarks: Sequence[str] = BENCHMARKS,
    calibrated_through: str | pd.Timestamp = PROXY_CALIBRATION_END,
) -> VolatilityScores:
    """Score volatility forecasts against realised variances.

    Parameters
    ----------
    forecasts : DataFrame, columns (model, horizon, asset)
        Daily volatility by origin, from `forecast_table`.
    panel : PricePanel
        Prices through the last origin's horizon; origins whose outcome is not complete are not scored.
    horizons : iterable of int, optional
        Some of the table's horizons; all if not given.
    benchmarks : sequence of str, default ("EWMA94", "HAR", "GJR", "HAR-own")
        Models to compare with; models not in the table are skipped.
    calibrated_through : date, default 2009-12-31
        Last session that sets the scale of the range proxy.

    Raises
    ------
    InsufficientHistoryError
        If for a horizon no stock-day has an outcome and a forecast of every model, or too few sessions do.
    """
    return rank(scored_samples(forecasts, panel, horizons, calibrated_through), benchmarks)


def rank(samples: Mapping[int, EvaluationSample], benchmarks: Sequence[str] = BENCHMARKS) -> VolatilityScores:
    """Score the models of samples by horizon, as `volatility_scorecard` does."""
    models = list(next(iter(samples.values())).variance)
    known = tuple(name for name in benchmarks if name in models)
    tables, years, stress, losses, stocks, biases = {}, {}, {}, {}, {}, {}
    for horizon, sample in samples.items():
        loss = {model: qlike(sample.outcome, f) for model, f in sample.variance.items()}
        years[horizon] = pd.DataFrame({model: mean_by_year(frame) for model, frame in loss.items()}).T
        stress[horizon] = pd.DataFrame({model: mean_by_stress(frame) for model, frame in loss.items()}).T
        stocks[horizon] = pd.DataFrame({model: frame.mean() for model, frame in loss.items()}).T
        ratios = {model: (sample.outcome / f).mean() for model, f in sample.variance.items()}
        biases[horizon] = pd.DataFrame(ratios).T ** 0.5
        losses[horizon] = pd.DataFrame({model: frame.mean(axis=1).dropna() for model, frame in loss.items()})
        tables[horizon] = _table(sample, losses[horizon], known)
        if len(models) > 1:
            tables[horizon]["mcs_pvalue"] = model_confidence_set(losses[horizon], horizon)
        tables[horizon]["origins"] = len(losses[horizon])
        tables[horizon]["stock_days"] = sample.stock_days
    left_out = {horizon: sample.left_out for horizon, sample in samples.items()}
    names = ["horizon", "model"]
    return VolatilityScores(
        pd.concat(tables, names=names),
        pd.concat(years, names=names),
        pd.concat(stress, names=names),
        pd.concat(losses, axis=1, names=names).swaplevel(axis=1),
        pd.Series(left_out, name="left_out").rename_axis("horizon"),
        known,
        pd.concat(stocks, names=names),
        pd.concat(biases, names=names),
    )


def mean_scores(sample: EvaluationSample, variance: pd.DataFrame) -> dict[str, float]:
    """Means over the stock-days of a sample, of one model's variance forecasts."""
    return {
        "qlike": mean_of(qlike(sample.outcome, variance)),
        "qlike_range": mean_of(qlike(sample.smooth, variance)),
        "mse": mean_of(mse(sample.outcome, variance)),
        "log_likelihood": mean_of(log_likelihood(sample.outcome, variance)),
    }


def compare(row: Mapping[str, float], base: Mapping[str, float], name: str) -> dict[str, float]:
    """Percent by which a model's mean QLIKE lies below a benchmark's, against either proxy."""
    return {
        f"below_{name}{suffix}": 100 * (1 - row[column] / base[column])
        for column, suffix in (("qlike", ""), ("qlike_range", "_range"))
    }


def _table(sample: EvaluationSample, losses: pd.DataFrame, benchmarks: tuple[str, ...]) -> pd.DataFrame:
    """Scores of each model at one horizon, its distance from each benchmark, and whether it is right on average."""
    rows = {model: mean_scores(sample, f) for model, f in sample.variance.items()}
    for model, f in sample.variance.items():
        for name in benchmarks:
            rows[model] |= compare(rows[model], rows[name], name)
            against = diebold_mariano(losses[model], losses[name], sample.horizon)
            rows[model][f"dm_{name}"] = np.nan if model == name else against.statistic
        fit = pooled_mincer_zarnowitz(sample.outcome, f, sample.horizon)
        level = level_test((sample.outcome / f).mean(axis=1), sample.horizon)
        rows[model] |= {
            "mean_forecast": mean_of(f),
            "mz_intercept": fit.intercept,
            "mz_slope": fit.slope,
            "mz_pvalue": fit.pvalue,
            "level_ratio": level.ratio,
            "level_t": level.statistic,
        }
    return pd.DataFrame.from_dict(rows, orient="index")
