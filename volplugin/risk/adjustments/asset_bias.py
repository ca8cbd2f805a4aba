"""One factor an asset: whose risk has long been under- or over-predicted relative to the others."""

from __future__ import annotations

import numpy as np

from volplugin.risk.adjustments.base import (
    AdjustedForecast,
    CovarianceAdjustment,
    check_share,
    remembered,
    shrunk_ew_mean,
)
from volplugin.risk.adjustments.forecast_history import STANDS, PastForecasts


class AssetBias(CovarianceAdjustment):
    """Corrects each asset's volatility by its own slow bias, relative to that of the cross-section.

    The squared bias ``b_i^2`` of an asset is the exponentially weighted mean of its squared daily returns over the
    forecasts that covered them, and ``b^2`` its mean over the reference universe. Volatilities are multiplied
    by the root of ``1 + trust * (b_i^2 / b^2 - 1)``. The common level
    is unchanged; `VolatilityRegimeAdjustment` adjusts it.

    Parameters
    ----------
    halflife : float, default 252
        Sessions after which a session counts half. Much faster ones were measured to do harm.
    trust : float, default 0.5
        Share of an asset's own deviation that is kept, the rest being shrunk to the cross-section.
    """

    def __init__(self, halflife: float = 252, trust: float = 0.5) -> None:
        self.halflife = halflife
        self.trust = trust

    @property
    def lookback(self) -> int:
        """Sessions up to `asof` whose forecasts and returns it depends on."""
        return remembered(self.halflife) + STANDS

    def apply(self, draft: AdjustedForecast, past: PastForecasts) -> AdjustedForecast:
        """Return the draft with each volatility multiplied by its factor; an asset never seen is like the others."""
        check_share("trust", self.trust)
        ratios = past.standing(remembered(self.halflife))
        # A missing session counts as one of the whole cross-section.
        weights = 0.5 ** (np.arange(len(ratios))[::-1] / self.halflife)
        common = ratios[past.market].mean(axis=1).to_numpy()
        seen = np.isfinite(common)
        level = float(weights[seen] @ common[seen] / weights[seen].sum()) if seen.any() else 1.0
        bias = shrunk_ew_mean(ratios.to_numpy(), self.halflife, expected=level)
        # Where nothing has moved at all, nothing is known of anyone's bias.
        deviation = bias / level - 1 if level > 0 else np.zeros_like(bias)
        relative = dict(zip(ratios.columns, np.sqrt(1 + self.trust * deviation), strict=True))
        factors = draft.volatility.index.map(relative).to_numpy(dtype=float)
        named = dict(zip(draft.volatility.index, factors.tolist(), strict=True))
        return draft.adjusted(self, {"factors": named}, volatility=draft.volatility * factors)
