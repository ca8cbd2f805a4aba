"""The steps that every engine's adapter shares: a forecast at a session, a track record, weights at a target."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import pandas as pd

from volplugin.data.panel import PricePanel
from volplugin.errors import (
    AssetMismatchError,
    DataFrequencyError,
    InsufficientHistoryError,
    LookAheadError,
    ParameterError,
    require_type,
)
from volplugin.portfolio import TrackRecord, VolatilityTarget
from volplugin.portfolio.defaults import TARGETING_HORIZON, TARGETING_VIEW
from volplugin.risk.covariance import CovarianceForecast, Weights
from volplugin.risk.model import RiskModel

FREQUENCIES = {"daily": "D", "weekly": "W", "monthly": "M"}
"""Calendars of rebalances, and the periods at whose first session they rebalance."""

MISSING = ("raise", "drop")

Previous: TypeAlias = Callable[[pd.Timestamp], pd.Timestamp]
"""Function from a session to the session before it."""


class SessionForecasts:
    """Forecasts at the sessions of a run, from prices up to each session's close.

    The volatilities of a vintage are computed in one pass; each row uses only data up to its own date. Copies share
    the model and the prices.

    Parameters
    ----------
    model : RiskModel
        Fitted, or with vintages.
    panel : PricePanel
        Prices from well before the run through its last session.
    horizon : int
        Sessions that a forecast covers.
    view : {"risk", "structure", "targeting"}
        For total risk, for an optimiser, or for the leverage that holds a volatility target.
    """

    def __init__(
        self, model: RiskModel, panel: PricePanel, horizon: int = TARGETING_HORIZON, view: str = TARGETING_VIEW
    ) -> None:
        self.model, self.panel, self.horizon, self.view = model, panel, horizon, view
        require_type(panel, PricePanel, "panel")
        self._forecaster = require_type(model, RiskModel, "model").backtest_forecaster()
        self._last: pd.Timestamp | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> SessionForecasts:
        """Return forecasts from the same model and prices: engines copy their strategies."""
        return type(self)(self.model, self.panel, self.horizon, self.view)

    def __repr__(self) -> str:
        return f"{self.model.description}, horizon={self.horizon}, view={self.view!r}"

    def at(self, moment: Any, *, days_before: int = 0, through: Any = None) -> CovarianceForecast:
        """Forecast from the last session up to a date.

        Parameters
        ----------
        moment : Timestamp
            Time of decision; its date counts, in its own time zone.
        days_before : int, default 0
            Days before that date after which prices are not used.
        through : Timestamp, optional
            Date that the panel must reach; by default the date after which prices are not used.

        Raises
        ------
        LookAheadError
            If the panel ends before `through`.
        DataFrequencyError
            If two times are on the same date.
        InsufficientHistoryError
            If no asset has a forecast yet.
        """
        last, self._last = self._last, pd.Timestamp(moment)
        if last is not None and last != self._last and session_of(last) == session_of(moment):
            raise DataFrequencyError(
                f"{last} and {moment} are in one session; forecasts take daily bars: run it on them"
            )
        date = session_of(moment) - pd.Timedelta(days=days_before)
        needed = date if through is None else session_of(through)
        if needed > self.panel.last_session:
            raise LookAheadError(
                f"the run reaches {needed.date()}, the panel ends on {self.panel.last_session.date()}; "
                "pass a panel with prices through the last session of the run"
            )
        known = self.panel.asof(date)
        self._forecaster.precompute_vintage(self.panel, known.last_session, self.horizon)
        return self._forecaster.forecast(known, self.horizon, self.view)

    def before(self, date: Any) -> pd.Timestamp:
        """Return the session of the panel before a date."""
        place = int(self.panel.sessions.searchsorted(session_of(date)))
        if place == 0:
            raise InsufficientHistoryError(
                f"no session of {self.panel!r} before {session_of(date).date()}; start the run later"
            )
        return self.panel.sessions[place - 1]


class TargetingState:
    """Track record and calendar of rebalances of one run.

    Attributes
    ----------
    record : TrackRecord
        Predicted volatility and return of the portfolio held.
    """

    def __init__(self) -> None:
        self.record = TrackRecord()
        self._closed: tuple[pd.Timestamp, float] | None = None
        self._rebalanced: tuple[str, Any] | None = None

    def observe(self, session: pd.Timestamp, value: float, previous: Previous) -> None:
        """Add the return since the last close, if that was the close of the session before."""
        last, self._closed = self._closed, (session, value)
        if last is None or last[0] == session:
            return
        if previous(session) == last[0]:
            self.record.observe(value / last[1] - 1)
        else:
            self.record.expect(float("nan"))

    def is_due(self, session: pd.Timestamp, frequency: str) -> bool:
        """Whether no rebalance was made yet in this session's day, week or month."""
        return self._rebalanced != (frequency, session.to_period(FREQUENCIES[frequency]))

    def rebalanced(self, session: pd.Timestamp, frequency: str) -> None:
        """Store that a rebalance was made."""
        self._rebalanced = frequency, session.to_period(FREQUENCIES[frequency])

    def expect(self, forecast: CovarianceForecast, weights: pd.Series) -> None:
        """Store the forecast volatility of the portfolio held into the next session."""
        self.record.expect(forecast.portfolio_volatility(weights[weights.index.isin(forecast.assets)]))


