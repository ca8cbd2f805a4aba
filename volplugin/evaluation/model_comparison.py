"""Volatility models side by side, on exactly the same stock-days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from volplugin.data.panel import PricePanel
from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation.hypothesis_tests import diebold_mariano, model_confidence_set
from volplugin.evaluation.losses import (
    PROXY_CALIBRATION_END,
    log_likelihood,
    mse,
    qlike,
    range_variance,
    realized_variance,
)
from volplugin.evaluation.panel_tests import level_test, pooled_mincer_zarnowitz
from volplugin.evaluation.stress_periods import mean_by_stress, mean_by_year, mean_of, stress_within


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


@dataclass(frozen=True, eq=False)
class EvaluationSample:
    """Forecasts of one horizon and what came true, on the same stock-days for all models.

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

    All but `smooth` and `returns` are NaN on every stock-day that is not scored.
    """

    horizon: int
    variance: dict[str, pd.DataFrame]
    outcome: pd.DataFrame
    smooth: pd.DataFrame
    returns: pd.DataFrame
    left_out: int

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
    """
    present = [int(h) for h in forecasts.columns.get_level_values("horizon").unique()]
    wanted = present if horizons is None else list(horizons)
    unknown = sorted(set(wanted) - set(present))
    if unknown:
        raise ParameterError(f"no forecasts of horizon {unknown[0]} in the table; it holds {present}")
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
    )


__all__ = ["BENCHMARKS", "VolatilityScores", "compare", "mean_scores", "rank", "volatility_scorecard"]

BENCHMARKS = ("EWMA94", "HAR", "GJR", "HAR-own")
"""Names under which models count as benchmarks, where they are among those judged."""


def volatility_scorecard(
    forecasts: pd.DataFrame,
    panel: PricePanel,
    horizons: Iterable[int] | None = None,
    benchmarks: Sequence[str] = BENCHMARKS,
    calibrated_through: str | pd.Timestamp = PROXY_CALIBRATION_END,
    confidence_set: bool = True,
) -> VolatilityScores:
    """Score volatility forecasts against what came true.

    Parameters
    ----------
    forecasts : DataFrame, columns (model, horizon, asset)
        Daily volatility by origin, from `forecast_table`.
    panel : PricePanel
        Prices through the last origin's horizon; origins whose outcome is not complete are not scored.
    horizons : iterable of int, optional
        Some of the table's horizons; all if not given.
    benchmarks : sequence of str, default ("EWMA94", "HAR", "GJR", "HAR-own")
        Models to compare with; those not in the table are skipped.
    calibrated_through : date, default 2009-12-31
        Last session that sets the scale of the range proxy.
    confidence_set : bool, default True
        Whether to compute the model confidence set (needs two models or more).

    Raises
    ------
    InsufficientHistoryError
        If for a horizon no stock-day has an outcome and a forecast of every model, or too few sessions do.
    """
    return rank(scored_samples(forecasts, panel, horizons, calibrated_through), benchmarks, confidence_set)


def rank(
    samples: Mapping[int, EvaluationSample], benchmarks: Sequence[str] = BENCHMARKS, confidence_set: bool = True
) -> VolatilityScores:
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
        if confidence_set and len(models) > 1:
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


SEED = "seed"
"""How the names of those components begin that differ by their random numbers alone."""


def component_scores(
    components: pd.DataFrame,
    parents: Mapping[str, str],
    samples: Mapping[int, EvaluationSample],
    scores: VolatilityScores,
) -> pd.DataFrame:
    """Score components on the stock-days that the models were scored on.

    Components take no part in the choice of these stock-days, nor in the model confidence set.

    Parameters
    ----------
    components : DataFrame, columns (model, horizon, asset)
        Daily volatility by origin; a model is here one component.
    parents : mapping of component to model
        What each is a component of.
    samples : mapping of horizon to EvaluationSample
    scores : VolatilityScores
        Of the models on these samples.

    Returns
    -------
    DataFrame, index (horizon, component)
        ``model`` (the whole), ``qlike``, ``qlike_range``, ``mse``, ``log_likelihood``, ``below_NAME`` and
        ``dm_NAME`` of each benchmark, ``below_model`` (percent below the whole, negative where worse) and
        ``dm_model`` (positive where worse than the whole).
    """
    rows = {}
    for horizon, sample in samples.items():
        table = scores.table.loc[horizon]
        for name, parent in parents.items():
            variance = sample.scored(components[name][horizon])
            row = mean_scores(sample, variance)
            loss = qlike(sample.outcome, variance).mean(axis=1)
            rivals = {bench: bench for bench in scores.benchmarks} | {"model": parent}
            for label, rival in rivals.items():
                base = scores.losses[rival][horizon]
                row |= compare(row, table.loc[rival], label)
                row[f"dm_{label}"] = diebold_mariano(loss, base, horizon).statistic
            rows[horizon, name] = {"model": parent} | row
    table = pd.DataFrame.from_dict(rows, orient="index").infer_objects()
    table.index = pd.MultiIndex.from_tuples(list(rows), names=["horizon", "component"])
    return table


def seed_spread(table: pd.DataFrame) -> pd.DataFrame:
    """How far the seeds of a model lie apart, each alone.

    Returns
    -------
    DataFrame, index (horizon, model)
        ``seeds`` (how many), and of their mean QLIKE ``mean``, ``min``, ``max``, ``range`` (largest less
        smallest) and ``std`` (n - 1).
    """
    rows = {}
    for (horizon, model), part in table.groupby(["horizon", "model"], sort=False):
        names = part.index.get_level_values("component")
        own = [name.removeprefix(f"{model} ").startswith(SEED) for name in names]
        losses = part["qlike"].to_numpy()[own]
        if len(losses):
            low, high = float(losses.min()), float(losses.max())
            std = float(losses.std(ddof=1)) if len(losses) > 1 else np.nan
            mean = float(losses.mean())
            rows[horizon, model] = {
                "seeds": len(losses), "mean": mean, "min": low, "max": high, "range": high - low, "std": std,
            }  # fmt: skip
    spread = pd.DataFrame.from_dict(rows, orient="index")
    if rows:
        spread.index = pd.MultiIndex.from_tuples(list(rows), names=["horizon", "model"])
    return spread
