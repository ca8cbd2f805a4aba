"""Forecasters that combine forecasters: a geometric blend, and a chain of fallbacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from sklearn.base import clone

from volplugin.data.panel import PricePanel
from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.units import as_number
from volplugin.volatility.base import State, VolatilityForecaster
from volplugin.volatility.bias_correction import close_to_close_ratio, forward_variance, rescale
from volplugin.volatility.term_structure import FITTED_HORIZONS

Paths = dict[int, pd.DataFrame]


class CombinedVolatility(VolatilityForecaster):
    """Base of the forecasters with member forecasters, which are cloned, fitted, stored and used together.

    Refit the combination as a whole, ``WalkForward(GeometricBlend([...]))``, not its members.
    """

    forecasters: Sequence[VolatilityForecaster]
    forecasters_: list[VolatilityForecaster]

    @property
    def lookback(self) -> int:
        """Number of sessions up to `asof` that a forecast depends on: the longest lookback of the members."""
        return max(member.lookback for member in self.forecasters)

    @property
    def requires_fit(self) -> bool:
        """Whether any member requires a fit."""
        return any(member.requires_fit for member in self.forecasters)

    @property
    def event_aware(self) -> bool:
        """Whether any member is."""
        return any(member.event_aware for member in self._members)

    @property
    def uses_market(self) -> bool:
        """Whether any member has market-wide inputs."""
        return any(member.uses_market for member in self._members)

    def _check_parameters(self) -> None:
        if (
            not isinstance(self.forecasters, Sequence)
            or not self.forecasters
            or not all(isinstance(one, VolatilityForecaster) for one in self.forecasters)
        ):
            raise ParameterError(f"forecasters is {self.forecasters!r}; pass a list of one or more forecasters")
        for member in self.forecasters:
            member._check_parameters()

    @property
    def _members(self) -> Sequence[VolatilityForecaster]:
        """The fitted members; before `fit`, the given ones."""
        return getattr(self, "forecasters_", self.forecasters)

    def get_state(self) -> State:
        """Return the learned parameters of each fitted member, prefixed with its position."""
        return {
            f"{place}/{name}": array
            for place, member in enumerate(self._members)
            if _answers(member)
            for name, array in member.get_state().items()
        }

    def set_state(self, state: State) -> None:
        """Set them; all members were trained through the same session."""
        self.forecasters_ = [
            self._restored(member, _under(f"{place}/", state)) for place, member in enumerate(self.forecasters)
        ]

    def _restored(self, member: VolatilityForecaster, state: State) -> VolatilityForecaster:
        return clone(member).restore(state, self.trained_through_, self.assets_, self.universe_)


class JointVolatility(CombinedVolatility):
    """Base of the combinations that fit every member, in parallel where `WalkForward` trains them."""

    def members(self) -> list[VolatilityForecaster]:
        """Return the unfitted members of every member forecaster."""
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
        """Estimate the parameters that depend on all fitted members; nothing by default."""


class GeometricBlend(JointVolatility):
    """Weighted geometric mean of the volatility forecasts of several forecasters.

    An asset has a forecast if every member forecasts it.

    Units: a volatility is a daily standard deviation in decimals; only `annualize` and ``periods=`` change that.
    Timing: `asof` is the last completed session used; the forecast covers the `horizon` sessions after it.

    Parameters
    ----------
    forecasters : sequence of VolatilityForecaster
        The members; clones of them are fitted.
    weights : sequence of float, optional
        One positive weight per member, with sum one; equal weights by default.
    rescale : bool, default True
        Multiply the variance by a constant for each of the horizons 1, 5 and 21 that makes realised over forecast
        variance average one on the training data; between horizons the constant is interpolated.

    Raises
    ------
    ParameterError
        From `fit`, for an empty list, a member that is no forecaster, or weights that are not positive with sum one.

    References
    ----------
    Timmermann (2006), Forecast Combinations, Handbook of Economic Forecasting 1, chapter 4.

    Examples
    --------
    >>> from volplugin import EWMAVolatility, GeometricBlend, HARVolatility, simulated_panel
    >>> panel = simulated_panel(3, "2012-01-02", "2014-06-30")
    >>> model = GeometricBlend([HARVolatility(), EWMAVolatility()], weights=[0.75, 0.25])
    >>> model.fit(panel.asof("2013-12-31")).predict(panel.asof("2014-01-31"), horizon=21).shape
    (3,)
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
        """Whether any member requires a fit, or the variance is rescaled."""
        return self.rescale or super().requires_fit

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.weights is None:
            return
        listed = isinstance(self.weights, Sequence | np.ndarray | pd.Series)
        given = np.array([as_number(weight) for weight in self.weights] if listed else np.nan)
        if given.shape != (len(self.forecasters),) or not (given > 0).all() or abs(given.sum() - 1) > 1e-9:
            raise ParameterError(
                f"weights is {self.weights!r}; pass {len(self.forecasters)} positive numbers of sum one, one per member"
            )

    # -- estimation -------------------------------------------------------------------------

    def _finish(self, panel: PricePanel) -> None:
        if not self.rescale:
            return
        paths = [
            member.predict_in_sample(panel, panel.sessions[0], panel.last_session, FITTED_HORIZONS)
            for member in self._members
        ]
        # Twice the mean log volatility is the log variance of the blend before the rescale.
        forecast = np.stack([np.exp(2 * self._log_mean(paths, horizon)) for horizon in FITTED_HORIZONS], axis=-1)
        self.factor_ = rescale(forward_variance(panel, FITTED_HORIZONS, close_to_close_ratio(panel)), forecast)

    # -- forecasting ------------------------------------------------------------------------

    def _predict_paths(self, panel: PricePanel, horizons: tuple[int, ...], first: int) -> Paths:
        paths = [member._paths(panel, horizons, first) for member in self._members]
        return {horizon: np.exp(self._log_mean(paths, horizon)) * self._scale(horizon) for horizon in horizons}

    def _log_mean(self, paths: list[Paths], horizon: int) -> pd.DataFrame:
        weights = self.weights if self.weights is not None else np.full(len(paths), 1 / len(paths))
        logs = [weight * np.log(path[horizon]) for weight, path in zip(weights, paths, strict=True)]
        return sum(logs[1:], start=logs[0])

    def _scale(self, horizon: int) -> float:
        """Return the factor of the volatility at a horizon, the square root of the variance factor."""
        return float(np.sqrt(np.interp(abs(horizon), FITTED_HORIZONS, self.factor_))) if self.rescale else 1.0

    def fallbacks(self, panel: PricePanel) -> dict[str, str]:
        """Return the fallbacks of the members, each with the name of its class."""
        return _merged((member, member.fallbacks(panel)) for member in self._members)

    # -- state ------------------------------------------------------------------------------

    def get_state(self) -> State:
        """Return the learned parameters of each member, and the factor by horizon."""
        return super().get_state() | ({"factor": self.factor_} if self.rescale else {})

    def set_state(self, state: State) -> None:
        """Set them."""
        super().set_state(state)
        if self.rescale:
            self.factor_ = state["factor"]


