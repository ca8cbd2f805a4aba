"""The interface of every volatility forecaster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from volplugin.data.panel import MAX_GAP_SESSIONS, PricePanel, as_moment
from volplugin.errors import InsufficientHistoryError, LookAheadError, NotFittedError, ParameterError, require_type
from volplugin.volatility.members import MemberFitting, State
from volplugin.volatility.reference import NO_REFERENCE, reference, with_reference
from volplugin.volatility.rolling import ffill_limited
from volplugin.volatility.term_structure import FITTED_HORIZONS, interpolate_variance
from volplugin.volatility.vintages import VintageSource

__all__ = ["CONTEXT_SESSIONS", "OnlinePredictor", "State", "VolatilityForecaster"]

CONTEXT_SESSIONS = 2 * MAX_GAP_SESSIONS + 1
"""Sessions before a window that still affect it: a return across a halt, and a forecast carried over a halt."""


class VolatilityForecaster(VintageSource["VolatilityForecaster"], MemberFitting["VolatilityForecaster"]):
    """Forecasts the volatility of each asset over the sessions after `asof`.

    Units: a volatility is a daily standard deviation in decimals, the square root of the mean daily variance over
    the horizon; only `annualize` and ``periods=`` change that. Timing: `asof` is the last completed session used; the
    forecast covers the `horizon` sessions after it, and depends on the `lookback` sessions up to `asof` alone.

    A new forecaster is one class with ``_fit``, ``_predict`` (or, for all dates at once, ``_predict_path``),
    ``get_state`` and ``set_state``. Constructors store their parameters unchanged.
    """

    assets_: list[str]
    universe_: list[str]
    data_fingerprint_: str

    @property
    def lookback(self) -> int:
        """Number of sessions up to `asof` that a forecast depends on."""
        raise NotImplementedError

    @property
    def fitted_horizons(self) -> tuple[int, ...]:
        """Horizons in sessions that the model is fitted for; other horizons are interpolated."""
        return FITTED_HORIZONS

    @property
    def all_horizons(self) -> tuple[int, ...]:
        """Horizons in sessions that forecasts are interpolated between: the fitted ones, and longer ones if any."""
        return self.fitted_horizons

    @property
    def event_aware(self) -> bool:
        """Whether the model also has an event-free forecast, without expected company events."""
        return False

    # -- public interface -------------------------------------------------------------------

    def fit(self, panel: PricePanel, *, market: PricePanel | None = None) -> Self:
        """Fit on all sessions of the panel.

        Parameters
        ----------
        panel : PricePanel
            Training data, usually ``panel.asof(date)``.
        market : PricePanel, optional
            Reference universe for market-wide inputs; the panel's own market by default.

        Raises
        ------
        InsufficientHistoryError
            If the panel is too short to fit on.
        ParameterError
            If a parameter is outside its domain.
        """
        panel = _panel(panel, market)
        self._check_parameters()
        self._describe(panel)
        self._fit(panel)
        self.trained_through_ = panel.last_session
        return self

    def predict(self, panel: PricePanel, horizon: int = 21, *, market: PricePanel | None = None) -> pd.Series:
        """Forecast from the panel's last session.

        Parameters
        ----------
        panel : PricePanel
            Prices through `asof`.
        horizon : int, default 21
            Sessions after `asof` that the forecast covers, 1 to 252.
        market : PricePanel, optional
            Reference universe for market-wide inputs; the panel's own market by default.

        Returns
        -------
        Series of shape (n_assets,)
            Daily volatility by asset; NaN for an asset with too little history, or without a bar in
            the last `MAX_GAP_SESSIONS` sessions.

        Raises
        ------
        NotFittedError
            Before `fit`.
        LookAheadError
            If the panel ends before the model's last training session.
        ParameterError
            For a horizon outside 1 to 252.
        """
        panel = _panel(panel, market)
        check_horizon(horizon)
        self.check_no_lookahead(panel.last_session)
        panel = self.with_reference(panel)
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
        """Forecast from each session between two dates, each with data up to its own close only.

        Parameters
        ----------
        panel : PricePanel
        start, end : str or Timestamp
            First and last `asof`.
        horizon : int, default 21
            Sessions after each `asof` that a forecast covers, 1 to 252.
        market : PricePanel, optional
            As in `predict`.

        Returns
        -------
        DataFrame of shape (n_sessions, n_assets)
            Daily volatility; the row of a session equals ``predict(panel.asof(session), horizon)``.

        Raises
        ------
        InsufficientHistoryError
            If the panel has no session between the dates.
        NotFittedError, LookAheadError, ParameterError
            As in `predict`.
        """
        panel = _panel(panel, market)
        check_horizon(horizon)
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
        """Forecast past sessions with this fitted model, its training span included.

        Used to standardize past returns under one model. For evaluation use `predict_path`, which raises an error for
        sessions before the end of training.

        Parameters
        ----------
        panel : PricePanel
        start, end : str or Timestamp
            First and last session.
        horizons : sequence of int, default (1,)
            In sessions; minus a horizon selects the event-free forecast of an `event_aware` model.

        Returns
        -------
        dict of int to DataFrame of shape (n_sessions, n_assets)
            Daily volatility by horizon.

        Raises
        ------
        InsufficientHistoryError
            If the panel has no session between the dates.
        """
        known = self.with_reference(require_type(panel, PricePanel, "panel").asof(end))
        begin, stop = int(known.sessions.searchsorted(as_moment(start))), len(known.sessions)
        if begin >= stop:
            raise InsufficientHistoryError(f"no session between {start} and {end} in {panel!r}")
        first = max(0, begin - self.lookback + 1)
        paths = self._paths(known.tail(stop - first), tuple(horizons), begin - first)
        return {horizon: path.iloc[begin - first :].reindex(columns=panel.assets) for horizon, path in paths.items()}

    def check_no_lookahead(self, asof: pd.Timestamp) -> None:
        """Raise an error if the model is not fitted, or was trained on sessions after `asof`."""
        self._check_parameters()
        if not self.requires_fit:
            return
        if not hasattr(self, "trained_through_"):
            raise NotFittedError(f"{type(self).__name__} is not fitted; call fit(panel.asof(date)) first")
        if asof < self.trained_through_:
            raise LookAheadError(
                f"{type(self).__name__} was trained through {self.trained_through_.date()}; a forecast at "
                f"{asof.date()} would use the future; fit on panel.asof('{asof.date()}'), or use WalkForward"
            )

    def restore(
        self, state: State, trained_through: str | pd.Timestamp, assets: list[str], universe: list[str]
    ) -> Self:
        """Become the fitted model with a stored state.

        Parameters
        ----------
        state : dict of ndarray
            From `get_state` of a model with the same parameters.
        trained_through : str or Timestamp
            Last training session.
        assets, universe : list of str
            Assets trained on, and assets of the reference universe.
        """
        self.assets_, self.universe_ = list(assets), list(universe)
        self.trained_through_ = pd.Timestamp(trained_through)
        self.set_state(state)
        return self

    def _describe(self, panel: PricePanel) -> None:
        self.assets_, self.universe_ = list(panel.assets), list(panel.market.assets)

    def online_predictor(self) -> OnlinePredictor:
        """Return an object that forecasts consecutive sessions, reusing the state of the last one if it can."""
        return OnlinePredictor(self)

    def fine_tuned(self, panel: PricePanel) -> VolatilityForecaster:
        """Return a copy of this fitted model tuned to the assets of a panel, through the panel's last session.

        Raises
        ------
        ParameterError
            If the model has nothing to tune.
        """
        raise ParameterError(f"{type(self).__name__} cannot be tuned to a panel; call fit(panel)")

    def fallbacks(self, panel: PricePanel) -> dict[str, str]:
        """Return the assets or inputs of a panel for which a substitute is used, each with the reason."""
        lacking = self.uses_market and reference(self.with_reference(panel), self.universe_) is None
        return {"market-wide inputs": NO_REFERENCE} if lacking else {}

    @property
    def uses_market(self) -> bool:
        """Whether the model has market-wide inputs."""
        return False

    def with_reference(self, panel: PricePanel) -> PricePanel:
        """Return the panel with the market that a forecast from it uses, if it lacks the reference universe.

        The market depends on the sessions up to the last training session alone; see `features.with_reference`.
        """
        return with_reference(panel, self.universe_, self.trained_through_) if self.uses_market else panel

    def reference_assets(self, panel: PricePanel) -> list[Any]:
        """Return the assets whose means are the market-wide inputs of a forecast; empty without such inputs."""
        found = reference(self.with_reference(panel), self.universe_) if self.uses_market else None
        return [] if found is None else list(found.assets)

    # -- implemented by forecasters ---------------------------------------------------------

    def _check_parameters(self) -> None:
        """Raise ParameterError for a parameter outside its domain."""

    def _fit(self, panel: PricePanel) -> None:
        """Estimate the parameters; nothing to do by default."""

    def _predict(self, panel: PricePanel, horizon: int) -> pd.Series:
        """Forecast from the last session of a panel cut to `lookback` sessions."""
        return self._predict_paths(panel, (horizon,), len(panel.sessions) - 1)[horizon].iloc[-1]

    def _paths(self, panel: PricePanel, horizons: tuple[int, ...], first: int) -> dict[int, pd.DataFrame]:
        """`_predict_paths`; for a model that is not `event_aware` the event-free forecast is the forecast."""
        if self.event_aware or not without_events(horizons):
            return self._predict_paths(panel, horizons, first)
        paths = self._predict_paths(panel, tuple(sorted({abs(horizon) for horizon in horizons})), first)
        return {horizon: paths[abs(horizon)] for horizon in horizons}

    def _predict_paths(self, panel: PricePanel, horizons: tuple[int, ...], first: int) -> dict[int, pd.DataFrame]:
        """`_predict_path` at several horizons; overridden by models whose horizons share their computation.

        Minus a horizon selects the event-free forecast of an `event_aware` model.
        """
        return {horizon: self._predict_path(panel, horizon, first) for horizon in horizons}

    def _predict_path(self, panel: PricePanel, horizon: int, first: int) -> pd.DataFrame:
        """Forecast from each row at or after `first`; rows before it are ignored."""
        sessions = panel.sessions[first:]
        rows = [self._predict(panel.asof(session).tail(self.lookback), horizon) for session in sessions]
        path = pd.DataFrame(rows, index=sessions)
        return path.reindex(panel.sessions)

    def get_state(self) -> State:
        """Return the learned parameters by name, as a store saves them."""
        return {}

    def set_state(self, state: State) -> None:
        """Set the learned parameters, on a forecaster constructed with the same parameters."""

    # -- shared by implementations ----------------------------------------------------------

    def _from_fitted_horizons(
        self, variance: Callable[[bool], np.ndarray], panel: PricePanel, horizons: Sequence[int]
    ) -> dict[int, pd.DataFrame]:
        """Volatility at any horizons from a function that returns the variance at `all_horizons` on the last axis.

        The function is passed whether the variance is event-free, as at minus a horizon.
        """
        found = {quiet: variance(quiet) for quiet in {days < 0 for days in horizons}}
        return {
            days: self._volatility_frame(interpolate_variance(found[days < 0], self.all_horizons, abs(days)), panel)
            for days in horizons
        }

    @staticmethod
    def _volatility_frame(variance: np.ndarray, panel: PricePanel) -> pd.DataFrame:
        """Volatility from variance, with the panel's labels; over a halt, the value at the last bar."""
        at_bars = np.where(panel.close.notna().to_numpy(), variance, np.nan)
        return pd.DataFrame(
            np.sqrt(ffill_limited(at_bars, MAX_GAP_SESSIONS)), index=panel.sessions, columns=panel.assets
        )


class OnlinePredictor:
    """Forecasts consecutive sessions with one fitted model; this base class recomputes each session."""

    def __init__(self, model: VolatilityForecaster) -> None:
        self.model = model

    def predict_in_sample(
        self, panel: PricePanel, start: pd.Timestamp, end: pd.Timestamp, horizons: Sequence[int]
    ) -> dict[int, pd.DataFrame]:
        """Forecast as `VolatilityForecaster.predict_in_sample` does."""
        return self.model.predict_in_sample(panel, start, end, horizons)


def without_events(horizons: Sequence[int]) -> tuple[int, ...]:
    """Return the negative horizons: event-free forecasts."""
    return tuple(horizon for horizon in horizons if horizon < 0)


def _panel(panel: PricePanel, market: PricePanel | None) -> PricePanel:
    require_type(panel, PricePanel, "panel")
    return panel if market is None else panel.with_market(market)


def check_horizon(horizon: int) -> None:
    """Require a whole number of sessions from 1 to 252."""
    if isinstance(horizon, bool) or not isinstance(horizon, int | np.integer) or not 1 <= horizon <= 252:
        raise ParameterError(f"horizon is {horizon!r}; pass a whole number of sessions from 1 to 252")
