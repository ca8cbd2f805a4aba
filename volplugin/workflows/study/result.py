"""The numbers of a study, as frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from volplugin.report.result import package_versions

SEED = "seed, as described"
KNOWN = "seed, correlation so far"
CURRENT = "seed, causal correlation"
LEVEL = "seed, causal correlation, level set"
LAST = "trailing volatility"
CAUSAL = "causal model"
"""Names of the rows of the table."""


@dataclass(frozen=True, eq=False)
class PortfolioStudy:
    """One book's forecasts over the test part, and what came true. Volatilities are daily.

    Attributes
    ----------
    weights : Series of shape (n_assets,)
    true : Series of shape (n_origins,)
        Sample standard deviation of the book's returns over the horizon after each origin.
    predicted : DataFrame of shape (n_origins, n_models)
    table : DataFrame, index model
        ``qlike`` against squared returns, ``below_seed`` (percent by which it is lower than the seed's) and
        ``dm_seed`` (Diebold-Mariano t, negative where better), ``bias`` with its band; ``correlation`` and ``r2``
        with `true`; ``r2_next`` with the rolling volatility one session after the origin.
    """

    weights: pd.Series
    true: pd.Series
    predicted: pd.DataFrame
    table: pd.DataFrame


@dataclass(frozen=True, eq=False)
class StudyResult:
    """The numbers of a study.

    Attributes
    ----------
    settings : mapping
        Of the seed's networks.
    metadata : sequence of str
        Which sessions were used, and why not more.
    portfolios : mapping of name to BookStudy
        Equal weights first.
    stocks : DataFrame, index asset
        Mean squared error and R2 of each network, on the training and on the test part.
    correlation : DataFrame of shape (n_origins, n_estimators)
        Average correlation by each estimator at each test origin.
    raised : int
        Forecasts of single stocks that were raised to the smallest training target.
    model : str
        The causal model's composition in words.
    """

    settings: Mapping[str, Any]
    metadata: Sequence[str]
    portfolios: Mapping[str, PortfolioStudy]
    stocks: pd.DataFrame
    correlation: pd.DataFrame
    raised: int
    model: str
    versions: Mapping[str, str] = field(default_factory=package_versions)

    @property
    def horizon(self) -> int:
        """Sessions that a forecast covers."""
        return int(self.settings["horizon"])
