"""Scores of covariance models side by side, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from volplugin.errors import ParameterError
from volplugin.evaluation.covariance.sample import EvaluationSample
from volplugin.evaluation.model_comparison import as_numbers
from volplugin.evaluation.stress_periods import stress_within

RELATIVE = ("qlike", "mrad", "predicted", "volatility")
"""Measures whose differences are stated in percent of the reference's."""


@dataclass(frozen=True, eq=False)
class CovarianceScores:
    """Scores of covariance forecasts; every origin counts, all phases of the rebalancing averaged.

    Columns (measure, book) as in `CovarianceOutcomes.measures`: log-likelihood and Mahalanobis calibration of
    the whole covariance (book ``""``), and QLIKE, bias statistic, MRAD over 21 sessions, predicted and realised
    volatility (*annual*) of each family of portfolios. Optimised portfolios are made of each model's own forecast.

    Attributes
    ----------
    table : DataFrame, index model
        Over all origins; also ``regret`` (log-likelihood per day below the best model's) and
        ``regret_quarter`` (the mean over calendar quarters of that below the best model of the quarter).
    by_year, by_stress, by_phase : DataFrame, index (model, period)
        Over the origins of each calendar year, of each stress period within the span (dates in
        `STRESS`), and of each phase.
    biases : DataFrame of shape (n_models, n_portfolios), columns family
        Bias statistic of every portfolio.
    resampled : DataFrame, index (model, sample)
        The measures on samples of the stationary bootstrap, the same ones for all models.
    horizon : int
        Sessions that each forecast covers.
    sample : EvaluationSample
        Origins, assets and returns of the evaluation.
    """

    table: pd.DataFrame
    by_year: pd.DataFrame
    by_stress: pd.DataFrame
    by_phase: pd.DataFrame
    biases: pd.DataFrame
    resampled: pd.DataFrame
    horizon: int
    sample: EvaluationSample

    @property
    def models(self) -> list[str]:
        """Model names, in the order they were given."""
        return list(self.table.index)

    def differences(self, reference: str, level: float = 0.95) -> pd.DataFrame:
        """Difference of every model's measures from one model's, with bootstrap intervals.

        Parameters
        ----------
        reference : str
            A model.
        level : float, default 0.95
            Probability of the intervals.

        Returns
        -------
        DataFrame, index (model, measure, book)
            ``difference`` and its bootstrap interval ``lower``, ``upper``; in percent of the reference's for
            qlike, mrad, predicted and volatility.

        Raises
        ------
        ParameterError
            If there is no such model.
        """
        if reference not in self.models or not 0 < level < 1:
            raise ParameterError(f"reference is {reference!r}, level {level}; pass one of {', '.join(self.models)}")
        measures = self.resampled.columns
        relative = measures.get_level_values("measure").isin(RELATIVE)
        base = {"difference": self.table.loc[[reference], measures], "": self.resampled.loc[reference]}
        found = {}
        for model in self.models:
            own = {"difference": self.table.loc[[model], measures], "": self.resampled.loc[model]}
            pairs = [(own[key].to_numpy(), base[key].to_numpy()) for key in own]
            point, spread = ((one - other) * np.where(relative, 100 / other, 1.0) for one, other in pairs)
            lower, upper = np.quantile(spread, [(1 - level) / 2, (1 + level) / 2], axis=0)
            found[model] = pd.DataFrame({"difference": point[0], "lower": lower, "upper": upper}, index=measures)
        return pd.concat(found, names=["model"])

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON; columns as ``measure`` or ``measure, book``."""
        origins = self.sample.origins
        parts = {"by_year": self.by_year, "by_stress": self.by_stress, "by_phase": self.by_phase}
        return {
            "horizon": self.horizon,
            "first_origin": str(origins[0].date()),
            "last_origin": str(origins[-1].date()),
            "origins": len(origins),
            "asset_origins": int(self.sample.here.sum()),
            "asset_origins_left_out": self.sample.left_out,
            "stress_periods": stress_within(origins),
            "scores": {model: _plain(self.table.loc[model]) for model in self.models},
            **{name: {model: _periods(part, model) for model in self.models} for name, part in parts.items()},
        }


def _periods(part: pd.DataFrame, model: str) -> dict[str, Any]:
    return {} if part.empty else {str(period): _plain(row) for period, row in part.loc[model].iterrows()}


def _plain(row: pd.Series) -> dict[str, Any]:
    return as_numbers(row.set_axis([_name(key) for key in row.index]))


def _name(key: tuple[str, str]) -> str:
    return ", ".join(part for part in key if part)
