"""The recommended recipe: the one place that names concrete parts."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from volplugin.correlation import (
    CorrelationEstimator,
    DCCCorrelation,
    EWMACorrelation,
    FactorCorrelation,
    LedoitWolfCorrelation,
    NonlinearShrinkageCorrelation,
    RollingCorrelation,
    TwoSpeedCorrelation,
)
from volplugin.errors import ParameterError
from volplugin.risk.model import RiskModel
from volplugin.storage import ModelStore
from volplugin.volatility import EWMAVolatility, GARCHVolatility, HARVolatility, RollingVolatility, VolatilityForecaster
from volplugin.volatility.pretrained import PRETRAINED, PretrainedVolatility, load_walk_forward
from volplugin.volatility.walk_forward import RefitSchedule, WalkForward

CORRELATIONS: dict[str, type[CorrelationEstimator]] = {
    "ewma": EWMACorrelation,
    "rolling": RollingCorrelation,
    "two-speed": TwoSpeedCorrelation,
    "ledoit-wolf": LedoitWolfCorrelation,
    "nonlinear": NonlinearShrinkageCorrelation,
    "factor": FactorCorrelation,
    "dcc": DCCCorrelation,
}
"""Correlation estimators by the name that strategies and commands use."""


def default_volatility() -> VolatilityForecaster:
    """Return the recommended volatility forecaster, unfitted."""
    # Imported here, so that importing this module does not load torch.
    from volplugin.volatility.lstm import LSTMVolatility

    return LSTMVolatility()


VOLATILITIES: dict[str, Callable[[], VolatilityForecaster]] = {
    "LSTM": lambda: WalkForward(default_volatility()),
    PRETRAINED: PretrainedVolatility,
    "log-linear": lambda: WalkForward(HARVolatility(terms="season")),
    "HAR-market": lambda: WalkForward(HARVolatility(terms="market")),
    "HAR": lambda: WalkForward(HARVolatility()),
    "HAR-own": lambda: WalkForward(HARVolatility(pooled=False)),
    "GJR": lambda: WalkForward(GARCHVolatility(asymmetric=True)),
    "GARCH": lambda: WalkForward(GARCHVolatility()),
    "EWMA94-calibrated": lambda: WalkForward(EWMAVolatility(calibrated=True)),
    "EWMA94": EWMAVolatility,
    "rolling60": RollingVolatility,
}
"""Factories of volatility models by the name that commands and tables use; fitted models are refitted yearly."""


def default_correlation() -> CorrelationEstimator:
    """Return our best correlation estimator.

    A slow structure under an average correlation that goes half of the way from the usual average to the average of
    the last sessions. Half-life and trust were chosen on 2004 to 2009 (``benchmarks/bench_correlation.py``): by the
    loss of the equal-weight portfolio they are the best values tried at 21 sessions, and close to it at 1 and 5.
    """
    return TwoSpeedCorrelation(fast_halflife=7, trust=0.5)


def default_risk_model(store: str | Path | None = None) -> RiskModel:
    """Our best composition, ready to forecast.

    Without a store it forecasts with the vintages that come with the package, and `fit` tunes them to the assets of a
    panel, from the panel's last session on.

    Parameters
    ----------
    store : str or Path, optional
        Folder of vintages trained on one's own prices, each used from its date on; "pretrained" for the shipped ones.
    """
    volatility = load_walk_forward(PRETRAINED if store is None else store)
    return RiskModel(volatility=volatility, correlation=default_correlation())


def default_walk_forward(store: str | Path | None = None) -> WalkForward:
    """Our best volatility forecaster on yearly vintages, to be trained into `store`."""
    return WalkForward(
        default_volatility(),
        schedule=RefitSchedule("yearly"),
        store=None if store is None else ModelStore(store),
    )


def correlation_named(name: str) -> CorrelationEstimator:
    """Return the estimator of that name with its defaults; ``"default"`` for the recommended one."""
    if name == "default":
        return default_correlation()
    if name not in CORRELATIONS:
        raise ParameterError(f"correlation is {name!r}; pass one of default, {', '.join(CORRELATIONS)}")
    return CORRELATIONS[name]()


def volatility_named(name: str) -> VolatilityForecaster:
    """Return the volatility model of that name; if it requires fitting, refit it yearly, with vintages in memory.

    Raises
    ------
    ParameterError
        For an unknown name.
    """
    if name not in VOLATILITIES:
        raise ParameterError(f"model is {name!r}; pass one of {', '.join(VOLATILITIES)}")
    return VOLATILITIES[name]()


def ewma_covariance(decay: float = 0.94) -> RiskModel:
    """RiskMetrics: one exponential decay for variances and covariances of plain returns."""
    halflife = math.log(0.5) / math.log(decay)
    return RiskModel(EWMAVolatility(decay), EWMACorrelation(halflife), devolatilise=False)
