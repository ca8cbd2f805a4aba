"""The numbers of a study, as frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from volplugin.report.result import installed_versions

SEED = "seed, as described"
KNOWN = "seed, correlation so far"
CURRENT = "seed, causal correlation"
LEVEL = "seed, causal correlation, level set"
LAST = "trailing volatility"
CAUSAL = "causal model"
"""Models, the rows of `PortfolioStudy.table`."""


@dataclass(frozen=True, eq=False)
class PortfolioStudy:
    """Forecast and true volatility of a portfolio over the test part. Volatilities are daily.

    Attributes
    ----------
    weights : Series of shape (n_assets,)
    true : Series of shape (n_origins,)
        Sample standard deviation of the portfolio's returns over the horizon after each origin.
    predicted : DataFrame of shape (n_origins, n_models)
    table : DataFrame, index model
        ``qlike`` against squared returns, ``below_seed`` (percent by which it is below the seed's), ``dm_seed``
        (Diebold-Mariano t, negative is better), ``bias`` with its band; ``correlation`` and ``r2`` with `true`;
        ``r2_next`` with the rolling volatility one session after the origin.
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
        Settings of the seed's networks.
    sample : sequence of str
        Description of the sessions used, from `Sample.summary`.
    portfolios : mapping of name to PortfolioStudy
        Equal weights first.
    stocks : DataFrame, index asset
        Mean squared error and R2 of each network, on the training and on the test part.
    correlation : DataFrame of shape (n_origins, n_estimators)
        Average correlation by each estimator at each test origin.
    raised : int
        Number of single-stock forecasts raised to the smallest training target.
    model : str
        Description of the causal model.
    versions : mapping
        Package versions.
    """

    settings: Mapping[str, Any]
    sample: Sequence[str]
    portfolios: Mapping[str, PortfolioStudy]
    stocks: pd.DataFrame
    correlation: pd.DataFrame
    raised: int
    model: str
    versions: Mapping[str, str] = field(default_factory=installed_versions)

    @property
    def horizon(self) -> int:
        """Number of sessions that a forecast covers."""
        return int(self.settings["horizon"])
