"""The interface of every volatility forecaster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone

from volplugin.data.panel import MAX_GAP_SESSIONS, PricePanel, as_moment
from volplugin.errors import InsufficientHistoryError, LookAheadError, NotFittedError, ParameterError
from volplugin.volatility.rolling import ffill_limited
from volplugin.volatility.term_structure import FITTED_HORIZONS, interpolate_variance

State = dict[str, np.ndarray]

CONTEXT_SESSIONS = 2 * MAX_GAP_SESSIONS + 1
"""Sessions before a window that it may still touch: a return across a halt, and a forecast held over one."""


class VolatilityForecaster(BaseEstimator):
    """Forecasts each asset's volatility over the sessions after `asof`.

    Units: a volatility is a *daily standard deviation in decimals*, the square root of the mean daily
    variance over the horizon. Timing: `asof` is the last completed session of the panel; the forecast
    covers the `horizon` sessions after it, and is a function of the `lookback` sessions up to it.

    A forecaster is one class with ``_fit``, ``_predict`` (or, for all dates at once,
    ``_predict_path``), ``get_state`` and ``set_state``. Constructors store their parameters untouched.
    """

    trained_through_: pd.Timestamp
    assets_: list[str]
    universe_: list[str]
    data_fingerprint_: str

    runtime_params: ClassVar[tuple[str, ...]] = ()
    """Parameters that say where it is fitted rather than what: models that differ in these alone share a store."""

    @property
    def lookback(self) -> int:
        """Sessions up to `asof` that a forecast depends on."""
        raise NotImplementedError

    @property
    def requires_fit(self) -> bool:
        """Whether there are learned numbers, so that `fit` must come first."""
        return True

    @property
    def fitted_horizons(self) -> tuple[int, ...]:
        """Horizons in sessions that are fitted for; others are interpolated."""
        return FITTED_HORIZONS

    # -- what users call --------------------------------------------------------------------

    def fit(self, panel: PricePanel, *, market: PricePanel | None = None) -> Self:
        """Learn from everything in the panel, and from nothing after its last session.

        Parameters
        ----------
        panel : PricePanel
            Training data, usually ``panel.asof(date)``.
        market : PricePanel, optional
            Reference universe for market-wide inputs, the panel's own market if not given.

        Raises
        ------
        InsufficientHistoryError
            If the panel is too short to learn from.
        """
        panel = panel if market is None else panel.with_market(market)
        self._check_parameters()
        self._describe(panel)
        self._fit(panel)
        self.trained_through_ = panel.last_session
        return self

    def predict(self, panel: PricePanel, horizon: int = 21, *, market: PricePanel | None = None) -> pd.Series:
        """Forecast from the panel's last session.

        Returns
        -------
        Series of shape (n_assets,)
            Daily volatility by asset; NaN for an asset with too little history, or without a bar in
            the last `MAX_GAP_SESSIONS` sessions.

        Raises
        ------
        NotFittedError, LookAheadError, ParameterError
        """
        panel = panel if market is None else panel.with_market(market)
        _check_horizon(horizon)
        self.check_no_lookahead(panel.last_session)
        return self._predict(panel.tail(self.lookback), horizon).reindex(panel.assets).rename("volatility")

    def predict_path(
        self,
        panel: PricePanel,
        start: str | pd.Timestamp,
        end: str | pd.Timestamp,
        horizon: int = 21,
        *,
        market: PricePanel | None = None,
    ) -> pd.DataFrame:
        """Forecast from every session between two dates, each with what was known at its close.

        Returns
        -------
        DataFrame of shape (n_sessions, n_assets)
            The row of a session equals ``predict(panel.asof(session), horizon)``.
        """
        panel = panel if market is None else panel.with_market(market)
        _check_horizon(horizon)
        begin = int(panel.sessions.searchsorted(as_moment(start)))
        if begin < len(panel.sessions):
            self.check_no_lookahead(pd.Timestamp(panel.sessions[begin]))
        return self.predict_in_sample(panel, start, end, (horizon,))[horizon]

    def predict_in_sample(
        self,
        panel: PricePanel,
        start: str | pd.Timestamp,
        end: str | pd.Timestamp,
        horizons: Sequence[int] = (1,),
    ) -> dict[int, pd.DataFrame]:
        """Forecasts this model, as it stands, makes of past sessions, its training span included.

        For devolatilising the past at one `asof` under one model. Not for judging the model:
        `predict_path` is, and refuses sessions before the end of training.

        Returns
        -------
        dict of int to DataFrame of shape (n_sessions, n_assets)
            Daily volatility by horizon.
        """
        known = panel.asof(end)
        begin, stop = int(known.sessions.searchsorted(as_moment(start))), len(known.sessions)
        if begin >= stop:
            raise InsufficientHistoryError(f"no session between {start} and {end} in {panel!r}")
        first = max(0, begin - self.lookback + 1)
        paths = self._predict_paths(known.tail(stop - first), tuple(horizons), begin - first)
        return {horizon: path.iloc[begin - first :].reindex(columns=panel.assets) for horizon, path in paths.items()}

    def check_no_lookahead(self, asof: pd.Timestamp) -> None:
        """Refuse to answer unfitted, or at a date before the end of training."""
        self._check_parameters()
        if not self.requires_fit:
            return
        if not hasattr(self, "trained_through_"):
            raise NotFittedError(f"{type(self).__name__} is not fitted; call fit(panel.asof(date)) first")
        if asof < self.trained_through_:
            raise LookAheadError(
                f"{type(self).__name__} was trained through {self.trained_through_.date()} and was asked at "
                f"{asof.date()}, which would use the future; fit on panel.asof('{asof.date()}') or use WalkForward"
            )

    def members(self) -> list[VolatilityForecaster]:
        """Pieces of this model that can be fitted apart, and in parallel: itself, unless it is an ensemble."""
        return [clone(self)]

    def fit_member(self, panel: PricePanel) -> State:
        """Fit one of the `parts`, and return what `join` needs of it."""
        return self.fit(panel).get_state()

    def combine(self, states: list[State], panel: PricePanel) -> Self:
        """Become the model whose parts, fitted on `panel`, have these states."""
        self._describe(panel)
        self.trained_through_ = panel.last_session
        self._combine(states, panel)
        return self

    def restore(
        self, state: State, trained_through: str | pd.Timestamp, assets: list[str], universe: list[str]
    ) -> Self:
        """Become the fitted model that a store kept."""
        self.assets_, self.universe_ = list(assets), list(universe)
        self.trained_through_ = pd.Timestamp(trained_through)
        self.set_state(state)
        return self

    def _describe(self, panel: PricePanel) -> None:
        self.assets_, self.universe_ = list(panel.assets), list(panel.market.assets)

    def _combine(self, states: list[State], panel: PricePanel) -> None:
        self.set_state(states[0])

    def vintage_at(self, asof: pd.Timestamp) -> VolatilityForecaster:
        """Return the model that answers at `asof`: this one, unless vintages stand behind it."""
        self.check_no_lookahead(asof)
        return self

    def iter_vintages(
        self, panel: PricePanel, start: str | pd.Timestamp, end: str | pd.Timestamp
    ) -> Iterator[tuple[VolatilityForecaster, pd.DatetimeIndex]]:
        """Return each model that answers between two dates with its sessions, in order: this one, with all."""
        sessions = panel.sessions[panel.sessions.slice_indexer(as_moment(start), as_moment(end))]
        if len(sessions):
            yield self.vintage_at(pd.Timestamp(sessions[0])), sessions

    def online_predictor(self) -> OnlinePredictor:
        """Return what forecasts session after session, carrying over what it can."""
        return OnlinePredictor(self)

    def fine_tuned(self, panel: PricePanel) -> VolatilityForecaster:
        """Return this fitted model tuned to the assets of a panel, through its last session.

        Raises
        ------
        ParameterError
            If this kind of model has nothing to tune.
        """
        raise ParameterError(f"{type(self).__name__} cannot be tuned to a panel; fit it")

    def ensemble_members(self) -> dict[str, VolatilityForecaster]:
        """Return what a fitted ensemble is made of, each ready to predict, by name; nothing for other models."""
        return {}

    def fallbacks(self, panel: PricePanel) -> dict[str, str]:
        """Name the parts of the model that cannot serve this panel, and what answers in their place."""
        return {}

    @property
    def vintage(self) -> dict[str, str]:
        """What the learned numbers are: the model, and the last session it was trained on."""
        named = {"model": type(self).__name__}
        if self.requires_fit and hasattr(self, "trained_through_"):
            named["trained_through"] = str(self.trained_through_.date())
        return named

    # -- what a forecaster brings -----------------------------------------------------------

    def _check_parameters(self) -> None:
        """Raise ParameterError for values outside their domain."""

    def _fit(self, panel: PricePanel) -> None:
        """Learn; nothing to do by default."""

    def _predict(self, panel: PricePanel, horizon: int) -> pd.Series:
        """Forecast from the last session of a panel cut to `lookback` sessions."""
        return self._predict_paths(panel, (horizon,), len(panel.sessions) - 1)[horizon].iloc[-1]

    def _predict_paths(self, panel: PricePanel, horizons: tuple[int, ...], first: int) -> dict[int, pd.DataFrame]:
        """`_predict_path` at several horizons; to be overridden where they share their work."""
        return {horizon: self._predict_path(panel, horizon, first) for horizon in horizons}

    def _predict_path(self, panel: PricePanel, horizon: int, first: int) -> pd.DataFrame:
        """Forecast from each row at or after `first`; rows before it are ignored."""
        sessions = panel.sessions[first:]
        rows = [self._predict(panel.asof(session).tail(self.lookback), horizon) for session in sessions]
        path = pd.DataFrame(rows, index=sessions)
        return path.reindex(panel.sessions)

    def get_state(self) -> State:
        """Return every learned number, by name: what a store saves."""
        return {}

    def set_state(self, state: State) -> None:
        """Take the learned numbers back, on a forecaster constructed with the same parameters."""

    # -- shared by implementations ----------------------------------------------------------

    def _from_fitted_horizons(
        self, variance: np.ndarray, panel: PricePanel, horizons: tuple[int, ...]
    ) -> dict[int, pd.DataFrame]:
        """Volatility at any horizons from the variance at those fitted for, the last axis of the array."""
        return {
            horizon: self._volatility_frame(interpolate_variance(variance, self.fitted_horizons, horizon), panel)
            for horizon in horizons
        }

    @staticmethod
    def _volatility_frame(variance: np.ndarray, panel: PricePanel) -> pd.DataFrame:
        """Volatility from variance, that of the last bar held over halts, on the panel's labels."""
        at_bars = np.where(panel.close.notna().to_numpy(), variance, np.nan)
        return pd.DataFrame(
            np.sqrt(ffill_limited(at_bars, MAX_GAP_SESSIONS)), index=panel.sessions, columns=panel.assets
        )


class OnlinePredictor:
    """Forecasts session after session by one model; this one starts afresh each time."""

    def __init__(self, model: VolatilityForecaster) -> None:
        self.model = model

    def predict_in_sample(
        self, panel: PricePanel, start: pd.Timestamp, end: pd.Timestamp, horizons: Sequence[int]
    ) -> dict[int, pd.DataFrame]:
        """Forecast as the model's `replay` does."""
        return self.model.predict_in_sample(panel, start, end, horizons)

    def get_state(self) -> State:
        """Return what is carried from session to session, by name: what a store saves; nothing here."""
        return {}

    def set_state(self, state: State) -> None:
        """Take it back, on a follower of the same model."""


def _check_horizon(horizon: int) -> None:
    if not isinstance(horizon, int | np.integer) or not 1 <= horizon <= 252:
        raise ParameterError(f"horizon is {horizon!r}; pass a whole number of sessions from 1 to 252")
