"""Refitting on a calendar, and which vintage answers at which date."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone
from tqdm.auto import tqdm

from volplugin.data.panel import PricePanel, as_moment
from volplugin.errors import (
    InsufficientHistoryError,
    MissingVintageError,
    ParameterError,
    StoreConfigurationError,
    StoreCorruptError,
    VolpluginError,
)
from volplugin.storage import Manifest, ModelStore
from volplugin.volatility.base import State, VolatilityForecaster

FREQUENCIES = {"yearly": "Y", "quarterly": "Q", "monthly": "M"}


@dataclass(frozen=True)
class RefitSchedule:
    """When to train anew: at the ends of calendar periods.

    Parameters
    ----------
    frequency : {"yearly", "quarterly", "monthly"}, default "yearly"
        The periods. Vintages are anchored to the calendar, so that two backtests that begin on
        different days share them.
    """

    frequency: str = "yearly"

    def __post_init__(self) -> None:
        if self.frequency not in FREQUENCIES:
            raise ParameterError(f"frequency is {self.frequency!r}; pass one of {', '.join(FREQUENCIES)}")

    def dates(
        self, sessions: pd.DatetimeIndex, start: str | pd.Timestamp, end: str | pd.Timestamp
    ) -> list[pd.Timestamp]:
        """Last training sessions of the vintages that answer from `start` to `end`.

        The first is the last session of the last period that ended before `start`.

        Raises
        ------
        InsufficientHistoryError
            If no session lies before that period's end.
        ParameterError
            If `start` lies after `end`.
        """
        begin, stop = as_moment(start), as_moment(end)
        if begin > stop:
            raise ParameterError(f"start {begin.date()} lies after end {stop.date()}; swap them")
        code = FREQUENCIES[self.frequency]
        first, last = begin.to_period(code) - 1, stop.to_period(code) - 1
        ends = pd.period_range(first, last, freq=code).end_time.normalize()
        rows = sessions.searchsorted(ends, side="right") - 1
        if rows[0] < 0:
            raise InsufficientHistoryError(
                f"nothing to train on through {ends[0].date()}: prices begin on {sessions[0].date()}; start later"
            )
        return [pd.Timestamp(date) for date in sessions[np.unique(rows)]]


class WalkForward(VolatilityForecaster):
    """A forecaster refitted on a schedule; at `asof` the newest vintage trained through `asof` or before answers.

    Parameters
    ----------
    forecaster : VolatilityForecaster
        What is fitted, a fresh clone a vintage.
    schedule : RefitSchedule, optional
        Yearly if not given.
    store : ModelStore, optional
        Where vintages are kept and found again; in memory only if not given.
    """

    def __init__(
        self,
        forecaster: VolatilityForecaster,
        schedule: RefitSchedule | None = None,
        store: ModelStore | None = None,
    ) -> None:
        self.forecaster = forecaster
        self.schedule = schedule
        self.store = store

    @property
    def lookback(self) -> int:
        """Sessions up to `asof` that a forecast depends on."""
        return self.forecaster.lookback

    @property
    def requires_fit(self) -> bool:
        """Whether vintages are needed at all."""
        return self.forecaster.requires_fit

    @property
    def configuration(self) -> dict[str, Any]:
        """What distinguishes this walk's vintages from another's: forecaster, parameters, schedule."""
        return describe(self.forecaster) | {"schedule": self._schedule.frequency}

    # -- training ---------------------------------------------------------------------------

    def train(
        self,
        panel: PricePanel,
        start: str | pd.Timestamp,
        end: str | pd.Timestamp,
        *,
        n_jobs: int | None = None,
        progress: bool = True,
    ) -> Self:
        """Train the vintages that answer from `start` to `end`, those missing from the store only.

        Each is trained on ``panel.asof(its date)``. Pieces (a seed of a vintage) are trained in parallel
        through joblib, one torch thread a process, and kept as they finish: training resumes after a kill. Inside
        ``joblib.parallel_config`` or `volplugin.parallel.on_cluster` they go where that says.

        Parameters
        ----------
        panel : PricePanel
            Prices from well before `start`.
        n_jobs : int, optional
            Processes, as joblib counts them; those of ``joblib.parallel_config`` if not given.
        progress : bool, default True
            Show a bar, on a terminal.

        Raises
        ------
        StoreConfigurationError
            If the store's vintages are of another configuration, or were trained on other prices.
        """
        if not self.requires_fit:
            return self
        return self.train_through(panel, self._dates(panel, start, end), n_jobs=n_jobs, progress=progress)

    def train_through(
        self, panel: PricePanel, dates: Sequence[pd.Timestamp], *, n_jobs: int | None = None, progress: bool = True
    ) -> Self:
        """Train the vintages of given last training sessions, as `train` does.

        Parameters
        ----------
        panel : PricePanel
        dates : sequence of Timestamp
            Sessions of the panel.
        n_jobs, progress
            As in `train`.
        """
        if self.store is not None:
            self.store.configure(self.configuration)
        wanted = {date: panel.asof(date).fingerprint() for date in dates}
        missing = [date for date, fingerprint in wanted.items() if not self._has(date, fingerprint)]
        if missing and self.store is not None:
            self.store.check_writable()
        for date in wanted.keys() - set(missing):
            if self.store is not None:
                self.store.drop_parts(date)
        states = self._fit_parts(panel, {date: wanted[date] for date in missing}, n_jobs, progress)
        joined = Parallel(n_jobs=n_jobs, return_as="generator")(
            delayed(_combine)(self.forecaster, states[date], panel, date) for date in missing
        )
        shown = tqdm(joined, desc="joining", unit="vintage", total=len(missing), disable=None if progress else True)
        for date, fitted in zip(missing, shown, strict=True):
            self._keep(date, fitted, wanted[date])
        return self

    def _fit_parts(
        self, panel: PricePanel, wanted: dict[pd.Timestamp, str], n_jobs: int | None, progress: bool
    ) -> dict[pd.Timestamp, list[State]]:
        """Fit every piece of the wanted vintages that is not kept already, keeping each as it finishes."""
        parts = self.forecaster.members()
        keys = [(date, part) for date in wanted for part in range(len(parts))]
        found = {(date, part): self._kept(date, part, wanted[date]) for date, part in keys}
        # The longest first, so that no process is left with one at the end.
        tasks = sorted((key for key, state in found.items() if state is None), reverse=True)
        fits = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
            delayed(_fit_member)(parts[part], panel, date, part) for date, part in tasks
        )
        hidden = None if progress else True
        with tqdm(total=len(found), desc="training", unit="fit", disable=hidden) as bar:
            bar.update(len(found) - len(tasks))
            for date, part, state in fits:
                found[date, part] = state
                if self.store is not None:
                    self.store.save_part(date, part, state, wanted[date])
                bar.update()
        return {date: [found[date, part] or {} for part in range(len(parts))] for date in wanted}

    def _dates(self, panel: PricePanel, start: str | pd.Timestamp, end: str | pd.Timestamp) -> list[pd.Timestamp]:
        if as_moment(start) > panel.last_session:
            raise InsufficientHistoryError(
                f"prices end on {panel.last_session.date()}, before the first session asked for, "
                f"{as_moment(start).date()}; bring the prices up to date"
            )
        return self._schedule.dates(panel.sessions, start, min(as_moment(end), panel.last_session))

    def _kept(self, date: pd.Timestamp, part: int, fingerprint: str) -> State | None:
        return None if self.store is None else self.store.load_part(date, part, fingerprint)

    def _has(self, date: pd.Timestamp, fingerprint: str) -> bool:
        if self.store is None or date not in self.store.vintages():
            known = self._fitted.get(date)
            return self.store is None and known is not None and known.data_fingerprint_ == fingerprint
        if self.store.load(date)[1].fingerprint != fingerprint:
            raise StoreConfigurationError(
                f"the vintage trained through {date.date()} in {self.store.path} was trained on other prices; "
                "use another folder for --store, or delete this one"
            )
        return True

    def _keep(self, date: pd.Timestamp, fitted: VolatilityForecaster, fingerprint: str) -> None:
        fitted.data_fingerprint_ = fingerprint
        self._fitted[date] = fitted
        if self.store is not None:
            metadata = {"fingerprint": fingerprint, "assets": fitted.assets_, "universe": fitted.universe_}
            self.store.save(date, fitted.get_state(), metadata)

    # -- answering --------------------------------------------------------------------------

    def ensemble_members(self) -> dict[str, VolatilityForecaster]:
        """Return what the vintages are made of, by name: walks that answer with one component of each vintage."""
        known = self._known() if self.requires_fit else set()
        names = self._vintage(max(known)).ensemble_members() if known else {}
        return {name: WalkForwardMember(self, name) for name in names}

    def vintage_at(self, asof: pd.Timestamp) -> VolatilityForecaster:
        """Return the vintage that answers at `asof`: the newest with ``trained_through <= asof``.

        Raises
        ------
        MissingVintageError
            If there is none, with the command that trains it.
        StoreConfigurationError
            If the store was written by another configuration.
        """
        if not self.requires_fit:
            return self.forecaster
        known = [date for date in self._known() if date <= asof]
        if not known:
            raise MissingVintageError(self._missing(asof))
        return self._vintage(max(known))

    def _known(self) -> set[pd.Timestamp]:
        if self.store is None:
            return set(self._fitted)
        signature, known = self.__dict__.get("listed_", (None, set()))
        if signature != self.store.signature():
            signature = self.store.signature()
            if self.store.configuration is not None:
                self.store.configure(self.configuration)
            known = set(self.store.vintages())
            self.__dict__["listed_"] = signature, known
        return set(known)

    def _vintage(self, date: pd.Timestamp) -> VolatilityForecaster:
        if date not in self._fitted:
            assert self.store is not None
            state, manifest = self.store.load(date)
            fitted = _restored(self.forecaster, state, manifest, self.store)
            fitted.data_fingerprint_ = manifest.fingerprint
            self._fitted[date] = fitted
        return self._fitted[date]

    def _missing(self, asof: pd.Timestamp) -> str:
        where = "in memory" if self.store is None else f"in {self.store.path}"
        folder = "" if self.store is None else f" --store {self.store.path}"
        start = asof.to_period(FREQUENCIES[self._schedule.frequency]).start_time.date()
        return (
            f"no vintage of {type(self.forecaster).__name__} {where} was trained through a session at or before "
            f"{asof.date()}; train it: volplugin train --start {start} --end {asof.date()}{folder}"
        )

    def predict_path(
        self,
        panel: PricePanel,
        start: str | pd.Timestamp,
        end: str | pd.Timestamp,
        horizon: int = 21,
        *,
        market: PricePanel | None = None,
    ) -> pd.DataFrame:
        """Forecast from every session between two dates, each by the vintage of its date."""
        panel = panel if market is None else panel.with_market(market)
        pieces = [
            vintage.predict_path(panel, sessions[0], sessions[-1], horizon)
            for vintage, sessions in self.iter_vintages(panel, start, end)
        ]
        if not pieces:
            raise InsufficientHistoryError(f"no session between {start} and {end} in {panel!r}")
        return pd.concat(pieces)

    def iter_vintages(
        self, panel: PricePanel, start: str | pd.Timestamp, end: str | pd.Timestamp
    ) -> Iterator[tuple[VolatilityForecaster, pd.DatetimeIndex]]:
        """Return each vintage that answers between two dates with its sessions, in order."""
        sessions = panel.sessions[panel.sessions.slice_indexer(as_moment(start), as_moment(end))]
        begin = 0
        while begin < len(sessions):
            vintage = self.vintage_at(pd.Timestamp(sessions[begin]))
            later = [date for date in (self._known() if self.requires_fit else ()) if date > sessions[begin]]
            stop = int(sessions.searchsorted(min(later))) if later else len(sessions)
            yield vintage, sessions[begin:stop]
            begin = stop

    def predict_in_sample(
        self,
        panel: PricePanel,
        start: str | pd.Timestamp,
        end: str | pd.Timestamp,
        horizons: Sequence[int] = (1,),
    ) -> dict[int, pd.DataFrame]:
        """Forecasts that the vintage of `end` makes of the sessions before it."""
        return self.vintage_at(panel.asof(end).last_session).predict_in_sample(panel, start, end, horizons)

    def check_no_lookahead(self, asof: pd.Timestamp) -> None:
        """Refuse dates before the first vintage."""
        self.vintage_at(asof)

    def _predict(self, panel: PricePanel, horizon: int) -> pd.Series:
        return self.vintage_at(panel.last_session).predict(panel, horizon)

    def _fit(self, panel: PricePanel) -> None:
        raise ParameterError("a WalkForward is trained over dates: call train(panel, start, end)")

    @property
    def _schedule(self) -> RefitSchedule:
        return self.schedule if self.schedule is not None else RefitSchedule()

    @property
    def _fitted(self) -> dict[pd.Timestamp, VolatilityForecaster]:
        """Vintages fitted or loaded so far; outside the parameters, so that a clone starts empty."""
        return self.__dict__.setdefault("vintages_", {})


class WalkForwardMember(WalkForward):
    """One component of every vintage of a walk, such as one seed of an ensemble.

    Parameters
    ----------
    walk : WalkForward
        Trained.
    component : str
        One of the names in ``walk.components()``.
    """

    def __init__(self, walk_forward: WalkForward, component: str) -> None:
        super().__init__(walk_forward.forecaster, walk_forward.schedule, walk_forward.store)
        self.walk_forward = walk_forward
        self.component = component

    def train(self, *arguments: Any, **settings: Any) -> Self:
        """Refuse: a component is trained with the walk that it belongs to."""
        raise ParameterError(f"{self.component} is trained with its walk: call train on that")

    def _known(self) -> set[pd.Timestamp]:
        return self.walk_forward._known()

    def _vintage(self, date: pd.Timestamp) -> VolatilityForecaster:
        if date not in self._fitted:
            self._fitted[date] = self.walk_forward._vintage(date).ensemble_members()[self.component]
        return self._fitted[date]


def describe(forecaster: VolatilityForecaster) -> dict[str, Any]:
    """Name a forecaster's class and parameters in plain values, those of forecasters among its parameters too.

    Its `circumstances` are left out: they say where it is fitted, not what is.
    """
    parameters = forecaster.get_params(deep=False)
    return {
        "forecaster": type(forecaster).__name__,
        "parameters": {
            name: _described(value) for name, value in parameters.items() if name not in forecaster.runtime_params
        },
    }


def _described(value: Any) -> Any:
    if isinstance(value, VolatilityForecaster):
        return describe(value)
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_described(item) for item in value]
    return value


def _restored(
    forecaster: VolatilityForecaster, state: State, manifest: Manifest, store: ModelStore
) -> VolatilityForecaster:
    """Make a vintage of what a store kept, which may be whole and yet not of this forecaster."""
    fitted = clone(forecaster)
    try:
        return fitted.restore(state, manifest.trained_through, manifest.assets, manifest.universe)
    except VolpluginError:
        raise
    except (LookupError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise StoreCorruptError(
            f"the vintage trained through {manifest.trained_through} in {store.path} holds other numbers than "
            f"{type(forecaster).__name__} has: {error!r}; delete the vintage's folder and train again"
        ) from error


def _fit_member(
    part: VolatilityForecaster, panel: PricePanel, date: pd.Timestamp, number: int
) -> tuple[pd.Timestamp, int, State]:
    return date, number, clone(part).fit_member(panel.asof(date))


def _combine(
    forecaster: VolatilityForecaster, states: list[State], panel: PricePanel, date: pd.Timestamp
) -> VolatilityForecaster:
    return clone(forecaster).combine(states, panel.asof(date))


def identity(model: VolatilityForecaster, end: pd.Timestamp) -> dict[str, Any]:
    """Return what tells a model's forecasts from another's: its parameters, its schedule, its stored vintages."""
    if not isinstance(model, WalkForward):
        return describe(model)
    metadata = model.configuration
    if model.store is None or not model.requires_fit:
        return metadata
    used = [date for date in model.store.vintages() if date <= end]
    return metadata | {"vintages": {str(date.date()): model.store.load(date)[1].checksum for date in used}}
