"""Vintages: when a model is refitted, which fitted model is used at a date, and how a model is described."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from volplugin._deprecated import former_method
from volplugin.data.panel import PricePanel, as_moment
from volplugin.errors import InsufficientHistoryError, ParameterError

FREQUENCIES = {"yearly": "Y", "quarterly": "Q", "monthly": "M"}
"""Pandas period codes by schedule."""

Model = TypeVar("Model")


@dataclass(frozen=True)
class RefitSchedule:
    """Refit at the end of each calendar period.

    Parameters
    ----------
    frequency : {"yearly", "quarterly", "monthly"}, default "yearly"
        Length of a period. Refit dates depend on the calendar alone, so two backtests with different first sessions
        share vintages.

    Raises
    ------
    ParameterError
        For another frequency.

    Examples
    --------
    >>> import pandas as pd
    >>> from volplugin import RefitSchedule
    >>> sessions = pd.bdate_range("2009-01-01", "2011-12-30")
    >>> [str(date.date()) for date in RefitSchedule("yearly").dates(sessions, "2010-06-01", "2011-06-01")]
    ['2009-12-31', '2010-12-31']
    """

    frequency: str = "yearly"

    def __post_init__(self) -> None:
        if self.frequency not in FREQUENCIES:
            raise ParameterError(f"frequency is {self.frequency!r}; pass one of {', '.join(FREQUENCIES)}")

    def dates(
        self, sessions: pd.DatetimeIndex, start: str | pd.Timestamp, end: str | pd.Timestamp
    ) -> list[pd.Timestamp]:
        """Return the last training sessions of the vintages used from `start` to `end`.

        The first is the last session of the last period that ended before `start`.

        Parameters
        ----------
        sessions : DatetimeIndex
            Sessions with prices, increasing.
        start, end : str or Timestamp
            First and last forecast date.

        Raises
        ------
        InsufficientHistoryError
            If no session lies before the end of that period.
        ParameterError
            If `start` lies after `end`.
        """
        begin, stop = as_moment(start), as_moment(end)
        if begin > stop:
            raise ParameterError(f"start {begin.date()} lies after end {stop.date()}; swap them")
        code = FREQUENCIES[self.frequency]
        first, last = begin.to_period(code) - 1, stop.to_period(code) - 1
        ends = pd.period_range(first, last, freq=code).end_time.normalize()
        # Row of the last session at or before the end of each period; -1 if prices begin later.
        rows = sessions.searchsorted(ends, side="right") - 1
        if rows[0] < 0:
            raise InsufficientHistoryError(
                f"nothing to train on through {ends[0].date()}: prices begin on {sessions[0].date()}; start later"
            )
        return [pd.Timestamp(date) for date in sessions[np.unique(rows)]]


class VintageSource(BaseEstimator, Generic[Model]):
    """Selects the fitted model for a date.

    A plain forecaster is the source of one vintage: itself, fitted. `WalkForward` overrides `vintage_at` and
    `vintage_dates` and holds many. Callers use this interface for both.
    """

    trained_through_: pd.Timestamp

    runtime_params: ClassVar[tuple[str, ...]] = ()
    """Parameters such as a device that change where a model is fitted, not the model; `describe` leaves them out."""

    @property
    def requires_fit(self) -> bool:
        """Whether the model learns parameters, so that `fit` or `train` must come first."""
        return True

    def check_no_lookahead(self, asof: pd.Timestamp) -> None:
        """Raise an error if no fitted model may be used at `asof`."""
        raise NotImplementedError

    at = former_method("at", "vintage_at")

    def vintage_at(self, asof: pd.Timestamp) -> Model:
        """Return the fitted model to use at `asof`: the newest trained through `asof` or earlier.

        Raises
        ------
        NotFittedError, LookAheadError, MissingVintageError
            If there is none.
        """
        self.check_no_lookahead(asof)
        return cast(Model, self)

    def vintage_dates(self) -> list[pd.Timestamp]:
        """Return the last training sessions of the vintages, increasing; empty for a model without training."""
        fitted = self.requires_fit and hasattr(self, "trained_through_")
        return [self.trained_through_] if fitted else []

    def iter_vintages(
        self, panel: PricePanel, start: str | pd.Timestamp, end: str | pd.Timestamp
    ) -> Iterator[tuple[Model, pd.DatetimeIndex]]:
        """Yield each vintage used between two dates with its sessions, in order of time.

        Every session of the panel between the dates is in exactly one of the groups.
        """
        sessions = panel.sessions[panel.sessions.slice_indexer(as_moment(start), as_moment(end))]
        begin = 0
        while begin < len(sessions):
            vintage = self.vintage_at(pd.Timestamp(sessions[begin]))
            later = [date for date in self.vintage_dates() if date > sessions[begin]]
            stop = int(sessions.searchsorted(min(later))) if later else len(sessions)
            yield vintage, sessions[begin:stop]
            begin = stop

    def train(
        self,
        panel: PricePanel,
        start: str | pd.Timestamp,
        end: str | pd.Timestamp,
        *,
        n_jobs: int | None = None,
        progress: bool = True,
    ) -> Self:
        """Train the vintages that forecasts from `start` to `end` need; nothing to do for a model without training.

        Raises
        ------
        ParameterError
            For a model that requires fitting and holds one vintage: call `fit`, or wrap it in `WalkForward`.
        """
        if self.requires_fit:
            name = type(self).__name__
            raise ParameterError(
                f"{name} holds one vintage; call fit(panel.asof(date)), or train WalkForward({name}())"
            )
        return self

    def identity(self, end: pd.Timestamp) -> dict[str, Any]:
        """Return plain values that identify the model's forecasts through `end`, such as for a cache key."""
        return describe(self)

    @property
    def model_name(self) -> str:
        """Name of the model in reports: its class."""
        return type(self).__name__

    @property
    def vintage(self) -> dict[str, str]:
        """Metadata of the fitted model: its name and the last session that it was trained on."""
        metadata = {"model": self.model_name}
        if self.requires_fit and hasattr(self, "trained_through_"):
            metadata["trained_through"] = str(self.trained_through_.date())
        return metadata


def describe(model: VintageSource[Any]) -> dict[str, Any]:
    """Return the class name and parameters of a model as plain values, nested models included.

    `runtime_params` are left out: models that differ in them alone share a store.
    """
    parameters = model.get_params(deep=False)
    return {
        "forecaster": type(model).__name__,
        "parameters": {name: _plain(value) for name, value in parameters.items() if name not in model.runtime_params},
    }


def _plain(value: Any) -> Any:
    if isinstance(value, VintageSource):
        return describe(value)
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
