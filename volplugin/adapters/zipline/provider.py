"""The risk model inside a running strategy."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self
from weakref import WeakKeyDictionary

import pandas as pd
from zipline.utils.algo_instance import get_algo_instance
from zipline.utils.paths import zipline_path

from volplugin.adapters.zipline.bundles import Environ, read_bundle
from volplugin.adapters.zipline.sessions import completed_session, portal_panel
from volplugin.adapters.zipline.targeting import TargetingState, hold_target
from volplugin.data.panel import PricePanel
from volplugin.errors import (
    AssetMismatchError,
    BundleError,
    BundleRangeError,
    DataFrequencyError,
    InsufficientHistoryError,
)
from volplugin.risk.covariance import CovarianceForecast, Weights
from volplugin.storage.forecast_cache import ForecastCache

if TYPE_CHECKING:
    from volplugin.correlation.base import CorrelationEstimator
    from volplugin.portfolio import TrackRecord, VolatilityTarget
    from volplugin.risk.model import RiskModel


class RiskProvider:
    """Forecasts for a running strategy, from completed sessions only; and the orders that hold a volatility target.

    Timing: `asof` is the last completed session, in every hook; the forecast covers the
    `horizon` sessions after it. Units: daily; ``forecast.portfolio_volatility(w, periods=252)`` is annual.

    The metrics set ``volplugin`` finds the first provider of a strategy by itself.

    Parameters
    ----------
    model : RiskModel
        Fitted, or with a walk-forward whose vintages answer at each date.
    bundle : str, optional
        The bundle that the run is made on. Its raw bars are then read once a run and gated by session:
        the same forecast as research has, to the last digits that matter (1e-6). Without it the bars
        come through ``data.history``, which rounds them to three decimals (1e-3).
    market : iterable of str, optional
        Symbols of the reference universe for market-wide inputs; every stock of the bundle by default.
    horizon : int, default 21
        Sessions that a forecast covers.
    environ : mapping, optional
        Whose ``ZIPLINE_ROOT`` holds the bundle; the process's own by default.

    Raises
    ------
    BundleNotFoundError
        In a run, if the bundle is not ingested.
    BundleRangeError
        In a run that ends after the bundle does.
    DataFrequencyError
        In a run in minute mode.
    """

    def __init__(
        self,
        model: RiskModel,
        *,
        bundle: str | None = None,
        market: Iterable[str] | None = None,
        horizon: int = 21,
        environ: Environ | None = None,
    ) -> None:
        self.model = model
        self.bundle = bundle
        self.market = None if market is None else list(market)
        self.horizon = horizon
        self.environ = environ
        self._runs: WeakKeyDictionary[Any, _Run] = WeakKeyDictionary()
        algorithm = get_algo_instance()
        if algorithm is not None:  # made in `initialize`: what is wrong with the bundle shows now
            self._run(algorithm)

    @classmethod
    def from_store(
        cls,
        path: str | Path = "pretrained",
        *,
        bundle: str | None = None,
        correlation: CorrelationEstimator | None = None,
        market: Iterable[str] | None = None,
        horizon: int = 21,
        environ: Environ | None = None,
    ) -> Self:
        """Build on the trained vintages in a folder, with the recommended model around them.

        Parameters
        ----------
        path : str or Path
            A `ModelStore` folder, filled by ``volplugin train``; "pretrained" for the vintages of the package.
        correlation : CorrelationEstimator, optional
            The recommended one by default.
        bundle, market, horizon, environ
            As of the class.

        Raises
        ------
        MissingVintageError
            If the folder holds no trained models, with the command that trains them.
        """
        from volplugin.risk.defaults import default_correlation, load_walk_forward
        from volplugin.risk.model import RiskModel

        model = RiskModel(load_walk_forward(path), default_correlation() if correlation is None else correlation)
        return cls(model, bundle=bundle, market=market, horizon=horizon, environ=environ)

    def forecast(
        self, context: Any, data: Any, assets: Iterable[Any], *, horizon: int | None = None, view: str = "risk"
    ) -> CovarianceForecast:
        """Forecast the covariance of some assets, from any hook.

        Parameters
        ----------
        context : TradingAlgorithm
            As handed to the hook.
        data : zipline.protocol.BarData
            As handed to the hook.
        assets : iterable of zipline Equity
            Whose covariance to forecast; the forecast of an asset does not depend on the other ones.
        horizon : int, optional
            Sessions covered, the provider's by default.
        view : {"risk", "structure", "targeting"}, default "risk"
            For total risk, for an optimiser, or for the leverage that holds a volatility target.

        Returns
        -------
        CovarianceForecast
            Labelled with the zipline assets; those that cannot be forecast yet are left out and named
            in ``diagnostics["excluded"]``.
        """
        wanted = {asset.symbol: asset for asset in assets}
        found = self.forecast_at(context, completed_session(data), wanted, horizon=horizon, view=view)
        return found.relabel(wanted)

    def target(
        self,
        context: Any,
        data: Any,
        weights: Weights | Callable[[], Weights],
        rule: VolatilityTarget | None = None,
        *,
        frequency: str = "daily",
        missing: str = "raise",
    ) -> pd.Series | None:
        """Hold a portfolio at its volatility target: forecast, scale, order. Call it at every close.

        At the first call in a day, week or month, and at every close at which the leverage has left the rule's
        `guard`, it orders the weights, scaled to the target, in place of open orders. Assets held that `weights`
        does not name are sold. At every close it adds the last session to `track_record`, which the rule's feedback
        uses. The forecast covers one session, in the view "targeting".

        Parameters
        ----------
        context : TradingAlgorithm
            As handed to the hook.
        data : zipline.protocol.BarData
            As handed to the hook.
        weights : Series or mapping of Equity to weight, or function without arguments that returns one
            Wanted composition, at any leverage. A function is called at rebalances only.
        rule : VolatilityTarget, optional
            ``context.target`` by default.
        frequency : {"daily", "weekly", "monthly"}, default "daily"
            How often to rebalance.
        missing : {"raise", "drop"}, default "raise"
            What to do if an asset of `weights` has no forecast, or does not trade: raise, or leave it out.

        Returns
        -------
        Series or None
            Weights ordered, by asset; None if nothing was ordered.

        Raises
        ------
        ParameterError
            Without a rule, or for an unknown `frequency` or `missing`.
        MissingForecastError, InsufficientHistoryError
            If an asset with a nonzero weight has no forecast, and `missing` is "raise".
        """
        return hold_target(
            self, self._run(context).targeting, context, data, weights, rule, frequency=frequency, missing=missing
        )

    def track_record(self, context: Any) -> TrackRecord:
        """Return the track record that `target` writes in this run."""
        return self._run(context).targeting.record

    def forecast_at(
        self,
        context: Any,
        session: pd.Timestamp,
        symbols: Iterable[str],
        *,
        horizon: int | None = None,
        view: str = "risk",
    ) -> CovarianceForecast:
        """Forecast at the close of a session that is over, labelled with symbols.

        For the metrics set and others who hold no ``data``; strategies call `forecast`.
        """
        days = self.horizon if horizon is None else horizon
        return self._run(context).forecast(context, session, list(symbols), days, view)

    def last_forecast(self, algorithm: Any) -> CovarianceForecast | None:
        """Return the newest forecast of a run, of all assets and labelled with symbols; None before the first."""
        return self._run(algorithm).last

    def _run(self, algorithm: Any) -> _Run:
        if algorithm not in self._runs:
            _check_frequency(algorithm)
            prices = (
                _PortalPrices(algorithm, self.market)
                if self.bundle is None
                else _BundlePrices(algorithm, self.bundle, self.market, self.environ)
            )
            self._runs[algorithm] = _Run(self.model, prices, _cache(self.environ))
            vars(algorithm).setdefault(ON_CONTEXT, self)
        return self._runs[algorithm]


KEPT = 512 * 2**20
"""Bytes of volatilities of earlier runs that are kept under ``ZIPLINE_ROOT``."""

ON_CONTEXT = "_volplugin_provider"
"""Attribute of ``context`` with its first provider: kept there it is found when modules were loaded anew."""


def provider_of(algorithm: Any) -> RiskProvider | None:
    """Return the first `RiskProvider` that a running strategy made or asked, or None."""
    found: RiskProvider | None = vars(algorithm).get(ON_CONTEXT)
    return found


class _Prices(Protocol):
    """Where the bars of a run come from; the algorithm is an argument, for held it would never be freed."""

    def panel(
        self, algorithm: Any, session: pd.Timestamp, symbols: list[str], count: int
    ) -> PricePanel: ...  # pragma: no cover

    def whole_run(self) -> PricePanel | None: ...  # pragma: no cover


class _Run:
    """One provider within one simulation: the model's memory of the sessions gone by."""

    def __init__(self, model: RiskModel, prices: _Prices, cache: ForecastCache) -> None:
        self.targeting = TargetingState()
        self._model = model
        self._prices = prices
        self._forecaster = model.backtest_forecaster(cache)
        self._forecasts: dict[tuple[int, str], tuple[pd.Timestamp, frozenset[str], CovarianceForecast]] = {}
        self._precomputed_through: dict[int, pd.Timestamp] = {}
        self.last: CovarianceForecast | None = None

    def forecast(
        self, algorithm: Any, session: pd.Timestamp, symbols: list[str], horizon: int, view: str
    ) -> CovarianceForecast:
        everything = self._of_all(algorithm, session, symbols, horizon, view)
        here = [symbol for symbol in symbols if symbol in everything.assets]
        if symbols and not here:
            reason = everything.diagnostics["excluded"].get(symbols[0], "")
            raise InsufficientHistoryError(
                f"{symbols[0]} has no forecast at {session.date()}: {reason}; wait until it has"
            )
        return everything if here == list(everything.assets) else everything.select(here)

    def _of_all(
        self, algorithm: Any, session: pd.Timestamp, symbols: list[str], horizon: int, view: str
    ) -> CovarianceForecast:
        """Forecast the whole universe, which costs no more: correlations are estimated on all of it anyhow.

        Stored for the session: the metrics set often needs the strategy's forecast again.
        """
        known = self._forecasts.get((horizon, view))
        if known is None or known[0] != session or not known[1].issuperset(symbols):
            panel = self._prices.panel(algorithm, session, symbols, self._model.lookback)
            self._precompute(session, horizon)
            self.last = self._forecaster.forecast(panel, horizon, view)
            known = session, frozenset(panel.assets), self.last
            self._forecasts[horizon, view] = known
        return known[2]

    def _precompute(self, session: pd.Timestamp, horizon: int) -> None:
        """Compute the volatilities of all sessions of a vintage at once, many times faster than one by one.

        Each row uses only data up to its own date, as in `VolatilityForecaster.predict_path`. Correlations are
        estimated at each forecast.
        """
        panel, through = self._prices.whole_run(), self._precomputed_through.get(horizon)
        if panel is None or (through is not None and session <= through):
            return
        # From the first session not computed yet, whichever one is wanted: the next run finds the same rows cached.
        begin = session if through is None else panel.sessions[panel.sessions > through][0]
        spans = self._model.volatility.iter_vintages(panel, begin, panel.last_session)
        span = next(sessions for _, sessions in spans if sessions[-1] >= session)
        self._forecaster.precompute(panel, span[0], span[-1], horizon)
        self._precomputed_through[horizon] = span[-1]


