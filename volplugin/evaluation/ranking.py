"""Volatility models side by side, on exactly the same stock-days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from volplugin.evaluation.cross_section import level_test, pooled_mincer_zarnowitz
from volplugin.evaluation.losses import PROXY_CALIBRATION_END, log_likelihood, mse, qlike
from volplugin.evaluation.periods import mean_by_stress, mean_by_year, mean_of
from volplugin.evaluation.sample import ScoredSample, scored_samples
from volplugin.evaluation.scores import VolatilityScores
from volplugin.evaluation.tests import diebold_mariano, model_confidence_set
from volplugin.panel import PricePanel

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
    samples: Mapping[int, ScoredSample], benchmarks: Sequence[str] = BENCHMARKS, confidence_set: bool = True
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


def mean_scores(sample: ScoredSample, variance: pd.DataFrame) -> dict[str, float]:
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


def _table(sample: ScoredSample, losses: pd.DataFrame, benchmarks: tuple[str, ...]) -> pd.DataFrame:
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
