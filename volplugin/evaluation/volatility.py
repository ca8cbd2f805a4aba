"""Evaluation of volatility forecasts: comparison, calibration, parts of the span and members of ensembles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from volplugin.data.panel import PricePanel
from volplugin.errors import InsufficientHistoryError
from volplugin.evaluation.calibration import by_forecast_decile, calibration_summary, calibration_table
from volplugin.evaluation.components import component_scores, seed_spread
from volplugin.evaluation.equal_weight import Portfolios
from volplugin.evaluation.hypothesis_tests import diebold_mariano
from volplugin.evaluation.losses import PROXY_CALIBRATION_END, qlike, realized_variance
from volplugin.evaluation.model_comparison import BENCHMARKS, VolatilityScores, nested, rank
from volplugin.evaluation.sample import EvaluationSample, scored_samples


@dataclass(frozen=True, eq=False)
class VolatilityEvaluation:
    """Results of an evaluation of volatility forecasts.

    Attributes
    ----------
    scores : VolatilityScores
        The models side by side.
    stocks : DataFrame, index (horizon, model)
        Calibration stock by stock: medians, and the share of stocks that each test rejects at 5%
        (`calibration_summary`).
    portfolio : DataFrame, index (horizon, model)
        Calibration of the equal-weight portfolio (`calibration_table`), and ``dm_NAME``, the Diebold-Mariano t
        of its QLIKE against the first model's; empty where no portfolios were given.
    deciles : DataFrame, index (horizon, model, decile)
        Realised against forecast volatility by size of forecast.
    components : DataFrame, index (horizon, component)
        Scores of the members of ensembles (`component_scores`); may be empty.
    seeds : DataFrame, index (horizon, model)
        Spread of the seeds (`seed_spread`); may be empty.
    """

    scores: VolatilityScores
    stocks: pd.DataFrame
    portfolio: pd.DataFrame
    deciles: pd.DataFrame
    components: pd.DataFrame
    seeds: pd.DataFrame

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        return self.scores.as_dict() | {
            "calibration": {"stocks": nested(self.stocks), "book": nested(self.portfolio)},
            "forecast_deciles": nested(self.deciles),
            "components": nested(self.components),
            "seeds": nested(self.seeds),
        }


def evaluate_volatility_forecasts(
    forecasts: pd.DataFrame,
    panel: PricePanel,
    *,
    components: pd.DataFrame | None = None,
    parents: Mapping[str, str] | None = None,
    portfolios: Portfolios | None = None,
    benchmarks: Sequence[str] = BENCHMARKS,
    calibrated_through: str | pd.Timestamp = PROXY_CALIBRATION_END,
) -> VolatilityEvaluation:
    """Evaluate volatility forecasts on the stock-days that all models have.

    Parameters
    ----------
    forecasts : DataFrame, columns (model, horizon, asset)
        Daily volatility by origin, from `forecast_table`; every session between two dates.
    panel : PricePanel
        Prices through the last origin's horizon.
    components, parents : optional
        Forecasts of the members of ensembles, and the ensemble of each.
    portfolios : dict of horizon to dict of model to PortfolioForecasts, optional
        Forecasts of the equal-weight portfolio by each volatility model, from `equal_weight_portfolios`.
    benchmarks, calibrated_through
        As `volatility_scorecard` takes them.

    Raises
    ------
    InsufficientHistoryError
        If for a horizon too few sessions have an outcome and a forecast of every model.
    """
    samples = scored_samples(forecasts, panel, None, calibrated_through)
    scores = rank(samples, benchmarks)
    pieces = pd.DataFrame()
    if components is not None and parents:
        pieces = component_scores(components, parents, samples, scores)
    return VolatilityEvaluation(
        scores,
        pd.concat({h: _stocks(sample) for h, sample in samples.items()}, names=["horizon", "model"]),
        _portfolios({horizon: portfolios[horizon] for horizon in samples} if portfolios else {}),
        pd.concat({h: by_forecast_decile(sample) for h, sample in samples.items()}, names=["horizon"]),
        pieces,
        seed_spread(pieces) if len(pieces) else pd.DataFrame(),
    )


def _stocks(sample: EvaluationSample) -> pd.DataFrame:
    tables = {
        model: calibration_table(variance**0.5, sample.returns, sample.horizon)
        for model, variance in sample.variance.items()
    }
    return pd.DataFrame({model: calibration_summary(table) for model, table in tables.items()}).T


def _portfolios(portfolios: Portfolios) -> pd.DataFrame:
    """Calibration of the equal-weight portfolio by horizon and model, over the origins with a complete outcome."""
    if not portfolios:
        return pd.DataFrame()
    tables = {}
    for horizon, models in portfolios.items():
        predicted = pd.DataFrame({model: portfolio.predicted for model, portfolio in models.items()})
        returns = pd.DataFrame({model: portfolio.returns for model, portfolio in models.items()})
        outcome = realized_variance(returns.reindex(predicted.index.union(returns.index)), horizon)
        outcome = outcome.reindex(predicted.index)
        predicted = predicted.where(outcome.notna())
        losses = qlike(outcome, predicted**2)
        tables[horizon] = calibration_table(predicted, returns, horizon)
        first = predicted.columns[0]
        tables[horizon][f"dm_{first}"] = [_statistic(losses[model], losses[first], horizon) for model in predicted]
    return pd.concat(tables, names=["horizon", "model"])


def _statistic(loss: pd.Series, benchmark: pd.Series, horizon: int) -> float:
    """Diebold-Mariano t; NaN of a model against itself, and where a portfolio's outcomes are too few for one."""
    if loss.name == benchmark.name:
        return float("nan")
    try:
        return diebold_mariano(loss, benchmark, horizon).statistic
    except InsufficientHistoryError:
        return float("nan")
