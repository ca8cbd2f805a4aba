"""Sigma = D rho D from a volatility forecaster and a correlation estimator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from volplugin.correlation.base import CorrelationEstimator
from volplugin.data.panel import MAX_GAP_SESSIONS, PricePanel, as_moment
from volplugin.data.suspects import suspect_prices
from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.risk.adjustments import PastForecasts, PastPortfolios, apply_adjustments, past_rows
from volplugin.risk.adjustments.base import CovarianceAdjustments
from volplugin.risk.covariance import CovarianceForecast, Deferred
from volplugin.risk.volatility_history import PastVolatility
from volplugin.storage.forecast_cache import ForecastCache
from volplugin.volatility.base import VolatilityForecaster

MAX_STANDARDIZED_RETURN = 4.2
"""Largest devolatilised return, in standard deviations, that a correlation hears."""

SHORT_HISTORY = 252
"""Bars below which `diagnostics` names an asset as having a short history."""


class RiskModel(BaseEstimator):
    """Composes volatilities and correlations into a forecast covariance.

    Past returns are devolatilised by the forecasts that the answering volatility model makes of
    them, ``z_t = r_t / sigma(t | t-1)``; the correlation of z is combined with today's volatilities.
    Correlations are estimated on the assets together with the panel's market, so that a forecast
    does not depend on who else is asked for.

    Parameters
    ----------
    volatility : VolatilityForecaster
        Fitted, or a `WalkForward` whose vintages are chosen by date.
    correlation : CorrelationEstimator
    devolatilise : bool, default True
        Estimate correlations on z; if False on plain returns, as RiskMetrics does.
    calibration : Calibration or list of Calibration, optional
        Corrections by what past forecasts were worth, applied in order. By default none.
    """

    def __init__(
        self,
        volatility: VolatilityForecaster,
        correlation: CorrelationEstimator,
        devolatilise: bool = True,
        calibration: CovarianceAdjustments = None,
    ) -> None:
        self.volatility = volatility
        self.correlation = correlation
        self.devolatilise = devolatilise
        self.calibration = calibration

    @property
    def lookback(self) -> int:
        """Sessions up to `asof` that a forecast depends on."""
        return self.volatility.lookback + self.past_rows

    @property
    def past_rows(self) -> int:
        """Past sessions whose forecasts the correlation and the calibrations depend on."""
        return past_rows(self.calibration, self.correlation.lookback)

    @property
    def description(self) -> str:
        """What it is composed of, such as "LSTMVolatility + RollingCorrelation()"."""
        forecaster: Any = getattr(self.volatility, "forecaster", self.volatility)
        return f"{forecaster.vintage['model']} + {self.correlation!r}"

    def fit(self, panel: PricePanel) -> Self:
        """Fit the volatility forecaster on everything in the panel."""
        self.volatility.fit(panel)
        return self

    def forecast(
        self, panel: PricePanel, horizon: int = 21, view: str = "risk", assets: Iterable[str] | None = None
    ) -> CovarianceForecast:
        """Forecast the covariance of the `horizon` sessions after the panel's last.

        Parameters
        ----------
        panel : PricePanel
            Prices through `asof`.
        horizon : int, default 21
            Sessions covered.
        view : {"risk", "structure"}, default "risk"
            For total risk, or for an optimiser.
        assets : iterable of str, optional
            Those asked for, each of which must have a forecast. By default all of the panel's that have
            one; the others are named in ``diagnostics["excluded"]`` with the reason.

        Raises
        ------
        InsufficientHistoryError
            Naming an asset of `assets` without a forecast, the date, and why.
        MissingVintageError, LookAheadError, NotFittedError
            If no trained model may answer at this date.
        """
        return BacktestForecaster(self).forecast(panel, horizon, view, assets)

    def forecast_path(
        self, panel: PricePanel, sessions: Iterable[pd.Timestamp], horizon: int = 21, view: str = "risk"
    ) -> Iterator[CovarianceForecast]:
        """Forecast from each of increasing sessions, each with what was known at its close.

        Equal to ``forecast(panel.asof(session))``, with the devolatilised past of a vintage computed once.

        Raises
        ------
        ParameterError
            For dates that are no sessions of the panel, or do not increase.
        """
        wanted = pd.DatetimeIndex([as_moment(session) for session in sessions])
        if wanted.empty:
            return
        strange = wanted[~wanted.isin(panel.sessions)]
        if len(strange):
            raise ParameterError(f"{strange[0].date()} is no session of {panel!r}; leave it out")
        if not (wanted.is_monotonic_increasing and wanted.is_unique):
            raise ParameterError("the sessions of a path do not increase; sort them, each once")
        ahead = BacktestForecaster(self)
        for _, span in self.volatility.iter_vintages(panel, wanted[0], wanted[-1]):
            ahead.precompute(panel, span[0], span[-1], horizon)
            for session in wanted[wanted.slice_indexer(span[0], span[-1])]:
                yield ahead.forecast(panel.asof(session), horizon, view)

    def backtest_forecaster(self, cache: ForecastCache | None = None) -> BacktestForecaster:
        """Return a forecaster for a run over increasing sessions, as a backtest makes.

        Parameters
        ----------
        archive : ForecastCache, optional
            Where the volatilities that it foresees are kept, and found again in the next run on the same prices.
        """
        return BacktestForecaster(self, cache)


class BacktestForecaster:
    """Forecasts over increasing sessions, remembering past volatility forecasts between them.

    What is remembered is keyed by session, and was made from data up to that session: asked again about an
    earlier one, it answers as it did then. A new vintage, or another universe, starts the memory anew.
    """

    def __init__(self, model: RiskModel, cache: ForecastCache | None = None) -> None:
        self.model = model
        self._past = PastVolatility(cache)
        self._portfolios = PastPortfolios()
        self._answering: tuple[pd.Timestamp, pd.Timestamp, VolatilityForecaster] | None = None

    def precompute(self, panel: PricePanel, start: pd.Timestamp, end: pd.Timestamp, horizon: int) -> None:
        """Make the volatility forecasts of all sessions between two dates in one go, one vintage's at most.

        Each row is made with what was known on its date, so that nothing is foreseen but the work.
        """
        known = panel.asof(end)
        rows = int(len(known.sessions) - known.sessions.searchsorted(start)) + self.model.past_rows
        universe_panel = known.tail(rows + self.model.volatility.lookback).with_market_assets()
        self._answering = start, end, self.model.volatility.vintage_at(start)
        self._past.of(self._answering[2], universe_panel, rows + 1, horizon)

    def forecast(
        self, panel: PricePanel, horizon: int = 21, view: str = "risk", assets: Iterable[str] | None = None
    ) -> CovarianceForecast:
        """Forecast as `RiskModel.forecast` does."""
        if assets is not None:
            panel = panel.select(assets)
        lookback = self.model.lookback
        window = panel.tail(lookback)
        universe_panel = window.with_market_assets()
        volatility = self._at(universe_panel.last_session)
        rows = self.model.past_rows
        past = self._past.of(volatility, universe_panel, rows + 1, horizon)
        sigma = pd.Series(past[horizon].to_numpy()[-1].copy(), universe_panel.assets, name="volatility")
        names, excluded = _split(window, sigma, demanded=assets is not None)
        returns = pd.DataFrame(
            universe_panel.tail_values("returns", rows), universe_panel.sessions[-rows:], universe_panel.assets
        )
        z = _devolatilised(returns, past[1]) if self.model.devolatilise else returns
        live = np.isfinite(sigma.to_numpy())
        sigma, seen = (sigma, z) if live.all() else (sigma[live], z.loc[:, live])
        rho, metadata = self.model.correlation.diagnose(seen, view)
        self._portfolios.keep(volatility, universe_panel.assets)
        known = PastForecasts(
            horizon, returns, past[horizon], z, window.market.assets, self.model.correlation, self._portfolios
        )
        calibrated, rho, done = apply_adjustments(self.model.calibration, sigma, rho, view, known)
        diagnostics = (
            metadata
            | done
            | {
                "model": volatility.vintage,
                "data_fingerprint": Deferred(lambda: panel.tail(lookback).with_market_assets().fingerprint()),
                "excluded": excluded,
                "short_history": Deferred(lambda: _short(panel.tail(lookback), names)),
                "suspect": Deferred(lambda: suspect_prices(panel.tail(lookback), calibrated)),
                "calendar": Deferred(lambda: f"{panel.calendar}{'' if panel.has_calendar else ' (inferred)'}"),
                "periods_per_year": panel.periods_per_year,
                "fallbacks": volatility.fallbacks(universe_panel) | metadata["fallbacks"],
                "view": view,
            }
        )
        if list(rho.columns) != names:
            rho, calibrated = rho.loc[names, names], calibrated[names]
        return CovarianceForecast(panel.last_session, horizon, calibrated, rho, diagnostics)

    def _at(self, session: pd.Timestamp) -> VolatilityForecaster:
        """Return the model that answers at a session, without looking for newer ones where it was foreseen."""
        if self._answering is not None and self._answering[0] <= session <= self._answering[1]:
            return self._answering[2]
        return self.model.volatility.vintage_at(session)


def _devolatilised(returns: pd.DataFrame, sigma: pd.DataFrame) -> pd.DataFrame:
    """Each return over the forecast made at the close before it, clipped; both end at the same session."""
    values, before = returns.to_numpy(), np.full(returns.shape, np.nan)
    reach = min(len(values), len(sigma) - 1)
    before[len(values) - reach :] = sigma.to_numpy()[len(sigma) - 1 - reach : -1]
    return pd.DataFrame(
        np.clip(values / before, -MAX_STANDARDIZED_RETURN, MAX_STANDARDIZED_RETURN),
        index=returns.index,
        columns=returns.columns,
    )


def _split(window: PricePanel, sigma: pd.Series, demanded: bool) -> tuple[list[Any], dict[Any, str]]:
    """Assets with a forecast, and the others with the reason; an error if one was asked for by name."""
    own = sigma if sigma.index.equals(window.assets) else sigma[window.assets]
    there = np.isfinite(own.to_numpy())
    names = list(window.assets[there])
    excluded = {asset: _reason(window, asset) for asset in window.assets[~there]}
    if excluded and (demanded or not names):
        asset, reason = next(iter(excluded.items()))
        raise InsufficientHistoryError(
            f"{asset} has no forecast at {window.last_session.date()}: {reason}; leave it out until it has"
        )
    return names, excluded


def _reason(window: PricePanel, asset: Any) -> str:
    bars = window.close[asset].notna().to_numpy()
    if not bars.any():
        return "no bars up to this session"
    if not bars[-MAX_GAP_SESSIONS - 1 :].any():
        return f"no bar since {window.sessions[bars][-1].date()}"
    return f"only {int(bars.sum())} bars of history"


def _short(window: PricePanel, names: list[Any]) -> dict[Any, int]:
    enough = min(SHORT_HISTORY, len(window.sessions))
    bars = np.isfinite(window.close.to_numpy()).sum(axis=0)
    counted = dict(zip(window.assets, bars.tolist(), strict=True))
    return {asset: counted[asset] for asset in names if counted[asset] < enough}
