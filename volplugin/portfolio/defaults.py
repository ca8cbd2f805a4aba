"""The recommended parts for holding a portfolio at a volatility."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from volplugin.correlation import CorrelationEstimator, TwoSpeedCorrelation
from volplugin.portfolio.volatility_target import VolatilityTarget
from volplugin.risk.defaults import default_risk_model
from volplugin.risk.model import RiskModel

TARGETING_HORIZON = 1
"""Sessions that a forecast for volatility targeting covers. The position ordered on it earns from the second on;
on 2004 to 2009 the freshest forecast nevertheless held the target best."""


def targeting_correlation() -> CorrelationEstimator:
    """Return the correlation estimator for volatility targeting: what a long-only book carries follows the market."""
    return TwoSpeedCorrelation(fast_halflife=5)


def targeting_risk_model(store: str | Path | None = None) -> RiskModel:
    """Our composition for volatility targeting; ask it for `TARGETING_HORIZON` sessions.

    Its average correlation forgets half in five sessions. That serves the total risk of a long-only book that is
    held to a target, and nothing else: for single forecasts `default_risk_model` loses less.

    Parameters
    ----------
    store : str or Path, optional
        As of `default_risk_model`, whose volatilities it shares.
    """
    return RiskModel(volatility=default_risk_model(store).volatility, correlation=targeting_correlation())


def targeting_rule(target: float, max_leverage: float = 1.5, **changes: Any) -> VolatilityTarget:
    """Recommended `VolatilityTarget` beside `targeting_risk_model`.

    Full feedback at a half-life of 21 sessions, a band of 10%, a book inside it left alone while it has drifted by
    3% or less: these were chosen on 2004 to 2009. The guard of 30%, which counts where rebalances are less often than
    daily, was added after 2010 to 2021 had been looked at; on 2004 to 2009 anything from 20 to 50% does as well.

    Parameters
    ----------
    target : float
        *Annual* volatility in decimals.
    max_leverage : float, default 1.5
    **changes
        Other parameters of `VolatilityTarget`, in place of the recommended ones.
    """
    recommended = {"band": 0.10, "feedback": 1.0, "feedback_halflife": 21.0, "feedback_prior": 21.0}
    recommended |= {"drift": 0.03, "guard": 0.30}
    return VolatilityTarget(target, max_leverage, **recommended | changes)
