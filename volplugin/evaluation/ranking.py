"""Volatility models side by side, on exactly the same stock-days."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation.losses import PROXY_CALIBRATION_END, mse, qlike, range_variance, realized_variance
from volplugin.evaluation.tests import diebold_mariano, model_confidence_set
from volplugin.panel import PricePanel

BENCHMARKS = ("EWMA94", "HAR")
"""Names under which models count as benchmarks, where they are among those judged."""


@dataclass(frozen=True, eq=False)
class VolatilityScores:
    """Scores of volatility forecasts; every session an origin, means over all stock-days.

    Attributes
    ----------
    table : DataFrame, index (horizon, model)
        ``qlike`` (against squared returns), ``qlike_range`` (against the scaled range proxy), ``mse`` (of
        daily variances), per benchmark ``below_NAME`` and ``below_NAME_range`` (percent by which QLIKE is
        lower) and ``dm_NAME`` (Diebold-Mariano t, negative where better), ``mcs_pvalue`` (at least 0.10:
        in the 90% model confidence set), ``origins`` and ``stock_days``.
    by_year : DataFrame, index (horizon, model), one column a year
        Mean QLIKE against squared returns of the origins of the year.
    losses : DataFrame of shape (n_origins, n_models * n_horizons), columns (model, horizon)
        Cross-sectional mean QLIKE against squared returns.
    left_out : Series by horizon
        Stock-days with an outcome that some models, but not all, had a forecast for.
    benchmarks : tuple of str
        Those among the models.
    """

    table: pd.DataFrame
    by_year: pd.DataFrame
    losses: pd.DataFrame
    left_out: pd.Series
    benchmarks: tuple[str, ...]

    @property
    def models(self) -> list[str]:
        """Model names, in the order they were given."""
        return list(self.table.index.get_level_values("model").unique())

    @property
    def horizons(self) -> list[int]:
        """Horizons, in sessions."""
        return [int(h) for h in self.table.index.get_level_values("horizon").unique()]

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON: horizon -> model -> score."""
        scores: dict[str, Any] = {}
        for (horizon, model), row in self.table.iterrows():
            years = {str(year): _plain(value) for year, value in self.by_year.loc[(horizon, model)].items()}
            named = {str(key): _plain(value) for key, value in row.items()} | {"qlike_by_year": years}
            scores.setdefault(str(horizon), {})[str(model)] = named
        left_out = {str(horizon): int(count) for horizon, count in self.left_out.items()}
        first, last = self.losses.index[0], self.losses.index[-1]
        return {
            "first_origin": str(first.date()),
            "last_origin": str(last.date()),
            "stock_days_left_out": left_out,
            "scores": scores,
        }


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
    benchmarks : sequence of str, default ("EWMA94", "HAR")
        Models to compare with; those not in the table are skipped.
    calibrated_through : date, default 2009-12-31
        Last session that sets the scale of the range proxy.
    confidence_set : bool, default True
        Whether to compute the model confidence set (needs two models or more).

    Raises
    ------
    InsufficientHistoryError
        If for a horizon no stock-day has an outcome and a forecast of every model.
    """
    models = list(forecasts.columns.get_level_values("model").unique())
    present = [int(h) for h in forecasts.columns.get_level_values("horizon").unique()]
    wanted = present if horizons is None else list(horizons)
    unknown = sorted(set(wanted) - set(present))
    if unknown:
        raise ParameterError(f"no forecasts of horizon {unknown[0]} in the table; it holds {present}")
    known = tuple(name for name in benchmarks if name in models)
    parts = [_score(forecasts, panel, models, h, known, calibrated_through, confidence_set) for h in wanted]
    table, by_year, losses, left_out = zip(*parts, strict=True)
    named = {"keys": wanted, "names": ["horizon", "model"]}
    return VolatilityScores(
        pd.concat(table, **named),
        pd.concat(by_year, **named),
        pd.concat(losses, axis=1, keys=wanted, names=["horizon", "model"]).swaplevel(axis=1),
        pd.Series(left_out, index=pd.Index(wanted, name="horizon"), name="left_out"),
        known,
    )


def _score(
    forecasts: pd.DataFrame,
    panel: PricePanel,
    models: list[str],
    horizon: int,
    benchmarks: tuple[str, ...],
    calibrated_through: str | pd.Timestamp,
    confidence_set: bool,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, int]:
    """Table, QLIKE by year, cross-sectional losses and stock-days left out, of one horizon."""
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
    rows, years, losses = {}, {}, {}
    for model, f in variance.items():
        loss = qlike(outcome, f).where(every)
        rows[model] = {
            "qlike": _mean(loss),
            "qlike_range": _mean(qlike(smooth, f).where(every)),
            "mse": _mean(mse(outcome, f).where(every)),
        }
        losses[model] = loss.mean(axis=1).dropna()
        years[model] = pd.Series({year: _mean(part) for year, part in loss.groupby(loss.index.year)})
    table, series = pd.DataFrame.from_dict(rows, orient="index"), pd.DataFrame(losses)
    _compare(table, series, horizon, benchmarks)
    if confidence_set and len(models) > 1:
        table["mcs_pvalue"] = model_confidence_set(series, horizon)
    table["origins"], table["stock_days"] = len(series), int(every.to_numpy().sum())
    return table, pd.DataFrame(years).T, series, int((some & ~every).to_numpy().sum())


def _compare(table: pd.DataFrame, losses: pd.DataFrame, horizon: int, benchmarks: tuple[str, ...]) -> None:
    """Add reductions against each benchmark and Diebold-Mariano statistics to the table."""
    for name in benchmarks:
        for column, suffix in (("qlike", ""), ("qlike_range", "_range")):
            table[f"below_{name}{suffix}"] = 100 * (1 - table[column] / table.loc[name, column])
        table[f"dm_{name}"] = [
            np.nan if model == name else diebold_mariano(losses[model], losses[name], horizon).statistic
            for model in table.index
        ]


def _mean(frame: pd.DataFrame) -> float:
    return float(np.nanmean(frame.to_numpy())) if frame.notna().to_numpy().any() else float("nan")


def _plain(value: Any) -> float | int | None:
    """Return a Python number, or None for NaN, which JSON does not know."""
    if isinstance(value, int | np.integer):
        return int(value)
    return float(value) if np.isfinite(value) else None
