"""Classes of the conformance and look-ahead tests; to test a new class, add a line here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.covariance import OAS
from synthetic import SESSIONS, TRAINED

from volplugin import (
    EWMACorrelation,
    EWMAVolatility,
    FallbackChain,
    GARCHVolatility,
    GeometricBlend,
    HARVolatility,
    LSTMVolatility,
    PricePanel,
    RollingCorrelation,
    RollingVolatility,
    WalkForward,
)
from volplugin.correlation import (
    CorrelationEstimator,
    DCCCorrelation,
    EstimatorCorrelation,
    FactorCorrelation,
    LedoitWolfCorrelation,
    NonlinearShrinkageCorrelation,
    TwoSpeedCorrelation,
)
from volplugin.risk.adjustments import (
    AssetBias,
    CovarianceAdjustment,
    EigenvalueAdjustment,
    ImpliedVolatilityAnchor,
    VolatilityRegimeAdjustment,
)
from volplugin.volatility import RangesOrCloses, RecalibratedVolatility, VolatilityForecaster


def tiny_lstm() -> LSTMVolatility:
    """Return a network that trains in well under a second."""
    return LSTMVolatility(units=(8, 4), window=10, seeds=(0, 1), steps=5, mode="shared")


FORECASTERS: dict[str, Callable[[], VolatilityForecaster]] = {
    "rolling": lambda: RollingVolatility(40),
    "ewma": EWMAVolatility,
    "ewma-calibrated": lambda: EWMAVolatility(0.97, calibrated=True),
    "har": HARVolatility,
    "har-market": lambda: HARVolatility("market"),
    "har-lstm-inputs": lambda: HARVolatility("lstm"),
    "har-season": lambda: HARVolatility("season"),
    "har-by-asset": lambda: HARVolatility("market", pooled=False),
    "recalibrated": RecalibratedVolatility,
    "garch": GARCHVolatility,
    "gjr-normal": lambda: GARCHVolatility(asymmetric=True, distribution="normal"),
    "blend": lambda: GeometricBlend([HARVolatility("market"), GARCHVolatility()], weights=[0.75, 0.25]),
    "fallback-chain": lambda: FallbackChain([HARVolatility("market"), EWMAVolatility()]),
    "lstm": tiny_lstm,
    "lstm-fine-tuned": lambda: tiny_lstm().set_params(mode="fine-tuned"),
    "lstm-own-networks": lambda: tiny_lstm().set_params(mode="fine-tuned", tuned="network", seeds=(0,)),
    "lstm-independent": lambda: tiny_lstm().set_params(mode="independent", seeds=(0,)),
    "lstm-own-inputs": lambda: tiny_lstm().set_params(inputs="own", seeds=(0,)),
    "lstm-without-season": lambda: tiny_lstm().set_params(inputs="all", seeds=(0,)),
    "lstm-closes": lambda: tiny_lstm().set_params(inputs="season-closes", seeds=(0,)),
    "lstm-gru": lambda: tiny_lstm().set_params(network="gru", seeds=(0,)),
    "lstm-bidirectional": lambda: tiny_lstm().set_params(network="bidirectional", seeds=(0,)),
    "lstm-attention": lambda: tiny_lstm().set_params(network="attention", seeds=(0,)),
    "ranges-or-closes": lambda: RangesOrCloses(HARVolatility("market"), EWMAVolatility(calibrated=True)),
    "walk-forward": lambda: WalkForward(HARVolatility("market")),
    "walk-forward-lstm": lambda: WalkForward(tiny_lstm()),
}

STOCHASTIC = {name for name in FORECASTERS if "lstm" in name and not name.startswith("har")}
"""Trained in random batches: the order of the assets, like a seed, slightly changes the learned numbers."""

CORRELATIONS: dict[str, Callable[[], CorrelationEstimator]] = {
    "rolling": lambda: RollingCorrelation(60),
    "ewma": lambda: EWMACorrelation(halflife=12),
    "ewma-shrunk": lambda: EWMACorrelation(halflife=12, shrinkage=0.3),
    "two-speed": lambda: TwoSpeedCorrelation(EWMACorrelation(12), fast_halflife=4),
    "two-speed-half": lambda: TwoSpeedCorrelation(EWMACorrelation(12), fast_halflife=4, trust=0.5),
    "ledoit-wolf": lambda: LedoitWolfCorrelation(60),
    "nonlinear": lambda: NonlinearShrinkageCorrelation(72, halflife=20),
    "factor": lambda: FactorCorrelation(60),
    "dcc": lambda: DCCCorrelation(a=None, b=None, window=60),
    "scikit-learn": lambda: EstimatorCorrelation(OAS(assume_centered=True), 60),
}

IMPLIED = pd.Series(20 + 5 * np.sin(np.arange(len(SESSIONS))), SESSIONS)

CALIBRATIONS: dict[str, Callable[[], list[CovarianceAdjustment]]] = {
    "regime-book": lambda: [VolatilityRegimeAdjustment(halflife=6)],
    "regime-assets": lambda: [VolatilityRegimeAdjustment(halflife=6, strength=1, over="assets")],
    "asset-bias": lambda: [AssetBias(halflife=20)],
    "eigenvalue": lambda: [EigenvalueAdjustment(simulations=5, views=("risk", "structure"))],
    "implied-volatility": lambda: [ImpliedVolatilityAnchor(IMPLIED, theta=0.2)],
    "all": lambda: [AssetBias(20), VolatilityRegimeAdjustment(6), EigenvalueAdjustment(5, views=("risk", "structure"))],
}


PAIRS = [
    *((name, "ewma") for name in FORECASTERS),
    *(("har-market", correlation) for correlation in CORRELATIONS if correlation != "ewma"),
]
"""Each forecaster with one correlation and each correlation with one forecaster; they interact only in D rho D."""


def learn(model: VolatilityForecaster, panel: PricePanel) -> VolatilityForecaster:
    """Fit a model through `TRAINED`, or train the vintages of a walk-forward over the whole panel."""
    if isinstance(model, WalkForward):
        return model.train(panel, SESSIONS[900], panel.last_session, progress=False)
    return model.fit(panel.asof(TRAINED))
