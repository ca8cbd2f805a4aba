"""Sigma = D_s rho D_s + diag(sigma^2 - s^2) from a volatility forecaster and a correlation estimator."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from functools import cache, partial
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from volplugin._deprecated import former_method
from volplugin.correlation.base import CorrelationEstimator, check_estimator
from volplugin.correlation.repair import average
from volplugin.data.panel import MAX_GAP_SESSIONS, PricePanel, as_moment
from volplugin.data.suspects import suspect_prices
from volplugin.errors import InsufficientHistoryError, ParameterError, require_type
from volplugin.risk.adjustments import (
    PastForecasts,
    PastPortfolios,
    adjustment_list,
    apply_adjustments,
    extra_horizons,
    past_rows,
)
from volplugin.risk.adjustments.base import CovarianceAdjustments
from volplugin.risk.covariance import CovarianceForecast
from volplugin.risk.covariance_path import CovarianceArrays, CovariancePath
from volplugin.risk.diagnostics import Deferred
from volplugin.risk.uncertainty import EARLIER_VINTAGES, ForecastUncertainty
from volplugin.risk.volatility_history import VolatilityHistory
from volplugin.storage.forecast_cache import ForecastCache
from volplugin.volatility.base import VolatilityForecaster, check_horizon

logger = logging.getLogger(__name__)

STALE_YEARS = 1
"""Years after the end of its training from which ``diagnostics["stale"]`` names a model."""

SHORT_HISTORY = 252
"""Bars below which `diagnostics` names an asset as having a short history."""


class RiskModel(BaseEstimator):
    """Combines volatilities and correlations into a forecast covariance, Sigma = D rho D.

    Past returns are standardized by the forecasts that the current volatility model makes of them,
    ``z_t = r_t / sigma(t | t-1)``; the correlation of z is combined with today's volatilities. Correlations are
    estimated on the assets together with the panel's market, so that the forecast of an asset does not depend on the
    other assets of the panel.

    A move that one company is expected to make, such as on its earnings, is uncorrelated with the other assets. For a
    forecaster with an event-free forecast sigma0 only ``s^2 = min(sigma^2, sigma sigma0)`` of the variance is
    correlated: ``Sigma = D_s rho D_s + diag(sigma^2 - s^2)``, positive semi-definite by construction. The forecast's
    correlation is the correlation of Sigma, ``rho_ij s_i s_j / (sigma_i sigma_j)``.

    Units: a volatility is a daily standard deviation in decimals; only `annualize` and ``periods=`` change that.
    Timing: `asof` is the last completed session used; the forecast covers the `horizon` sessions after it.

    Parameters
    ----------
    volatility : VolatilityForecaster
        Fitted, or a `WalkForward` whose vintages are chosen by date.
    correlation : CorrelationEstimator
    devolatilise : bool, default True
        Estimate correlations on z; if False on plain returns, as RiskMetrics does.
    calibration : CovarianceAdjustment or list of CovarianceAdjustment, optional
        Adjustments by the errors of past forecasts, applied in order. None by default.

    References
    ----------
    Johansson, Ogut, Pelger, Schmelzer and Boyd (2023), A Simple Method for Predicting Covariance Matrices of Financial
    Returns, on volatilities first and correlations of standardized returns second.

    Examples
    --------
    >>> from volplugin import EWMACorrelation, RiskModel, RollingVolatility
    >>> from volplugin.data.simulated import simulated_panel
    >>> panel = simulated_panel(5, "2015-01-02", "2016-12-30")
    >>> model = RiskModel(RollingVolatility(60), EWMACorrelation(halflife=42))
    >>> forecast = model.forecast(panel.asof("2016-06-30"), horizon=21)
    >>> forecast.covariance.shape == (len(forecast.assets), len(forecast.assets))
    True
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
        """Names of the parts, such as "LSTMVolatility + RollingCorrelation()"."""
        forecaster: Any = getattr(self.volatility, "forecaster", self.volatility)
        names = [type(item).__name__ for item in adjustment_list(self.calibration)]
        return " + ".join([f"{forecaster.vintage['model']} + {self.correlation!r}", *names])

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
            Assets to forecast, each of which must have a forecast. By default all assets of the panel that have one;
            ``diagnostics["excluded"]`` maps each other asset to the reason.

        Raises
        ------
        InsufficientHistoryError
            Naming an asset of `assets` without a forecast, the date, and why.
        MissingVintageError, LookAheadError, NotFittedError
            If there is no model trained through `asof` or an earlier session.
        """
        return BacktestForecaster(self).forecast(require_type(panel, PricePanel, "panel"), horizon, view, assets)

    def forecast_path(
        self, panel: PricePanel, sessions: Iterable[pd.Timestamp], horizon: int = 21, view: str = "risk"
    ) -> Iterator[CovarianceForecast]:
        """Forecast from each of increasing sessions, each with data up to its own close.

        Equal to ``forecast(panel.asof(session))``, with the volatilities of a vintage computed once and correlations
        updated from session to session.

        Raises
        ------
        ParameterError
            For dates that are not sessions of the panel, or do not increase.
        """
        require_type(panel, PricePanel, "panel")
        wanted = pd.DatetimeIndex([as_moment(session) for session in require_type(sessions, Iterable, "sessions")])
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

    def _staleness(self, vintage: VolatilityForecaster, asof: pd.Timestamp) -> str:
        """Describe a model whose training ended over `STALE_YEARS` ago, and log it once; empty for other models."""
        through = getattr(vintage, "trained_through_", None)
        if not vintage.requires_fit or through is None:
            return ""
        # Numbers: adding a pandas offset took longer than the rest of the method.
        if (asof.year - STALE_YEARS, asof.month, asof.day) <= (through.year, through.month, through.day):
            return ""
        years = (asof - through).days / 365.25
        text = (
            f"the volatility model was trained through {through.date()}, {years:.1f} years before {asof.date()}; "
            "train a newer one: volplugin pretrain --panel PRICES --store DIR"
        )
        logged = self.__dict__.setdefault("logged_", set())
        if through not in logged:
            logged.add(through)
            logger.warning(text)
        return text

    session_forecaster = former_method("session_forecaster", "backtest_forecaster")

    def backtest_forecaster(self, cache: ForecastCache | None = None) -> BacktestForecaster:
        """Return a forecaster for a run over increasing sessions, as a backtest makes.

        Parameters
        ----------
        cache : ForecastCache, optional
            Folder that stores precomputed volatilities for the next run on the same prices.
        """
        return BacktestForecaster(self, cache)


class BacktestForecaster:
    """Forecasts over increasing sessions.

    Past volatilities are stored in a `VolatilityHistory`. For the sessions of `precompute` volatilities come from one
    pass of the model, and correlations are updated from session to session; other sessions are forecast one by one.
    The forecast of a session is the same either way, and depends on no later session.

    Parameters
    ----------
    model : RiskModel
    cache : ForecastCache, optional
        Folder that stores precomputed volatilities for the next run on the same prices.
    """

    def __init__(self, model: RiskModel, cache: ForecastCache | None = None) -> None:
        require_type(model.volatility, VolatilityForecaster, "volatility")
        check_estimator(model.correlation)
        self.model = model
        self._history = VolatilityHistory(cache)
        self._portfolios = PastPortfolios()
        self._path: CovariancePath | None = None
        # The histories are updated in place, so one thread computes at a time.
        self._lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        """Return everything but the lock, which cannot be copied."""
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore, with a lock of its own."""
        vars(self).update(state, _lock=threading.RLock())

    def precompute(self, panel: PricePanel, start: pd.Timestamp, end: pd.Timestamp, *horizons: int) -> None:
        """Compute the volatilities of all sessions between two dates at once, for at most one vintage.

        Each row uses only data up to its own date; only the computation is done in advance.

        Parameters
        ----------
        panel : PricePanel
            Prices through `end` and of the sessions before `start` that a forecast depends on.
        start, end : Timestamp
            First and last session.
        *horizons : int
            Sessions covered by the forecasts; forecasts for one session are always there.
        """
        known = panel.asof(end)
        count = len(known.sessions) - int(known.sessions.searchsorted(start)) + self.model.past_rows
        universe = known.tail(count + self.model.volatility.lookback).with_market_assets()
        vintage = self.model.volatility.vintage_at(start)
        with self._lock:
            self._path = self._path_of(vintage, universe, count, horizons, start)

    def precompute_vintage(self, panel: PricePanel, session: pd.Timestamp, *horizons: int) -> None:
        """Precompute the sessions of the vintage used at a session, through the panel's last; once per vintage."""
        with self._lock:
            path = self._current_path(session)
            is_covered = path is not None and session <= path.last_session
            if path is not None and is_covered and all(days in path.paths for days in horizons):
                return
            wanted = {1, *horizons} if path is None else {*map(abs, path.paths), *horizons}
            # From the first session not computed yet, whichever one is needed: the next run finds the same rows cached.
            begin = session
            if path is not None and not is_covered:
                begin = panel.sessions[panel.sessions.searchsorted(path.last_session, side="right")]
            spans = self.model.volatility.iter_vintages(panel, begin, panel.last_session)
            span = next(sessions for _, sessions in spans if sessions[-1] >= session)
            self.precompute(panel, span[0], span[-1], *sorted(wanted))

    def arrays(self, session: pd.Timestamp, horizon: int = 21, view: str = "risk") -> CovarianceArrays | None:
        """Return the covariance of a precomputed session as arrays; None for another one, and with adjustments."""
        return self.arrays_of(session, (horizon,), view)[0]

    def arrays_of(self, session: pd.Timestamp, horizons: Iterable[int], view: str) -> list[CovarianceArrays | None]:
        """Return `arrays` of several horizons; the vintage is looked up once."""
        with self._lock:
            path = None if self.model.calibration else self._current_path(session)
            row = None if path is None else path.row(session)
            return [None if path is None or row is None else path.arrays(row, days, view) for days in horizons]

    def forecast(
        self, panel: PricePanel, horizon: int = 21, view: str = "risk", assets: Iterable[str] | None = None
    ) -> CovarianceForecast:
        """Forecast as `RiskModel.forecast` does; parameters and errors as there."""
        if assets is not None:
            panel = panel.select(assets)
        session = panel.last_session
        with self._lock:
            path = self._current_path(session)
            row = path.row(session) if path is not None and horizon in path.paths else None
            if path is None or row is None or not path.assets.equals(_universe(panel)):
                universe = panel.tail(self.model.lookback).with_market_assets()
                vintage = self.model.volatility.vintage_at(session)
                path = self._path_of(vintage, universe, self.model.past_rows, (horizon,), session)
                row = len(path.sessions) - 1
            return self._assemble(path, row, panel, horizon, view, demanded=assets is not None)

    def _current_path(self, session: pd.Timestamp) -> CovariancePath | None:
        """Return the precomputed path; None once the vintage used at its sessions was replaced, as by retraining."""
        path = self._path
        if path is not None and path.row(session) is not None:
            if self.model.volatility.vintage_at(session) is not path.model:
                logger.warning("the vintage used at %s was replaced; forecasts are computed anew", session.date())
                self._path = path = None
        return path

    def _path_of(
        self,
        vintage: VolatilityForecaster,
        universe: PricePanel,
        count: int,
        horizons: Iterable[int],
        first: pd.Timestamp,
    ) -> CovariancePath:
        """Compute the arrays of the last `count` sessions of a universe."""
        horizons = list(horizons)
        for horizon in horizons:
            check_horizon(horizon)
        wanted = {*horizons, *extra_horizons(self.model.calibration)}
        # Adjustments need event-free forecasts of the past too.
        rows = len(universe.sessions) - int(universe.sessions.searchsorted(first))
        past = self._history.of(vintage, universe, count + 1, wanted, None if self.model.calibration else rows)
        returns = pd.DataFrame(
            universe.tail_values("returns", count), universe.sessions[-count:], universe.assets, copy=False
        )
        return CovariancePath(vintage, self.model.correlation, returns, past, self.model.devolatilise, first)

    def _assemble(
        self, path: CovariancePath, row: int, panel: PricePanel, horizon: int, view: str, demanded: bool
    ) -> CovarianceForecast:
        """Make the forecast of a row, of the panel's assets that have a volatility."""
        sigma = path.volatility(row, horizon)
        own = sigma if path.assets.equals(panel.assets) else sigma[path.assets.get_indexer(panel.assets)]
        live, there = np.isfinite(sigma), np.isfinite(own)

        def window() -> PricePanel:
            return panel.tail(self.model.lookback)

        names = list(panel.assets[there])
        if not (names and (there.all() or not demanded)):
            asset = panel.assets[~there][0]
            raise InsufficientHistoryError(
                f"{asset} has no forecast at {panel.last_session.date()}: {_reason(window(), asset)}; "
                f"{'leave it out until it has' if names else 'start later'}"
            )
        estimate = path.estimate(row, horizon, view)
        labels = path.assets if live.all() else path.assets[live]
        volatility = pd.Series(sigma[live], labels, name="volatility")
        share = path.event_share(row, horizon)[live]
        rho = pd.DataFrame(path.correlation(row, horizon, view), labels, labels, copy=False)
        applied: dict[str, Any] = {"calibration": {}}
        if self.model.calibration:
            past = self._past_forecasts(path, row, panel, horizon)
            volatility, rho, applied = apply_adjustments(self.model.calibration, volatility, rho, view, past)
        # Computed when read: a backtest reads few of them.
        details = cache(lambda: estimate.diagnostics(labels))
        diagnostics: dict[str, Any] = {
            name: Deferred(partial(lambda name: details()[name], name)) for name in CORRELATION_DIAGNOSTICS
        }
        if share.any():
            diagnostics |= _diagnostics_of(rho.to_numpy())
        diagnostics |= applied | {
            "stale": self.model._staleness(path.model, panel.last_session),
            "event_variance": _shares_by_asset(labels, share, names),
            "model": path.model.vintage,
            "data_fingerprint": Deferred(lambda: window().with_market_assets().fingerprint()),
            "excluded": Deferred(lambda: {asset: _reason(window(), asset) for asset in panel.assets[~there]}),
            "short_history": Deferred(lambda: _short(window(), names)),
            "reference": Deferred(lambda: path.model.reference_assets(window().with_market_assets())),
            "suspect": Deferred(lambda: suspect_prices(window(), volatility)),
            "calendar": Deferred(lambda: f"{panel.calendar}{'' if panel.has_calendar else ' (inferred)'}"),
            "periods_per_year": panel.periods_per_year,
            "fallbacks": Deferred(
                lambda: {
                    **path.model.fallbacks(window().with_market_assets()),
                    **estimate.moments.fallbacks,
                    **{name: done["fallback"] for name, done in applied["calibration"].items() if "fallback" in done},
                }
            ),
            "uncertainty": Deferred(
                lambda: self._uncertainty(path.model, panel, horizon, float(estimate.moments.observations.min()), view)
            ),
            "view": view,
        }
        if list(labels) != names:
            rho, volatility = rho.loc[names, names], volatility[names]
        return CovarianceForecast(panel.last_session, horizon, volatility, rho, diagnostics)

    def _uncertainty(
        self, vintage: VolatilityForecaster, panel: PricePanel, horizon: int, observations: float, view: str
    ) -> ForecastUncertainty:
        """Forecasts of the same sessions by each seed, and by the vintages before."""
        source = self.model.volatility
        window = panel.tail(self.model.lookback).with_market_assets()
        seeds = [one for name, one in vintage.ensemble_members().items() if name.startswith("seed")]
        before = getattr(vintage, "trained_through_", None)
        dates = [date for date in source.vintage_dates() if before is not None and date < before]
        earlier = [source.vintage_at(date) for date in dates[-EARLIER_VINTAGES:]]
        return ForecastUncertainty(
            pd.DataFrame([one.predict(window, horizon) for one in seeds]),
            pd.DataFrame([one.predict(window, horizon) for one in [vintage, *earlier]]),
            self.model.correlation.average_observations(observations, view),
        )

    def _past_forecasts(self, path: CovariancePath, row: int, panel: PricePanel, horizon: int) -> PastForecasts:
        """Return the past of a row as frames, for the adjustments."""
        stop, rows = row + 1, self.model.past_rows
        begin = max(0, stop - rows)
        sessions = path.sessions[begin:stop]
        returns, z = (pd.DataFrame(values[begin:stop], sessions, path.assets) for values in (path.returns, path.z))
        wanted = {horizon, *extra_horizons(self.model.calibration)}
        paths = {
            days: frame.loc[: sessions[-1]].iloc[-(rows + 1) :]
            for days, frame in path.paths.items()
            if abs(days) in wanted
        }
        self._portfolios.keep(path.model, path.assets)
        market, estimator = panel.market.assets, self.model.correlation
        return PastForecasts(horizon, returns, paths[horizon], z, market, estimator, self._portfolios, paths)


CORRELATION_DIAGNOSTICS = ("condition_number", "psd_repair", "average_correlation", "observations", "scarce", "chosen")


def _diagnostics_of(rho: np.ndarray) -> dict[str, Any]:
    """Diagnostics of the correlation of Sigma, in place of the estimate's."""
    return {
        "average_correlation": Deferred(lambda: average(rho)),
        "condition_number": Deferred(lambda: float(np.linalg.cond(rho))),
    }


def _shares_by_asset(assets: pd.Index, event_share: np.ndarray, names: list[Any]) -> dict[Any, float]:
    """Return the positive shares of some of the assets."""
    shares = dict(zip(assets, event_share.tolist(), strict=True))
    return {asset: shares[asset] for asset in names if shares[asset] > 0}


def _universe(panel: PricePanel) -> pd.Index:
    """Labels of the assets and of their market, as `PricePanel.with_market_assets` orders them."""
    market = panel.market.assets
    if market.equals(panel.assets):
        return panel.assets
    extra = [asset for asset in panel.assets if asset not in market]
    return market.append(pd.Index(extra)) if extra else market


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
