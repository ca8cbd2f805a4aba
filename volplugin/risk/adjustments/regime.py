"""One factor for all: whether risk as a whole has lately been under- or over-predicted."""

from __future__ import annotations

import numpy as np

from volplugin.errors import ParameterError
from volplugin.risk.adjustments.base import (
    AdjustedForecast,
    CovarianceAdjustment,
    check_share,
    remembered,
    shrunk_ew_mean,
)
from volplugin.risk.adjustments.forecast_history import STANDS, PastForecasts

OVER = ("book", "assets")


class VolatilityRegimeAdjustment(CovarianceAdjustment):
    """Scales all volatilities by how far the recent past went beyond its forecasts.

    With ``B^2`` the exponentially weighted mean of squared daily returns over the forecasts that covered them,
    the factor is ``B ** strength``. At a horizon of one session, over the assets and at full strength it is the
    volatility regime adjustment of USE4.

    Parameters
    ----------
    halflife : float, default 42
        Sessions after which a session counts half.
    strength : float, default 0.5
        Share of the deviation that is corrected, in logs: the rest is treated as chance.
    over : {"book", "assets"}, default "book"
        Whose returns: of the equal-weight portfolio of the reference universe, which also measures the
        correlations; or of its assets, averaged across them, which is faster.

    Notes
    -----
    It follows what happened: it steadies forecasts of the next session, while over a month it gains where storms
    gather, and loses where one breaks out of a calm that had lowered it.

    References
    ----------
    Menchero, Orr and Wang (2011), The Barra US Equity Model (USE4), Methodology Notes, on the volatility regime
    adjustment.
    """

    def __init__(self, halflife: float = 42, strength: float = 0.5, over: str = "book") -> None:
        self.halflife = halflife
        self.strength = strength
        self.over = over

    @property
    def lookback(self) -> int:
        """Sessions up to `asof` whose forecasts and returns it depends on."""
        return remembered(self.halflife) + STANDS

    @property
    def correlates(self) -> bool:
        """Whether it needs past correlations as well as past volatilities."""
        return self.over == "book"

    def apply(self, draft: AdjustedForecast, past: PastForecasts) -> AdjustedForecast:
        """Return the draft with every volatility multiplied by the factor; sessions never seen count as predicted."""
        check_share("strength", self.strength)
        if self.over not in OVER:
            raise ParameterError(f"over is {self.over!r}; pass one of {', '.join(OVER)}")
        rows = remembered(self.halflife)
        if self.over == "book":
            ratio = past.standing_portfolio(rows).to_numpy()
        else:
            ratio = past.standing(rows)[past.market].mean(axis=1).to_numpy()
        factor = float(shrunk_ew_mean(ratio[:, None], self.halflife)[0] ** (self.strength / 2))
        effect = {"factor": factor, "sessions": int(np.isfinite(ratio).sum())}
        return draft.adjusted(self, effect, volatility=draft.volatility * factor)
