"""Calibrations of a risk model, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from volplugin.calibration.base import Calibration, Draft
from volplugin.calibration.past import PastForecasts
from volplugin.correlation.repair import average
from volplugin.errors import ParameterError

Calibrations: TypeAlias = Calibration | Sequence[Calibration] | None


def calibrations(given: Calibrations) -> list[Calibration]:
    """Return what a risk model was given, none, one or several, as a list.

    Raises
    ------
    ParameterError
        For what is no calibration, and for two of a kind.
    """
    if given is None:
        return []
    listed: list[Any] = list(given) if isinstance(given, list | tuple) else [given]
    for item in listed:
        if not isinstance(item, Calibration):
            raise ParameterError(f"calibration is {item!r}; pass one such as RegimeMultiplier(), or a list of them")
    kinds = [type(item).__name__ for item in listed]
    if len(set(kinds)) < len(kinds):
        raise ParameterError(f"calibrations are {', '.join(kinds)}; pass one of a kind")
    return listed


def past_rows(given: Calibrations, correlation: int) -> int:
    """Sessions of the past that the correlation, which remembers so many, and the calibrations take together."""
    rows = [item.lookback + correlation if item.correlates else item.lookback for item in calibrations(given)]
    return max([correlation, *rows])


def calibrate(
    given: Calibrations, volatility: pd.Series, correlation: pd.DataFrame, view: str, past: PastForecasts
) -> tuple[pd.Series, pd.DataFrame, dict[str, Any]]:
    """Apply each calibration to what the one before it made.

    All are measured on the past forecasts of the model as it is without them: `AssetBias` is relative to the
    cross-section and `RegimeMultiplier` common to it, so that none corrects the same error twice.

    Returns
    -------
    volatility : Series of shape (n_assets,)
    correlation : DataFrame of shape (n_assets, n_assets)
    facts : dict
        ``calibration``, what each did by its name; ``average_correlation`` and ``condition_number`` where they changed.
    """
    draft = Draft(volatility, correlation, view, {})
    for item in calibrations(given):
        draft = item.apply(draft, past)
    facts: dict[str, Any] = {"calibration": dict(draft.applied)}
    if draft.correlation is not correlation:
        facts["average_correlation"] = average(draft.correlation.to_numpy())
        facts["condition_number"] = float(np.linalg.cond(draft.correlation.to_numpy()))
    return draft.volatility, draft.correlation, facts
