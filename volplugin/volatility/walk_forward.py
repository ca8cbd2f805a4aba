"""A forecaster refitted on a schedule, with the newest admissible vintage used at each date."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Self

import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone
from tqdm.auto import tqdm

from volplugin.data.panel import PricePanel, as_moment
from volplugin.errors import (
    InsufficientHistoryError,
    MissingVintageError,
    ParameterError,
    StoreCorruptError,
    VolpluginError,
    require_type,
)
from volplugin.storage import Manifest, ModelStore
from volplugin.volatility.base import State, VolatilityForecaster
from volplugin.volatility.training_data import TrainingData, check_same_stocks, check_training_data
from volplugin.volatility.vintages import FREQUENCIES, RefitSchedule, describe

__all__ = ["RefitSchedule", "WalkForward", "WalkForwardMember"]


class WalkForward(VolatilityForecaster):
    """A forecaster refitted on a schedule; at `asof` it uses the newest vintage trained through `asof` or earlier.

    Timing: `asof` is the last completed session used; the forecast covers the `horizon` sessions after it.

    Parameters
    ----------
    forecaster : VolatilityForecaster
        Cloned and fitted once per vintage.
    schedule : RefitSchedule, optional
        Refit dates; yearly by default.
    store : ModelStore, optional
        Folder that vintages are saved to and loaded from; by default they stay in memory.

    Raises
    ------
    MissingVintageError
        At a forecast, if no vintage was trained through `asof` or earlier.
    StoreConfigurationError
        If the store holds vintages of another forecaster, other parameters or another schedule.

    Examples
    --------
    >>> from volplugin import HARVolatility, RefitSchedule, WalkForward, simulated_panel
    >>> panel = simulated_panel(3, "2008-01-02", "2011-06-30")
    >>> model = WalkForward(HARVolatility(), RefitSchedule("yearly"))
    >>> model = model.train(panel, "2010-06-01", "2011-06-30", progress=False)
    >>> [str(date.date()) for date in model.vintage_dates()]
    ['2009-12-31', '2010-12-31']
    >>> model.predict(panel.asof("2010-12-30"), horizon=21).shape
    (3,)
    >>> model.vintage_at(panel.asof("2010-12-30").last_session).vintage
    {'model': 'HARVolatility', 'trained_through': '2009-12-31'}
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
        # Vintages in memory are no parameters, so a clone starts without them.
        self._vintages: dict[pd.Timestamp, VolatilityForecaster] = {}
        # Signature and checksum of each vintage in memory that the store holds.
        self._read: dict[pd.Timestamp, tuple[tuple[int, ...], str]] = {}
        self._listing: tuple[tuple[int, ...] | None, list[pd.Timestamp]] = (None, [])

    @property
    def lookback(self) -> int:
        """Number of sessions up to `asof` that a forecast depends on."""
        return self.forecaster.lookback

    @property
    def requires_fit(self) -> bool:
        """Whether the forecaster learns parameters, so that vintages are needed."""
        return self.forecaster.requires_fit

    @property
    def model_name(self) -> str:
        """Name of the refitted forecaster."""
        return self.forecaster.model_name

    @property
    def configuration(self) -> dict[str, Any]:
        """Forecaster, parameters and schedule: vintages of one store have the same configuration."""
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
        """Train the vintages that forecasts from `start` to `end` need and that the store lacks.

        Each vintage is trained on ``panel.asof(its date)``. Members, such as one seed of a vintage, are trained in
        parallel through joblib, one torch thread per process, and saved as they finish, so an interrupted training
        resumes. Inside ``joblib.parallel_config`` or `volplugin.parallel.on_cluster` that backend runs them.

        Parameters
        ----------
        panel : PricePanel
            Prices from well before `start`.
        start, end : str or Timestamp
            First and last forecast date.
        n_jobs : int, optional
            Number of processes, as in joblib; by default the setting of ``joblib.parallel_config``.
        progress : bool, default True
            Show a progress bar on a terminal.

        Raises
        ------
        InsufficientHistoryError
            If prices end before `start`, or begin too late to train on.
        StoreConfigurationError
            If the store's vintages have another configuration, or were trained on other stocks. Smaller changes of
            the training data are logged.
        """
        require_type(panel, PricePanel, "panel")
        require_type(self.forecaster, VolatilityForecaster, "forecaster")
        require_type(self.store, ModelStore | None, "store")
        require_type(self.schedule, RefitSchedule | None, "schedule")
        if n_jobs == 0:
            raise ParameterError("n_jobs is 0; pass a number of processes, or -1 for one per core")
        if not self.requires_fit:
            return self
        return self.train_through(panel, self._dates(panel, start, end), n_jobs=n_jobs, progress=progress)

    def train_through(
        self,
        panel: PricePanel,
        dates: Sequence[pd.Timestamp],
        *,
        n_jobs: int | None = None,
        progress: bool = True,
        keep_data: bool = True,
    ) -> Self:
        """Train the vintages with these last training sessions, as `train` does.

        Parameters
        ----------
        panel : PricePanel
        dates : sequence of Timestamp
            Last training sessions, sessions of the panel.
        n_jobs, progress
            As in `train`.
        keep_data : bool, default True
            Store the training data too, by which later changes of the prices are noticed.
        """
        if self.store is not None:
            self.store.configure(self.configuration)
        wanted = {date: panel.asof(date).fingerprint() for date in dates}
        missing = [date for date, fingerprint in wanted.items() if not self._has(date, fingerprint)]
        if self.store is not None:
            stored = [date for date in wanted if date not in missing]
            check_training_data(self.store, stored, panel, migrate=keep_data)
            self._prepare(self.store, stored, bool(missing), panel)
        states = self._fit_parts(panel, {date: wanted[date] for date in missing}, n_jobs, progress)
        joined = Parallel(n_jobs=n_jobs, return_as="generator")(
            delayed(_combine)(self.forecaster, states[date], panel, date) for date in missing
        )
        shown = tqdm(joined, desc="joining", unit="vintage", total=len(missing), disable=None if progress else True)
        training = None
        if keep_data and missing and self.store is not None:
            last = max(missing)
            training = TrainingData.of(panel.asof(last)).save(self.store, wanted[last])
        for date, fitted in zip(missing, shown, strict=True):
            self._keep(date, fitted, wanted[date], panel, training)
        return self

    @staticmethod
    def _prepare(store: ModelStore, stored: list[pd.Timestamp], adding: bool, panel: PricePanel) -> None:
        if adding:
            check_same_stocks(store, panel)
            store.check_writable()
        for date in stored:
            store.drop_parts(date)

    def _fit_parts(
        self, panel: PricePanel, wanted: dict[pd.Timestamp, str], n_jobs: int | None, progress: bool
    ) -> dict[pd.Timestamp, list[State]]:
        """Fit the members of the wanted vintages that are not stored yet, and store each when it finishes."""
        parts = self.forecaster.members()
        keys = [(date, part) for date in wanted for part in range(len(parts))]
        found = {(date, part): self._kept(date, part, wanted[date]) for date, part in keys}
        # Longest training spans first, so that no process starts a long one at the end.
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
                f"prices end on {panel.last_session.date()}, before the first requested session, "
                f"{as_moment(start).date()}; bring the prices up to date"
            )
        return self._schedule.dates(panel.sessions, start, min(as_moment(end), panel.last_session))

    def _kept(self, date: pd.Timestamp, part: int, fingerprint: str) -> State | None:
        return None if self.store is None else self.store.load_part(date, part, fingerprint)

    def _has(self, date: pd.Timestamp, fingerprint: str) -> bool:
        if self.store is None or date not in self.store.vintages():
            known = self._vintages.get(date)
            return self.store is None and known is not None and known.data_fingerprint_ == fingerprint
        self.store.load(date)  # raises StoreCorruptError for a damaged one
        return True

    def _keep(
        self,
        date: pd.Timestamp,
        fitted: VolatilityForecaster,
        fingerprint: str,
        panel: PricePanel,
        training: str | None,
    ) -> None:
        fitted.data_fingerprint_ = fingerprint
        self._vintages[date] = fitted
        if self.store is not None:
            metadata: dict[str, Any] = {
                "fingerprint": fingerprint,
                "assets": fitted.assets_,
                "universe": fitted.universe_,
            } | ({} if training is None else {"training": training})
            metadata["assets_with_data"] = int(panel.asof(date).close.notna().any().sum())
            self.store.save(date, fitted.get_state(), metadata)
            self._read[date] = self.store.signature(date), self.store.manifest(date).checksum

    # -- vintages and forecasts -------------------------------------------------------------

    def ensemble_members(self) -> dict[str, VolatilityForecaster]:
        """Return one walk-forward forecaster per ensemble member, by name: it uses that member of each vintage."""
        dates = self.vintage_dates()
        names = self._vintage(dates[-1]).ensemble_members() if dates else {}
        return {name: WalkForwardMember(self, name) for name in names}

    def vintage_at(self, asof: pd.Timestamp) -> VolatilityForecaster:
        """Return the newest vintage with ``trained_through <= asof``; the forecaster itself if it requires no fit.

        Raises
        ------
        MissingVintageError
            If there is none, with the command that trains it.
        StoreConfigurationError
            If the store was written with another configuration.
        """
        if not self.requires_fit:
            return self.forecaster
        known = self._known()
        place = bisect_right(known, asof)
        if not place:
            raise MissingVintageError(self._missing(asof))
        return self._vintage(known[place - 1])

    def vintage_dates(self) -> list[pd.Timestamp]:
        """Return the last training sessions of the vintages in the store, or in memory, increasing."""
        return list(self._known()) if self.requires_fit else []

    def identity(self, end: pd.Timestamp) -> dict[str, Any]:
        """Return the configuration, and the checksums of the stored vintages that forecasts through `end` use."""
        if self.store is None or not self.requires_fit:
            return self.configuration
        used = [date for date in self.store.vintages() if date <= end]
        return self.configuration | {"vintages": {str(date.date()): self.store.load(date)[1].checksum for date in used}}

    def with_reference(self, panel: PricePanel) -> PricePanel:
        """Return the panel with the market that the vintage of its last session uses."""
        return self.vintage_at(panel.last_session).with_reference(panel)

    def _known(self) -> list[pd.Timestamp]:
        """Return the last training sessions of the vintages, increasing."""
        if self.store is None:
            return sorted(self._vintages)
        # The folder is listed again only when its signature changes.
        if self._listing[0] != self.store.signature():
            if self.store.configuration is not None:
                self.store.configure(self.configuration)
            self._listing = self.store.signature(), self.store.vintages()
        return self._listing[1]

    def _vintage(self, date: pd.Timestamp) -> VolatilityForecaster:
        """Return a vintage, read again if the store holds it retrained."""
        if self.store is None:
            return self._vintages[date]
        signature, checksum = self._read.get(date, ((), ""))
        current = self.store.signature(date)
        if current != signature and not (checksum and self.store.manifest(date).checksum == checksum):
            state, manifest = self.store.load(date)
            fitted = _restored(self.forecaster, state, manifest, self.store)
            fitted.data_fingerprint_ = manifest.fingerprint
            self._vintages[date], checksum = fitted, manifest.checksum
        self._read[date] = current, checksum
        return self._vintages[date]

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
        """Forecast from each session between two dates, each with the vintage of its date.

        Parameters, result and errors as in `VolatilityForecaster.predict_path`.
        """
        require_type(panel, PricePanel, "panel")
        panel = panel if market is None else panel.with_market(market)
        pieces = [
            vintage.predict_path(panel, sessions[0], sessions[-1], horizon)
            for vintage, sessions in self.iter_vintages(panel, start, end)
        ]
        if not pieces:
            raise InsufficientHistoryError(f"no session between {start} and {end} in {panel!r}")
        return pd.concat(pieces)

    def predict_in_sample(
        self,
        panel: PricePanel,
        start: str | pd.Timestamp,
        end: str | pd.Timestamp,
        horizons: Sequence[int] = (1,),
    ) -> dict[int, pd.DataFrame]:
        """Forecast past sessions with the vintage of `end`."""
        return self.vintage_at(panel.asof(end).last_session).predict_in_sample(panel, start, end, horizons)

    def check_no_lookahead(self, asof: pd.Timestamp) -> None:
        """Raise MissingVintageError at a date before the first vintage."""
        self.vintage_at(asof)

    def _predict(self, panel: PricePanel, horizon: int) -> pd.Series:
        return self.vintage_at(panel.last_session).predict(panel, horizon)

    def _fit(self, panel: PricePanel) -> None:
        raise ParameterError("a WalkForward is trained over dates: call train(panel, start, end)")

    @property
    def _schedule(self) -> RefitSchedule:
        return self.schedule if self.schedule is not None else RefitSchedule()