class TargetingRun:
    """The rule at every session of a run whose orders fill at the prices at which it decides.

    Parameters
    ----------
    rule : VolatilityTarget or float
        A float is the target, *annual*.
    weights : Series or mapping of asset to weight, optional
        Wanted composition, at any leverage; equal weights by default.
    frequency : {"daily", "weekly", "monthly"}
        How often to rebalance; the rule's `guard` rebalances early.
    missing : {"raise", "drop"}
        What to do with a wanted asset that has no forecast, or does not trade: raise, or leave it out.
    """

    def __init__(self, rule: VolatilityTarget | float, weights: Weights | None, frequency: str, missing: str) -> None:
        self.rule, self.composition = as_rule(rule), None if weights is None else pd.Series(weights, dtype=float)
        self.frequency = checked("frequency", frequency, FREQUENCIES)
        self.missing = checked("missing", missing, MISSING)
        self.state, self._last = TargetingState(), pd.Timestamp.min

    def weights(
        self,
        session: pd.Timestamp,
        previous: Previous,
        forecast: CovarianceForecast,
        trading: pd.Index,
        held: pd.Series,
        value: float,
    ) -> pd.Series | None:
        """Return the weights to hold, None to trade nothing; `trading` has the assets that can be held."""
        if session < self._last:  # another run of the same object
            self.state = TargetingState()
        self._last, state = session, self.state
        state.observe(session, value, previous)
        state.expect(forecast, held)
        record, known = state.record.frame, held[held.index.isin(forecast.assets)]
        if not (state.is_due(session, self.frequency) or self.rule.needs_rebalance(known, forecast, held, record)):
            return None
        scaled = scale(self.rule, forecast, self._wanted(session, trading), held, record, self.missing)
        state.expect(forecast, scaled)
        state.rebalanced(session, self.frequency)
        return scaled

    def _wanted(self, session: pd.Timestamp, trading: pd.Index) -> pd.Series:
        if self.composition is None:
            return pd.Series(1.0, trading)
        wanted = self.composition[self.composition != 0]
        strange = wanted.index.difference(trading)
        if len(strange) and self.missing == "raise":
            raise AssetMismatchError(
                f"{strange[0]} does not trade at {session.date()}; leave it out, or pass missing='drop'"
            )
        return wanted.drop(strange)


def scale(
    rule: VolatilityTarget,
    forecast: CovarianceForecast,
    wanted: pd.Series,
    held: pd.Series,
    record: pd.DataFrame,
    missing: str,
) -> pd.Series:
    """Scale the wanted weights, without the assets that have no forecast if `missing` is "drop"."""
    if missing == "drop":
        wanted = wanted[wanted.index.isin(forecast.assets)]
    return rule.scale(wanted, forecast, current=held, track_record=record)


def as_rule(rule: VolatilityTarget | float) -> VolatilityTarget:
    """Return a rule; a float is an annual target."""
    return rule if isinstance(rule, VolatilityTarget) else VolatilityTarget(rule)


def checked(name: str, value: str, choices: Iterable[str]) -> str:
    """Return a value that is one of the choices.

    Raises
    ------
    ParameterError
        If it is not.
    """
    if value not in choices:
        raise ParameterError(f"{name} is {value!r}; pass one of {', '.join(choices)}")
    return value


def session_of(moment: Any) -> pd.Timestamp:
    """Return the date of a moment, without time and time zone."""
    stamp = pd.Timestamp(moment)
    return stamp.tz_localize(None).normalize()