class _BundlePrices:
    """Raw bars of an ingested bundle, read once a run, adjusted exactly and gated by session."""

    def __init__(self, algorithm: Any, bundle: str, market: list[str] | None, environ: Environ | None) -> None:
        # Anchored at the first session, an earlier row holds no trace of a later split or dividend.
        panel = read_bundle(bundle, environ=environ)
        _check_end(algorithm, panel.last_session, f"bundle {bundle!r}")
        strangers = [asset.symbol for asset in _equities(algorithm) if asset.symbol not in panel.assets]
        if strangers:
            raise BundleError(
                f"the run has {strangers[0]}, which bundle {bundle!r} lacks: the risk model would read "
                "another bundle than the run; name one in both (`-x volplugin.bundle=NAME` beside `-b NAME`)"
            )
        panel = panel if market is None else panel.with_market(panel.select(market))
        self._panel = panel.asof(algorithm.sim_params.end_session)
        self._begin = algorithm.sim_params.start_session
        self._is_cut = False

    def panel(self, algorithm: Any, session: pd.Timestamp, symbols: list[str], count: int) -> PricePanel:
        _known(self._panel.assets, symbols)
        if not self._is_cut:
            self._cut(session, count)
        return self._panel.asof(session)  # the model takes the last `count` sessions itself

    def _cut(self, session: pd.Timestamp, count: int) -> None:
        """Keep what the first forecast of the run takes, and all that follow; derive returns once for all of them."""
        run = int((self._panel.sessions >= min(self._begin, session)).sum())
        self._panel, self._is_cut = self._panel.tail(run + count), True
        for derived in ("returns", "variance"):  # of which a cut panel keeps its rows
            getattr(self._panel, derived)

    def whole_run(self) -> PricePanel:
        return self._panel


