"""Heterogeneous autoregression (HAR) on log variance."""

from __future__ import annotations

import numpy as np
import pandas as pd

from volplugin.data.panel import PricePanel
from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.volatility.base import State, VolatilityForecaster
from volplugin.volatility.bias_correction import close_to_close_ratio, forward_variance, out_of_sample_ratio
from volplugin.volatility.features import (
    FEATURE_LOOKBACK,
    HAR,
    LEVERAGE,
    MARKET,
    OWN,
    Features,
    build_features,
    clip_levels,
    level_bounds,
    without_market,
    without_season,
)
from volplugin.volatility.long_horizons import TermStructure, all_horizons
from volplugin.volatility.reference import reference
from volplugin.volatility.regression import forecast_ratio, regress_logs
from volplugin.volatility.season import SEASON
from volplugin.volatility.term_structure import FITTED_HORIZONS

TERMS = {
    "har": HAR,
    "market": (*HAR, *LEVERAGE, *MARKET),
    "lstm": (*OWN, *MARKET),
    "season": (*OWN, *MARKET, *SEASON),
}
"""Regressors by name: the classic three, with market and leverage terms, or all inputs of the LSTM, without the
earnings season and with it."""


class HARVolatility(VolatilityForecaster):
    """Least squares of log forward variance on the log variance of a day, a week and a month.

    One regression per horizon, on range-based variance relative to each asset's slow level, in logs; then one
    multiplicative rescale (Jensen), times the out-of-sample ratio of realised to forecast variance in a walk-forward
    through the training span.

    Units: a volatility is a daily standard deviation in decimals; only `annualize` and ``periods=`` change that.
    Timing: `asof` is the last completed session used; the forecast covers the `horizon` sessions after it.

    Parameters
    ----------
    terms : {"har", "market", "lstm", "season"}, default "har"
        The classic three regressors; with market and leverage terms; or every input of the LSTM, without the
        earnings season and with it.
    pooled : bool, default True
        One set of coefficients for all assets; otherwise one set per asset.

    Raises
    ------
    ParameterError
        From `fit`, for unknown terms.
    InsufficientHistoryError
        From `fit`, with fewer than about 200 sessions.

    References
    ----------
    Corsi (2009), A Simple Approximate Long-Memory Model of Realized Volatility, Journal of Financial
    Econometrics 7, eq. 11; Bollerslev, Hood, Huss and Pedersen (2018), Risk Everywhere, on pooling.

    Examples
    --------
    >>> from volplugin import HARVolatility, simulated_panel
    >>> panel = simulated_panel(3, "2012-01-02", "2014-06-30")
    >>> model = HARVolatility("market").fit(panel.asof("2013-12-31"))
    >>> model.predict(panel.asof("2014-01-31"), horizon=21).shape
    (3,)
    >>> model.vintage
    {'model': 'HARVolatility', 'trained_through': '2013-12-31'}
    """

    def __init__(self, terms: str = "har", pooled: bool = True) -> None:
        self.terms = terms
        self.pooled = pooled

    @property
    def lookback(self) -> int:
        """Number of sessions up to `asof` that a forecast depends on."""
        return FEATURE_LOOKBACK

    def _check_parameters(self) -> None:
        if self.terms not in TERMS:
            raise ParameterError(f"terms is {self.terms!r}; pass one of {', '.join(TERMS)}")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the regressors."""
        return TERMS[self.terms]

    @property
    def event_aware(self) -> bool:
        """Whether there is an event-free forecast apart from the forecast: with the season among the terms."""
        return getattr(self, "free_", None) is not None

    @property
    def all_horizons(self) -> tuple[int, ...]:
        """Horizons in sessions between which forecasts are interpolated: 1, 5, 21, and longer ones."""
        return all_horizons(FITTED_HORIZONS, getattr(self, "term_", None))

    def _fit(self, panel: PricePanel) -> None:
        names = self.names
        inputs = self._inputs(panel, names)
        x, base = inputs.take(names), inputs.base
        self.bounds_ = level_bounds(x, names)
        y = forward_variance(panel, FITTED_HORIZONS, close_to_close_ratio(panel)) / base[..., None]
        tables = [
            regress_logs(x[..., [names.index(name) for name in some]], y)
            for some in (names, without_market(names), without_season(names))
        ]
        every, alone, free = tables
        if every is None or alone is None or free is None:
            raise InsufficientHistoryError(f"{panel!r} holds too few sessions to regress on; HAR needs about 200")
        self.pooled_, self.no_market_coef_ = every, alone
        self.free_ = None if set(names).isdisjoint(SEASON) else free
        self.missing_ = out_of_sample_ratio(x, y, names, FITTED_HORIZONS)
        labels = [] if self.pooled else [str(asset) for asset in panel.assets]
        own = {label: regress_logs(x[:, [i]], y[:, [i]]) for i, label in enumerate(labels)}
        self.own_ = {label: fit for label, fit in own.items() if fit is not None}
        last = (forecast_ratio(self.pooled_, x) * self.missing_)[..., -1] * base
        self.term_ = TermStructure.fit(panel, last, base, inputs.take(("level",))[..., 0], FITTED_HORIZONS[-1])

    def _predict_paths(self, panel: PricePanel, horizons: tuple[int, ...], first: int) -> dict[int, pd.DataFrame]:
        names, tables = self.names, [self.own_.get(str(asset), self.pooled_) for asset in panel.assets]
        free = self.free_
        if self.fallbacks(panel):
            names, tables, free = without_market(names), [self.no_market_coef_] * len(panel.assets), None
        inputs = self._inputs(panel, names, first)
        quiet_tables = tables if free is None else [free] * len(tables)

        def variance(quiet: bool) -> np.ndarray:
            chosen = (without_season(names), quiet_tables) if quiet else (names, tables)
            return self._variance(inputs, chosen[0], np.stack(chosen[1]))

        return self._from_fitted_horizons(variance, panel, horizons)

    def _variance(self, inputs: Features, names: tuple[str, ...], table: np.ndarray) -> np.ndarray:
        """Mean daily variance at `all_horizons`, from a table for each asset."""
        x = clip_levels(inputs.take(names), names, self.bounds_)
        log_ratio = np.einsum("tai,aik->tak", x, table[:, 1:-1]) + table[:, 0]
        ratio = np.exp(log_ratio) * table[:, -1] * self.missing_
        variance = ratio * inputs.base[..., None]
        if self.term_ is None:
            return variance
        return self.term_.extend(variance, inputs.base, inputs.take(("level",))[..., 0], FITTED_HORIZONS[-1])

    @property
    def uses_market(self) -> bool:
        """Whether the regressors include market-wide ones."""
        return not set(self.names).isdisjoint(MARKET)

    def _inputs(self, panel: PricePanel, names: tuple[str, ...], first: int = 0) -> Features:
        """Return the inputs of all rows; those that cost much are needed from row `first` on alone."""
        market = None if set(names).isdisjoint(MARKET) else reference(panel, self.universe_)
        return build_features(panel, market, names=names if "level" in names else (*names, "level"))

    def get_state(self) -> State:
        """Return the coefficients: rows are intercept, slopes and rescale factor; columns are horizons."""
        shared = {
            "pooled": self.pooled_,
            "alone": self.no_market_coef_,
            "missing": self.missing_,
            "bounds": self.bounds_,
        }
        if self.free_ is not None:
            shared["free"] = self.free_
        if self.term_ is not None:
            shared |= {"term": self.term_.table, "term_bounds": self.term_.bounds}
        return shared | {f"own/{asset}": table for asset, table in self.own_.items()}

    def set_state(self, state: State) -> None:
        """Set the coefficients."""
        self.pooled_, self.no_market_coef_ = state["pooled"], state["alone"]
        self.missing_, self.bounds_ = state["missing"], state["bounds"]
        self.free_ = state.get("free")
        self.term_ = TermStructure(state["term"], state["term_bounds"]) if "term" in state else None
        self.own_ = {name.removeprefix("own/"): table for name, table in state.items() if name.startswith("own/")}
