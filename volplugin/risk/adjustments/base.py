"""The interface of every covariance adjustment."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from volplugin.correlation.repair import average
from volplugin.errors import ParameterError
from volplugin.risk.adjustments.forecast_history import PastForecasts
from volplugin.units import as_number

HALF_LIVES = 6
"""Half-lives in the look-back: weights fall to a sixty-fourth at its end, and are zero beyond."""


@dataclass(frozen=True, eq=False)
class AdjustedForecast:
    """A forecast covariance between two adjustments: D rho D, with metadata for its diagnostics.

    Attributes
    ----------
    volatility : Series of shape (n_assets,)
    correlation : DataFrame of shape (n_assets, n_assets)
    view : {"risk", "structure"}
        What it is for.
    applied : mapping
        What each adjustment changed, by its name.
    """

    volatility: pd.Series
    correlation: pd.DataFrame
    view: str
    applied: Mapping[str, Any]

    def adjusted(self, adjustment: CovarianceAdjustment, effect: Mapping[str, Any], **changed: Any) -> AdjustedForecast:
        """Return a copy with changed attributes, and the effect under the adjustment's name in `applied`."""
        return replace(self, applied={**self.applied, type(adjustment).__name__: effect}, **changed)


class CovarianceAdjustment(BaseEstimator, ABC):
    """Corrects a forecast covariance; nothing is learned between calls.

    An adjustment is one class with ``lookback`` and ``apply``: a function of the draft and of the model's forecasts
    of the `lookback` sessions up to `asof`.
    """

    @property
    @abstractmethod
    def lookback(self) -> int:
        """Sessions up to `asof` whose forecasts and returns it depends on."""

    @property
    def correlates(self) -> bool:
        """Whether it needs past correlations as well as past volatilities."""
        return False

    @property
    def horizons(self) -> tuple[int, ...]:
        """Horizons in sessions whose past forecasts it needs besides the requested one."""
        return ()

    @abstractmethod
    def apply(self, draft: AdjustedForecast, past: PastForecasts) -> AdjustedForecast:
        """Return the corrected forecast, with the correction noted under the adjustment's name."""


def remembered(halflife: float) -> int:
    """Sessions with a nonzero weight in an exponential mean.

    Raises
    ------
    ParameterError
        If the half-life is not above zero.
    """
    if not 0 < as_number(halflife) < MAX_HALFLIFE:
        raise ParameterError(f"halflife is {halflife!r}; pass a number of sessions above zero")
    return math.ceil(HALF_LIVES * halflife)


MAX_HALFLIFE = 1e6
"""Sessions above which a half-life gives the same weights as a plain mean."""


def check_share(name: str, value: float) -> None:
    """Raise ParameterError unless a parameter lies between 0 and 1."""
    if not 0 <= as_number(value) <= 1:
        raise ParameterError(f"{name} is {value!r}; pass a share between 0 and 1")


def shrunk_ew_mean(ratios: np.ndarray, halflife: float, expected: np.ndarray | float = 1.0) -> np.ndarray:
    """Exponentially weighted mean over the rows, in which a missing ratio counts as the expected one.

    Parameters
    ----------
    ratios : ndarray of shape (n_sessions, n_series)
        NaN where missing; sessions of the look-back before the first row count as missing.
    halflife : float
        Sessions after which a session counts half.
    expected : ndarray of shape (n_series,) or float, default 1.0
        Value of missing ratios.

    Returns
    -------
    ndarray of shape (n_series,)
    """
    weights = 0.5 ** (np.arange(len(ratios))[::-1] / halflife)
    total = (0.5 ** (np.arange(remembered(halflife)) / halflife)).sum()
    here = np.isfinite(ratios)
    return (weights @ np.where(here, ratios, 0.0) + (total - weights @ here) * expected) / total


CovarianceAdjustments: TypeAlias = CovarianceAdjustment | Sequence[CovarianceAdjustment] | None


def adjustment_list(given: CovarianceAdjustments) -> list[CovarianceAdjustment]:
    """Return the adjustments of a risk model, none, one or several, as a list.

    Raises
    ------
    ParameterError
        For an object of another type, and for two adjustments of one type.
    """
    if given is None:
        return []
    listed: list[Any] = list(given) if isinstance(given, list | tuple) else [given]
    for item in listed:
        if not isinstance(item, CovarianceAdjustment):
            raise ParameterError(
                f"calibration is {item!r}; pass one such as VolatilityRegimeAdjustment(), or a list of them"
            )
    kinds = [type(item).__name__ for item in listed]
    if len(set(kinds)) < len(kinds):
        raise ParameterError(f"calibrations are {', '.join(kinds)}; pass one of a kind")
    return listed


def extra_horizons(given: CovarianceAdjustments) -> set[int]:
    """Horizons whose past forecasts the adjustments need besides the requested one."""
    return {horizon for item in adjustment_list(given) for horizon in item.horizons}


def past_rows(given: CovarianceAdjustments, correlation: int) -> int:
    """Past sessions that the correlation (its lookback is given) and the adjustments depend on together."""
    rows = [item.lookback + correlation if item.correlates else item.lookback for item in adjustment_list(given)]
    return max([correlation, *rows])


def apply_adjustments(
    given: CovarianceAdjustments, volatility: pd.Series, correlation: pd.DataFrame, view: str, past: PastForecasts
) -> tuple[pd.Series, pd.DataFrame, dict[str, Any]]:
    """Apply the adjustments one after the other.

    All are measured on the past forecasts of the model as it is without them: `AssetBias` is relative to the
    cross-section and `VolatilityRegimeAdjustment` common to it, so that none corrects the same error twice.

    Returns
    -------
    volatility : Series of shape (n_assets,)
    correlation : DataFrame of shape (n_assets, n_assets)
    metadata : dict
        ``calibration``, the effect of each adjustment by its name, with ``fallback``, the reason, where one could not
        be applied; ``average_correlation`` and ``condition_number``
        where they changed.
    """
    draft = AdjustedForecast(volatility, correlation, view, {})
    for item in adjustment_list(given):
        draft = item.apply(draft, past)
    metadata: dict[str, Any] = {"calibration": dict(draft.applied)}
    if draft.correlation is not correlation:
        metadata["average_correlation"] = average(draft.correlation.to_numpy())
        metadata["condition_number"] = float(np.linalg.cond(draft.correlation.to_numpy()))
    return draft.volatility, draft.correlation, metadata