class FallbackChain(CombinedVolatility):
    """Forecasts each asset with the first of several forecasters that has a forecast for it.

    A member is skipped if the training panel is too short for it. `fallbacks` lists the assets that are not forecast
    by the first member, with the member used.

    Units: a volatility is a daily standard deviation in decimals; only `annualize` and ``periods=`` change that.
    Timing: `asof` is the last completed session used; the forecast covers the `horizon` sessions after it.

    Parameters
    ----------
    forecasters : sequence of VolatilityForecaster
        In order of preference, such as ``[LSTMVolatility(), HARVolatility(), EWMAVolatility()]``; clones are fitted.

    Raises
    ------
    ParameterError
        From `fit`, for an empty list or a member that is no forecaster.
    InsufficientHistoryError
        From `fit`, if the panel is too short for every member.

    Examples
    --------
    >>> from volplugin import EWMAVolatility, FallbackChain, HARVolatility, simulated_panel
    >>> panel = simulated_panel(2, "2012-01-03", "2014-06-30").tail(100)
    >>> model = FallbackChain([HARVolatility(), EWMAVolatility()]).fit(panel)  # too short a panel for HAR
    >>> sorted(set(model.fallbacks(panel).values()))
    ['EWMAVolatility forecasts in place of HARVolatility']
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
            paths = member._paths(panel, horizons, first)
            found = {horizon: found[horizon].fillna(path) if found else path for horizon, path in paths.items()}
            if all(path.iloc[first:].notna().to_numpy().all() for path in found.values()):
                break
        return found

    def fallbacks(self, panel: PricePanel) -> dict[str, str]:
        """Return the assets not forecast by the first member, and the fallbacks of the members used."""
        assets, answering = set(panel.assets), self._answering(panel)
        report = {
            asset: f"{_name(member)} forecasts in place of {', '.join(map(_name, self._members[:place]))}"
            for place, (member, served) in enumerate(answering)
            if place > 0
            for asset in served
        }
        # Report only the member that produced the asset's forecast.
        others = _merged(
            (member, {key: text for key, text in member.fallbacks(panel).items() if key in served or key not in assets})
            for member, served in answering
            if served
        )
        return report | {key: f"{report[key]}; {text}" if key in report else text for key, text in others.items()}

    def _answering(self, panel: PricePanel) -> list[tuple[VolatilityForecaster, list[str]]]:
        """Each member with the assets that it forecasts at the panel's last session."""
        answering: list[tuple[VolatilityForecaster, list[str]]] = []
        left = list(panel.assets)
        for member in self._members:
            served = _served(left, member, panel) if _answers(member) else []
            answering.append((member, served))
            left = [asset for asset in left if asset not in served]
        return answering

    # -- state ------------------------------------------------------------------------------

    def get_state(self) -> State:
        """Return the learned parameters of each fitted member, and a flag per member whether it is fitted."""
        fitted = np.array([_answers(member) for member in self._members], dtype=np.uint8)
        return super().get_state() | ({"fitted": fitted} if self.requires_fit else {})

    def set_state(self, state: State) -> None:
        """Set them."""
        self.forecasters_ = [
            self._restored(member, _under(f"{place}/", state)) if fitted else clone(member)
            for place, (member, fitted) in enumerate(zip(self.forecasters, state["fitted"], strict=True))
        ]


def _answers(member: VolatilityForecaster) -> bool:
    return not member.requires_fit or hasattr(member, "trained_through_")


def _served(wanted: list[str], member: VolatilityForecaster, panel: PricePanel) -> list[str]:
    """Return the wanted assets for which a member has a forecast at the panel's last session."""
    recent = panel.tail(member.lookback)
    complete = recent.close[wanted].notna().all() & (len(recent.sessions) == member.lookback)
    if complete.all():
        # An asset with a bar in every session of the lookback has a forecast; no need to compute it.
        return wanted
    forecast = member._predict(recent, 1)
    return [asset for asset in wanted if np.isfinite(forecast[asset])]


def _under(prefix: str, state: State) -> State:
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}


def _name(member: VolatilityForecaster) -> str:
    return type(member).__name__


def _merged(reports: Iterable[tuple[VolatilityForecaster, dict[str, str]]]) -> dict[str, str]:
    """Merge the reports of several members, each entry with its member's name."""
    texts_by_key: dict[str, list[str]] = {}
    for member, report in reports:
        for key, text in report.items():
            texts_by_key.setdefault(key, []).append(f"{_name(member)}: {text}")
    return {key: "; ".join(texts) for key, texts in texts_by_key.items()}