class WalkForwardMember(WalkForward):
    """One ensemble member of each vintage of a `WalkForward`, such as one seed.

    Parameters
    ----------
    walk_forward : WalkForward
        Trained.
    component : str
        One of the names in ``walk_forward.ensemble_members()``.
    """

    def __init__(self, walk_forward: WalkForward, component: str) -> None:
        super().__init__(walk_forward.forecaster, walk_forward.schedule, walk_forward.store)
        self.walk_forward = walk_forward
        self.component = component
        self._wholes: dict[pd.Timestamp, VolatilityForecaster] = {}

    def train(self, *arguments: Any, **settings: Any) -> Self:
        """Raise ParameterError: a member is trained with its `WalkForward`."""
        raise ParameterError(f"{self.component} is a member of a WalkForward; call train on the WalkForward")

    def _known(self) -> list[pd.Timestamp]:
        return self.walk_forward._known()

    def _vintage(self, date: pd.Timestamp) -> VolatilityForecaster:
        whole = self.walk_forward._vintage(date)
        if self._wholes.get(date) is not whole:
            self._wholes[date], self._vintages[date] = whole, whole.ensemble_members()[self.component]
        return self._vintages[date]


def _restored(
    forecaster: VolatilityForecaster, state: State, manifest: Manifest, store: ModelStore
) -> VolatilityForecaster:
    """Return the vintage with a stored state, which may be intact and yet belong to another forecaster."""
    fitted = clone(forecaster)
    try:
        return fitted.restore(state, manifest.trained_through, manifest.assets, manifest.universe)
    except VolpluginError:
        raise
    except (LookupError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise StoreCorruptError(
            f"the vintage trained through {manifest.trained_through} in {store.path} does not hold the parameters of "
            f"{type(forecaster).__name__}: {error!r}; delete the vintage's folder and train again"
        ) from error


def _fit_member(
    part: VolatilityForecaster, panel: PricePanel, date: pd.Timestamp, number: int
) -> tuple[pd.Timestamp, int, State]:
    return date, number, clone(part).fit_member(panel.asof(date))


def _combine(
    forecaster: VolatilityForecaster, states: list[State], panel: PricePanel, date: pd.Timestamp
) -> VolatilityForecaster:
    return clone(forecaster).combine(states, panel.asof(date))
