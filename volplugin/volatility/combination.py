"""Forecasters made of forecasters: a geometric blend, and a chain in which the next one steps in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from sklearn.base import clone

from volplugin.data.panel import PricePanel
from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.volatility.base import State, VolatilityForecaster
from volplugin.volatility.bias_correction import close_to_close_ratio, forward_variance, rescale
from volplugin.volatility.term_structure import FITTED_HORIZONS

Paths = dict[int, pd.DataFrame]


class CombinedVolatility(VolatilityForecaster):
    """What the forecasters made of others share: members that are cloned, fitted, saved and asked together.

    Refit a combination as a whole, ``WalkForward(GeometricBlend([...]))``, never its members apart.
    """

    forecasters: Sequence[VolatilityForecaster]
    forecasters_: list[VolatilityForecaster]

    @property
    def lookback(self) -> int:
        """Sessions up to `asof` that a forecast depends on: the longest of the members'."""
        return max(member.lookback for member in self.forecasters)

    @property
    def requires_fit(self) -> bool:
        """Whether any member learns."""
        return any(member.requires_fit for member in self.forecasters)

    def _check_parameters(self) -> None:
        if len(self.forecasters) == 0 or not all(isinstance(one, VolatilityForecaster) for one in self.forecasters):
            raise ParameterError(f"forecasters is {self.forecasters!r}; pass a list of one or more forecasters")
        for member in self.forecasters:
            member._check_parameters()

    @property
    def _members(self) -> Sequence[VolatilityForecaster]:
        """The fitted members; those given, while nothing was learned."""
        return getattr(self, "forecasters_", self.forecasters)

    def get_state(self) -> State:
        """Return the learned numbers of each fitted member, under its place in the list."""
        return {
            f"{place}/{name}": array
            for place, member in enumerate(self._members)
            if _answers(member)
            for name, array in member.get_state().items()
        }

    def set_state(self, state: State) -> None:
        """Take them back; the members are restored as of the same training."""
        self.forecasters_ = [
            self._restored(member, _under(f"{place}/", state)) for place, member in enumerate(self.forecasters)
        ]

    def _restored(self, member: VolatilityForecaster, state: State) -> VolatilityForecaster:
        return clone(member).restore(state, self.trained_through_, self.assets_, self.universe_)


class JointVolatility(CombinedVolatility):
    """Members that are all fitted, apart and in parallel where they can be."""

    def members(self) -> list[VolatilityForecaster]:
        """Return the pieces of every member that can be fitted apart."""
        return [part for member in self.forecasters for part in member.members()]

    def _fit(self, panel: PricePanel) -> None:
        self.forecasters_ = [clone(member).fit(panel) for member in self.forecasters]
        self._finish(panel)

    def _combine(self, states: list[State], panel: PricePanel) -> None:
        rest = iter(states)
        self.forecasters_ = [
            clone(member).combine([next(rest) for _ in member.members()], panel) for member in self.forecasters
        ]
        self._finish(panel)

    def _finish(self, panel: PricePanel) -> None:
        """Learn what takes all the members; nothing by default."""


class GeometricBlend(JointVolatility):
    """Weighted geometric mean of the volatilities that several forecasters give.

    An asset has a forecast where every member has one.

    Parameters
    ----------
    forecasters : sequence of VolatilityForecaster
        The members; clones of them are fitted.
    weights : sequence of float, optional
        One a member, positive, of sum one; equal if not given.
    rescale : bool, default True
        Multiply the variance by a constant for each of the horizons 1, 5 and 21 that makes realised over forecast
        variance average one on the training data; between horizons the constant is interpolated.

    References
    ----------
    Timmermann (2006), Forecast Combinations, Handbook of Economic Forecasting 1, chapter 4.
    """

    def __init__(
        self,
        forecasters: Sequence[VolatilityForecaster],
        weights: Sequence[float] | None = None,
        rescale: bool = True,
    ) -> None:
        self.forecasters = forecasters
        self.weights = weights
        self.rescale = rescale

    @property
    def requires_fit(self) -> bool:
        """Whether any member learns, or the factor by horizon is learned."""
        return self.rescale or super().requires_fit

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.weights is None:
            return
        given = np.asarray(self.weights, dtype=float)
        if given.shape != (len(self.forecasters),) or not (given > 0).all() or abs(given.sum() - 1) > 1e-9:
            raise ParameterError(
                f"weights is {self.weights!r}; pass {len(self.forecasters)} positive numbers of sum one, one a member"
            )

    # -- learning ---------------------------------------------------------------------------

    def _finish(self, panel: PricePanel) -> None:
        if not self.rescale:
            return
        paths = [
            member.predict_in_sample(panel, panel.sessions[0], panel.last_session, FITTED_HORIZONS)
            for member in self._members
        ]
        forecast = np.stack([np.exp(2 * self._log_mean(paths, horizon)) for horizon in FITTED_HORIZONS], axis=-1)
        self.factor_ = rescale(forward_variance(panel, FITTED_HORIZONS, close_to_close_ratio(panel)), forecast)

    # -- forecasting ------------------------------------------------------------------------

    def _predict_paths(self, panel: PricePanel, horizons: tuple[int, ...], first: int) -> Paths:
        paths = [member._predict_paths(panel, horizons, first) for member in self._members]
        return {horizon: np.exp(self._log_mean(paths, horizon)) * self._scale(horizon) for horizon in horizons}

    def _log_mean(self, paths: list[Paths], horizon: int) -> pd.DataFrame:
        weights = self.weights if self.weights is not None else np.full(len(paths), 1 / len(paths))
        logs = [weight * np.log(path[horizon]) for weight, path in zip(weights, paths, strict=True)]
        return sum(logs[1:], start=logs[0])

    def _scale(self, horizon: int) -> float:
        """Return the factor of the volatility at a horizon."""
        return float(np.sqrt(np.interp(horizon, FITTED_HORIZONS, self.factor_))) if self.rescale else 1.0

    def fallbacks(self, panel: PricePanel) -> dict[str, str]:
        """Name what the members name, each by its class."""
        return _merged((member, member.fallbacks(panel)) for member in self._members)

    # -- state ------------------------------------------------------------------------------

    def get_state(self) -> State:
        """Return the learned numbers of each member, and the factor by horizon."""
        return super().get_state() | ({"factor": self.factor_} if self.rescale else {})

    def set_state(self, state: State) -> None:
        """Take them back."""
        super().set_state(state)
        if self.rescale:
            self.factor_ = state["factor"]