class _PortalPrices:
    """Bars of the run's own bundle as ``data.history`` serves them, rounded to three decimals."""

    def __init__(self, algorithm: Any, market: list[str] | None) -> None:
        equities = _equities(algorithm)
        _check_end(algorithm, max(asset.end_date for asset in equities), "the run's bundle")
        self._assets = {asset.symbol: asset for asset in equities}
        _known(self._assets, market or ())
        self._market = market

    def panel(self, algorithm: Any, session: pd.Timestamp, symbols: list[str], count: int) -> PricePanel:
        _known(self._assets, symbols)
        names = list(self._assets) if self._market is None else list(dict.fromkeys([*self._market, *symbols]))
        panel = portal_panel(algorithm, session, [self._assets[name] for name in names], count)
        return panel if self._market is None else panel.with_market(panel.select(self._market))

    def whole_run(self) -> None:
        return None  # adjusted as of each session: there is no one panel of them all


_KEEPS = ContextVar("keeps", default=True)


@contextmanager
def without_forecast_cache() -> Iterator[None]:
    """Have runs inside the block make every forecast themselves: an audit asks what forecasts are made of."""
    token = _KEEPS.set(False)
    try:
        yield
    finally:
        _KEEPS.reset(token)


def _cache(environ: Environ | None) -> ForecastCache:
    """Return the folder in which runs find the volatilities of earlier runs on the same prices."""
    if not _KEEPS.get():
        return ForecastCache()
    return ForecastCache(zipline_path(["volplugin", "forecasts"], environ=environ), limit=KEPT)


def _equities(algorithm: Any) -> list[Any]:
    finder = algorithm.asset_finder
    return list(finder.retrieve_all(finder.equities_sids))


def _known(assets: Collection[str], symbols: Iterable[str]) -> None:
    unknown = [symbol for symbol in symbols if symbol not in assets]
    if unknown:
        raise AssetMismatchError(f"the run's bundle has no {', '.join(unknown)}; it holds {', '.join(assets)}")


def _check_frequency(algorithm: Any) -> None:
    frequency = algorithm.sim_params.data_frequency
    if frequency != "daily":
        raise DataFrequencyError(
            f"the run is in {frequency} mode, and forecasts are made of daily bars; run it with "
            "--data-frequency daily (data_frequency='daily')"
        )


def _check_end(algorithm: Any, last: pd.Timestamp, what: str) -> None:
    end = algorithm.sim_params.end_session
    if end > last:
        raise BundleRangeError(
            f"the run ends on {end.date()}, after the last session of {what}, {last.date()}; "
            "end the run there, or ingest newer data"
        )
