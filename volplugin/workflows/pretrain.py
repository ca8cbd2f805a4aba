"""Pretrain a backbone on a wide panel: one vintage per calendar year end, and one at the panel's end."""

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
    """Train the vintages of a backbone missing in a store, each on the data known at a year's end.

    No vintage starts from an earlier one. Vintages and seeds are trained in parallel, and stored when finished.

    Parameters
    ----------
    panel : PricePanel
        Prices of many assets; histories may be unequal. Its market is the vintages' reference universe.
    store : str or Path
        Folder of vintages.
    first : int
        Calendar year of the first vintage, which is trained through the year's end.
    forecaster : VolatilityForecaster, optional
        Default `backbone`.
    n_jobs : int, optional
        Processes, as in joblib.
    progress : bool, default True
        Show a progress bar if standard error is a terminal.

    Raises
    ------
    InsufficientHistoryError
        If the panel ends before year `first`.
    """
    walk_forward = WalkForward(forecaster or backbone(), RefitSchedule("yearly"), ModelStore(store))
    # Models for other prices than these: nothing to compare with later.
    return walk_forward.train_through(
        panel, vintage_dates(panel.sessions, first), n_jobs=n_jobs, progress=progress, keep_data=False
    )


def step_choices(steps: int) -> list[int]:
    """Return candidate numbers of steps for early stopping: a quarter, half, one and two times `steps`."""
    return sorted({max(steps // 4, 1), max(steps // 2, 1), steps, 2 * steps})


def vintage_dates(sessions: pd.DatetimeIndex, first: int) -> Sequence[pd.Timestamp]:
    """Return the last sessions of the calendar years from `first` on; of the last year, the last session there is."""
    years = sessions[sessions.year >= first]
    if len(years) == 0:
        raise InsufficientHistoryError(
            f"prices end on {sessions[-1].date()}, before {first}; choose an earlier first year"
        )
    return [pd.Timestamp(date) for date in years.to_series().groupby(years.year).max()]