class FallbackChain(CombinedVolatility):
    """For each asset, the first of several forecasters that has a forecast answers.

    A member that cannot be fitted, for a training panel too short for it, is passed over. Who answers for an asset
    in place of the first, `fallbacks` says.

    Parameters
    ----------
    forecasters : sequence of VolatilityForecaster
        The best first, such as ``[LSTMVolatility(), HARVolatility(), EWMAVolatility()]``; clones of them are fitted.
    """

    def __init__(self, forecasters: Sequence[VolatilityForecaster]) -> None:
        self.forecasters = forecasters

    def _fit(self, panel: PricePanel) -> None:
        self.forecasters_ = [clone(member) for member in self.forecasters]
        refusals = []
        for member in self.forecasters_:
            try:
                member.fit(panel)
            except InsufficientHistoryError as error:
                refusals.append(error)
        if len(refusals) == len(self.forecasters_):
            raise refusals[-1]

    # -- forecasting ------------------------------------------------------------------------

    def _predict_paths(self, panel: PricePanel, horizons: tuple[int, ...], first: int) -> Paths:
        found: Paths = {}
        for member in filter(_answers, self._members):
            paths = member._predict_paths(panel, horizons, first)
            found = {horizon: found[horizon].fillna(path) if found else path for horizon, path in paths.items()}
            if all(path.iloc[first:].notna().to_numpy().all() for path in found.values()):
                break
        return found

    def fallbacks(self, panel: PricePanel) -> dict[str, str]:
        """Name the assets that another member than the first answers for, and what those who answer name."""
        assets, answering = set(panel.assets), self._answering(panel)
        report = {
            asset: f"{_name(member)} answers in place of {', '.join(map(_name, self._members[:place]))}"
            for place, (member, served) in enumerate(answering)
            if place > 0
            for asset in served
        }
        # Of an asset only the member that serves it speaks.
        others = _merged(
            (member, {key: text for key, text in member.fallbacks(panel).items() if key in served or key not in assets})
            for member, served in answering
            if served
        )
        return report | {key: f"{report[key]}; {text}" if key in report else text for key, text in others.items()}

    def _answering(self, panel: PricePanel) -> list[tuple[VolatilityForecaster, list[str]]]:
        """Each member with the assets that it answers for at the panel's end."""
        answering: list[tuple[VolatilityForecaster, list[str]]] = []
        left = list(panel.assets)
        for member in self._members:
            served = _served(left, member, panel) if _answers(member) else []
            answering.append((member, served))
            left = [asset for asset in left if asset not in served]
        return answering

    # -- state ------------------------------------------------------------------------------

    def get_state(self) -> State:
        """Return the learned numbers of each fitted member, and which members are fitted."""
        fitted = np.array([_answers(member) for member in self._members], dtype=np.uint8)
        return super().get_state() | ({"fitted": fitted} if self.requires_fit else {})

    def set_state(self, state: State) -> None:
        """Take them back."""
        self.forecasters_ = [
            self._restored(member, _under(f"{place}/", state)) if fitted else clone(member)
            for place, (member, fitted) in enumerate(zip(self.forecasters, state["fitted"], strict=True))
        ]


def _answers(member: VolatilityForecaster) -> bool:
    return not member.requires_fit or hasattr(member, "trained_through_")


def _served(wanted: list[str], member: VolatilityForecaster, panel: PricePanel) -> list[str]:
    """Those of the wanted assets that a member has a forecast for at the panel's end."""
    recent = panel.tail(member.lookback)
    complete = recent.close[wanted].notna().all() & (len(recent.sessions) == member.lookback)
    if complete.all():
        # With a bar in every session that it looks at, an asset has a forecast, and none need be made again to see.
        return wanted
    forecast = member._predict(recent, 1)
    return [asset for asset in wanted if np.isfinite(forecast[asset])]


def _under(prefix: str, state: State) -> State:
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}


def _name(member: VolatilityForecaster) -> str:
    return type(member).__name__


def _merged(reports: Iterable[tuple[VolatilityForecaster, dict[str, str]]]) -> dict[str, str]:
    """Join the reports of several members, each said with its member's name."""
    said: dict[str, list[str]] = {}
    for member, report in reports:
        for key, text in report.items():
            said.setdefault(key, []).append(f"{_name(member)}: {text}")
    return {key: "; ".join(texts) for key, texts in said.items()}
