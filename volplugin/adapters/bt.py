"""Forecast risk and volatility targeting in bt (https://github.com/pmorissette/bt).

    from volplugin.adapters.bt import ForecastRisk, NeedsRebalance, TargetVolatility

    algos = bt.algos
    strategy = bt.Strategy("target", [
        ForecastRisk(default_risk_model(), panel),
        algos.Or([algos.RunMonthly(run_on_first_date=True), NeedsRebalance(0.10)]),
        algos.SelectAll(), algos.WeighEqually(),
        TargetVolatility(0.10), algos.Rebalance(),
    ])

Timing: bt decides and trades at the close of ``target.now``; the forecast uses prices through that close, and covers
the sessions after it.
"""

from __future__ import annotations

from typing import Any

import bt
import pandas as pd

from volplugin.adapters.targeting import MISSING, SessionForecasts, TargetingState, as_rule, checked, scale
from volplugin.data.panel import PricePanel
from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.portfolio import VolatilityTarget
from volplugin.portfolio.defaults import TARGETING_HORIZON, TARGETING_VIEW
from volplugin.risk.covariance import CovarianceForecast
from volplugin.risk.model import RiskModel

__all__ = ["ForecastRisk", "NeedsRebalance", "TargetVolatility"]


class ForecastRisk(bt.Algo):
    """Forecast the covariance at every session; place it first among the algos.

    Sets ``temp["forecast"]``, a `CovarianceForecast` labelled with the panel's names, or None before the first possible
    one, and stores the track record of the strategy, which the feedback of a `VolatilityTarget` uses. It
    runs at sessions without a rebalance too, and does not stop the other algos.

    Parameters
    ----------
    model : RiskModel
        Fitted, or with vintages.
    panel : PricePanel
        Prices from well before the run through its last session, with the names of bt's prices.
    horizon : int, default 1
        Sessions that a forecast covers.
    view : {"targeting", "structure", "risk"}, default "targeting"
        For volatility targeting, for an optimiser, or for total risk.

    Raises
    ------
    LookAheadError
        In a run that goes beyond the last session of the panel.
    """

    run_always = True

    def __init__(
        self, model: RiskModel, panel: PricePanel, horizon: int = TARGETING_HORIZON, view: str = TARGETING_VIEW
    ) -> None:
        super().__init__()
        self.forecasts = SessionForecasts(model, panel, horizon, view)

    def __call__(self, target: Any) -> bool:
        """Forecast from the prices through ``target.now``."""
        state = target.perm.setdefault("targeting", TargetingState())
        state.observe(target.now, target.value, self.forecasts.before)
        try:
            target.temp["forecast"] = forecast = self.forecasts.at(target.now)
            state.expect(forecast, _held(target))
        except InsufficientHistoryError as error:
            target.temp["forecast"], target.temp["no_forecast"] = None, str(error)
        return True


class TargetVolatility(bt.Algo):
    """Scale ``temp["weights"]`` to the target volatility; place it after the weights, before `Rebalance`.

    Takes the place of ``bt.algos.TargetVol``: forecasts instead of a sample covariance, a cap on leverage, a no-trade
    band and feedback from the track record.

    Parameters
    ----------
    rule : VolatilityTarget or float
        A float is the target, *annual*: 0.10 is ten percent a year.
    missing : {"raise", "drop"}, default "raise"
        What to do with a weighted asset without a forecast: raise, or leave it out.

    Raises
    ------
    ParameterError
        In a run without `ForecastRisk`, or for an unknown `missing`.
    MissingForecastError, InsufficientHistoryError
        If a weighted asset, or every asset, has no forecast, and `missing` is "raise".
    """

    def __init__(self, rule: VolatilityTarget | float, missing: str = "raise") -> None:
        super().__init__()
        self.rule, self.missing = as_rule(rule), checked("missing", missing, MISSING)

    def __call__(self, target: Any) -> bool:
        """Scale the weights; False, so that nothing is traded, if no asset has a forecast and `missing` is "drop"."""
        wanted, forecast = pd.Series(target.temp["weights"], dtype=float), _forecast(target)
        if forecast is None:
            if self.missing == "raise":
                raise InsufficientHistoryError(f"{target.temp['no_forecast']}; start later, or pass missing='drop'")
            return False
        state = target.perm["targeting"]
        scaled = scale(self.rule, forecast, wanted, _held(target), state.record.frame, self.missing)
        state.expect(forecast, scaled)
        target.temp["weights"] = scaled.to_dict()
        return True


class NeedsRebalance(bt.Algo):
    """True where the leverage held has left the rule's `guard`; for use in ``bt.algos.Or`` beside ``RunMonthly``.

    Parameters
    ----------
    rule : VolatilityTarget or float
        As in `TargetVolatility`.
    """

    def __init__(self, rule: VolatilityTarget | float) -> None:
        super().__init__()
        self.rule = as_rule(rule)

    def __call__(self, target: Any) -> bool:
        """Whether to rebalance early."""
        forecast, held = _forecast(target), _held(target)
        if forecast is None:
            return False
        known = held[held.index.isin(forecast.assets)]
        return self.rule.needs_rebalance(known, forecast, held, target.perm["targeting"].record.frame)


def _forecast(target: Any) -> CovarianceForecast | None:
    if "forecast" not in target.temp:
        raise ParameterError("no forecast in this run of the algos; place ForecastRisk(model, panel) first among them")
    found: CovarianceForecast | None = target.temp["forecast"]
    return found


def _held(target: Any) -> pd.Series:
    """Weights of the strategy's securities at today's prices."""
    return pd.Series({name: child.weight for name, child in target.children.items() if child.weight}, dtype=float)
