"""Pretraining a backbone on any wide panel: one vintage a calendar year end, and one at the panel's end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from volplugin.data.panel import PricePanel
from volplugin.errors import InsufficientHistoryError
from volplugin.storage import ModelStore
from volplugin.volatility import VolatilityForecaster
from volplugin.volatility.pretrained import backbone
from volplugin.volatility.walk_forward import RefitSchedule, WalkForward


def pretrain(
    panel: PricePanel,
    store: str | Path,
    first: int,
    *,
    forecaster: VolatilityForecaster | None = None,
    n_jobs: int | None = None,
    progress: bool = True,
) -> WalkForward:
    """Train the vintages of a backbone that a store lacks, each on what was known at a year's end.

    Cold, each from its own regression: vintages and seeds are trained in parallel, and stored as they finish.

    Parameters
    ----------
    panel : PricePanel
        Prices of many assets, of unequal histories; its market is the reference universe that the vintages name.
    store : str or Path
        Folder of vintages.
    first : int
        Calendar year whose end is the first vintage.
    forecaster : VolatilityForecaster, optional
        What is trained; `backbone` if not given.
    n_jobs : int, optional
        Processes, as joblib counts them.
    progress : bool, default True
        Show a bar, on a terminal.

    Raises
    ------
    InsufficientHistoryError
        If the panel ends before that year does.
    """
    walk_forward = WalkForward(forecaster or backbone(), RefitSchedule("yearly"), ModelStore(store))
    return walk_forward.train_through(panel, vintage_dates(panel.sessions, first), n_jobs=n_jobs, progress=progress)


def step_choices(steps: int) -> list[int]:
    """Numbers of steps around a given one, for a validation tail to choose from: a quarter, half, it, and twice it."""
    return sorted({max(steps // 4, 1), max(steps // 2, 1), steps, 2 * steps})


def vintage_dates(sessions: pd.DatetimeIndex, first: int) -> Sequence[pd.Timestamp]:
    """Last sessions of the calendar years from `first` on, and the last session of all."""
    years = sessions[sessions.year >= first]
    if len(years) == 0:
        raise InsufficientHistoryError(
            f"prices end on {sessions[-1].date()}, before {first}; begin with an earlier year"
        )
    return [pd.Timestamp(date) for date in years.to_series().groupby(years.year).max()]
