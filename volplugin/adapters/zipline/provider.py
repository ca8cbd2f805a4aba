"""The risk model inside a running strategy."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakKeyDictionary

import pandas as pd
from zipline.utils.algo_instance import get_algo_instance
from zipline.utils.paths import zipline_path

from volplugin.adapters.targeting import TargetingState
from volplugin.adapters.zipline.bundles import Environ, read_bundle, with_named_market
from volplugin.adapters.zipline.sessions import accept_session_labels, completed_session, portal_panel, run_periods
from volplugin.adapters.zipline.targeting import hold_target
from volplugin.data.panel import PricePanel
from volplugin.errors import (
    AssetMismatchError,
    BundleError,
    BundleRangeError,
    DataFrequencyError,
    InsufficientHistoryError,
    require_type,
)
from volplugin.risk.covariance import CovarianceForecast, Weights
from volplugin.risk.covariance_path import CovarianceArrays
from volplugin.storage.forecast_cache import ForecastCache
from volplugin.units import deannualize
from volplugin.volatility.pretrained import compare_training_data

if TYPE_CHECKING:
    from volplugin.correlation.base import CorrelationEstimator
    from volplugin.portfolio import TrackRecord, VolatilityTarget
    from volplugin.risk.model import RiskModel


class RiskProvider:
    """Forecasts for a running strategy, from completed sessions only; and the orders that hold a volatility target.

    Units: a volatility is a daily standard deviation in decimals; only `annualize` and ``periods=`` change that.
    Timing: `asof` is the last completed session used; the forecast covers the `horizon` sessions after it.

    The metrics set ``volplugin`` uses the providers of a strategy without further settings.

    Parameters
    ----------
    model : RiskModel
        Fitted, or with a walk-forward whose vintages are chosen by date.
    bundle : str, optional
        The bundle of the run. Its raw bars are read once per run and cut at each session: forecasts equal those made
        outside the run to 1e-6. Without it the bars come from ``data.history``, which rounds them to three decimals
        (1e-3).
    market : str or iterable of str, optional
        Symbols of the reference universe for market-wide inputs, as a list or joined by commas; with a bundle also the
        name of other prices, a file or a bundle. The model's, or the 30 largest stocks of the bundle, by default.
    horizon : int, default 21
        Sessions that a forecast covers.
    environ : mapping, optional
        Variables with the ``ZIPLINE_ROOT`` of the bundle; by default the variables of the process.

    Raises
    ------
    BundleNotFoundError
        In a run, if the bundle is not ingested.
    BundleRangeError
        In a run that ends after the bundle does.
    DataFrequencyError
        In a run in minute mode.

    Examples
    --------
    >>> from volplugin import RiskProvider, default_risk_model
    >>> def initialize(context):
    ...     context.risk = RiskProvider(default_risk_model(), bundle="dow30", horizon=21)
    """

    def __init__(
        self,
        model: RiskModel,
        *,
        bundle: str | None = None,
        market: str | Iterable[str] | None = None,
        horizon: int = 21,
        environ: Environ | None = None,
    ) -> None:
        from volplugin.risk.model import RiskModel

        self.model = require_type(model, RiskModel, "model")
        self.bundle = bundle
        self.market = market if market is None or isinstance(market, str) else list(market)
        self.horizon = horizon
        self.environ = environ
        self._runs: WeakKeyDictionary[Any, _Run] = WeakKeyDictionary()
        algorithm = get_algo_instance()
        if algorithm is not None:  # made in `initialize`: fail early if the bundle is wrong
            self._run(algorithm)

    @classmethod
    def from_store(
        cls,
        path: str | Path = "pretrained",
        *,
        bundle: str | None = None,
        correlation: CorrelationEstimator | None = None,
        market: str | Iterable[str] | None = None,
        horizon: int = 21,
        environ: Environ | None = None,
        anchor: str = "",
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
        anchor : str, default ""
            "vix", or a CSV file of an implied-volatility index: adds an `ImpliedVolatilityAnchor`, learned on the
            bundle.

        Raises
        ------
        MissingVintageError
            If the folder holds no trained models, with the command that trains them.
        BundleError
            For an `anchor` without a bundle.
        """
        from volplugin.risk.defaults import default_correlation, load_walk_forward
        from volplugin.risk.model import RiskModel

        model = RiskModel(load_walk_forward(path), default_correlation() if correlation is None else correlation)
        if anchor:
            from volplugin.adapters.zipline.implied_volatility import anchored

            if bundle is None:
                raise BundleError(f"anchor is {anchor!r} without a bundle to learn it on; pass bundle=NAME")
            panel = with_named_market(read_bundle(bundle, environ=environ), market, environ)
            model = anchored(model, panel, anchor)
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
            Assets to forecast; the forecast of an asset does not depend on the other ones.
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
        named = list(require_type(assets, Iterable, "assets"))
        odd = next((asset for asset in named if not hasattr(asset, "symbol")), None)
        if odd is not None:
            raise AssetMismatchError(f"{odd!r} is no asset of zipline; pass a list such as [symbol('AAPL')]")
        wanted = {asset.symbol: asset for asset in named}
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

    def history(self, context: Any) -> pd.DataFrame:
        """Return the past of the portfolio held, for ``forecast.value_at_risk(weights, history=...)``.

        The metrics set writes it; at a close it ends with the session before. Standardised returns do not depend on
        the leverage; after a change of composition they include the returns of earlier compositions.

        Returns
        -------
        DataFrame, index sessions, columns ``returns`` and ``volatility``
            Daily return, and the *daily* volatility forecast at the close before; at most 1,260 rows.
        """
        past = self._run(context).past()
        known = past[past["volatility"] > 0]
        return known.assign(volatility=deannualize(known["volatility"], run_periods(context)))

    def read_history(self, context: Any, past: Callable[[], pd.DataFrame]) -> None:
        """Set the source of `history`, which returns *annual* volatilities; the metrics set calls it."""
        self._run(context).past = past

    def forecast_at(
        self,
        context: Any,
        session: pd.Timestamp,
        symbols: Iterable[str],
        *,
        horizon: int | None = None,
        view: str = "risk",
    ) -> CovarianceForecast:
        """Forecast at the close of a completed session, labelled with symbols; for callers without ``data``."""
        days = self.horizon if horizon is None else horizon
        return self._run(context).forecast(context, session, list(symbols), days, view)

    def arrays_at(
        self, context: Any, session: pd.Timestamp, assets: list[Any], *horizons: int
    ) -> list[CovarianceArrays] | list[None]:
        """Return the numbers of `forecast_at` by horizon, of every asset with one: for use at every close.

        None without assets, and if none of them has a forecast.
        """
        try:
            return self._run(context).arrays(context, session, assets, horizons) if assets else [None] * len(horizons)
        except InsufficientHistoryError:
            return [None] * len(horizons)

    def _bundle(self, algorithm: Any) -> _BundlePrices:
        assert self.bundle is not None
        prices = _BundlePrices(algorithm, self.bundle, self.market, self.environ)
        compare_training_data(self.model.volatility, algorithm.sim_params.start_session, prices._panel)
        return prices

    def _run(self, algorithm: Any) -> _Run:
        run = self._runs.get(algorithm)
        if run is None:
            _check_frequency(algorithm)
            accept_session_labels(algorithm.trading_calendar)
            prices = _PortalPrices(algorithm, self.market) if self.bundle is None else self._bundle(algorithm)
            run = self._runs[algorithm] = _Run(self.model, prices, self.horizon, _cache(self.environ))
            vars(algorithm).setdefault(ON_CONTEXT, []).append(self)
        return run


CACHE_BYTES = 512 * 2**20
"""Largest size of the volatilities of earlier runs that are cached under ``ZIPLINE_ROOT``."""

ON_CONTEXT = "_volplugin_providers"
"""Attribute of ``context`` that lists its providers; stored there, it survives a reload of this module."""


def providers_of(algorithm: Any) -> list[RiskProvider]:
    """Return the providers of a running strategy, in the order in which it made or first used them."""
    found: list[RiskProvider] = vars(algorithm).get(ON_CONTEXT, [])
    return found


def provider_of(algorithm: Any) -> RiskProvider | None:
    """Return the first `RiskProvider` that a running strategy made or used, or None."""
    found = providers_of(algorithm)
    return found[0] if found else None


class _Run:
    """One provider within one simulation."""

    def __init__(
        self, model: RiskModel, prices: _BundlePrices | _PortalPrices, horizon: int, cache: ForecastCache
    ) -> None:
        self.targeting = TargetingState()
        self.past: Callable[[], pd.DataFrame] = lambda: pd.DataFrame(columns=["returns", "volatility"], dtype=float)
        self._lookback = model.lookback
        self._horizon = horizon
        self._prices = prices
        self._forecaster = model.backtest_forecaster(cache)

    def forecast(
        self, algorithm: Any, session: pd.Timestamp, symbols: list[str], horizon: int, view: str
    ) -> CovarianceForecast:
        """Forecast the covariance at a session's close."""
        # Forecast the whole universe, at no extra cost: correlations are estimated on all of it.
        panel = self._prices.panel(algorithm, session, symbols, self._lookback)
        self._precompute(session, horizon)
        everything = self._forecaster.forecast(panel, horizon, view)
        here = [symbol for symbol in symbols if symbol in everything.places]
        if symbols and not here:
            reason = everything.diagnostics["excluded"].get(symbols[0], "")
            raise InsufficientHistoryError(
                f"{symbols[0]} has no forecast at {session.date()}: {reason}; wait until it has"
            )
        return everything if here == list(everything.assets) else everything.select(here)

    def arrays(
        self, algorithm: Any, session: pd.Timestamp, assets: list[Any], horizons: Sequence[int]
    ) -> list[CovarianceArrays]:
        """Return the forecasts at a session's close as arrays."""
        found = self._forecaster.arrays_of(session, horizons, "risk")
        if None in found:
            self._precompute(session, *horizons)
            found = self._forecaster.arrays_of(session, horizons, "risk")
        return [
            arrays or self._alone(algorithm, session, assets, horizon)
            for arrays, horizon in zip(found, horizons, strict=True)
        ]

    def _alone(self, algorithm: Any, session: pd.Timestamp, assets: list[Any], horizon: int) -> CovarianceArrays:
        """Return the numbers of a forecast that is not precomputed."""
        forecast = self.forecast(algorithm, session, [asset.symbol for asset in assets], horizon, "risk")
        sigma = forecast.volatility.to_numpy()
        return CovarianceArrays(forecast.assets, sigma, sigma, forecast.correlation.to_numpy())

    def _precompute(self, session: pd.Timestamp, *horizons: int) -> None:
        """Compute the volatilities of all sessions of a vintage at once, many times faster than one by one.

        Each row uses only data up to its own date, as in `VolatilityForecaster.predict_path`.
        """
        panel = self._prices.whole_run(session, self._lookback)
        if panel is not None:
            self._forecaster.precompute_vintage(panel, session, self._horizon, *horizons)


class _BundlePrices:
    """Raw bars of an ingested bundle, read once per run, adjusted exactly and gated by session.

    The algorithm is an argument of each method, because a reference to it would keep it in memory.
    """

    def __init__(self, algorithm: Any, bundle: str, market: str | list[str] | None, environ: Environ | None) -> None:
        # Anchored at the first session, an earlier row holds no trace of a later split or dividend.
        panel = read_bundle(bundle, environ=environ)
        _check_end(algorithm, panel.last_session, f"bundle {bundle!r}")
        _check_sessions(algorithm, panel, bundle)
        strangers = [asset.symbol for asset in _equities(algorithm) if asset.symbol not in panel.assets]
        if strangers:
            raise BundleError(
                f"the run has {strangers[0]}, which bundle {bundle!r} lacks: the risk model would read "
                "another bundle than the run; name one in both (`-x volplugin.bundle=NAME` and `-b NAME`)"
            )
        for derived in ("returns", "variance"):  # a panel that is cut from this one copies its rows
            getattr(panel, derived)
        panel = with_named_market(panel, market, environ)
        self._panel = panel.asof(algorithm.sim_params.end_session)
        self._begin = algorithm.sim_params.start_session
        self._is_cut = False

    def panel(self, algorithm: Any, session: pd.Timestamp, symbols: list[str], count: int) -> PricePanel:
        _check_assets(self._panel.assets, symbols)
        return self.whole_run(session, count).asof(session)  # the model takes the last `count` sessions itself

    def whole_run(self, session: pd.Timestamp, count: int) -> PricePanel:
        """Return the bars of the whole run; the first call drops those before the past of the first forecast."""
        if not self._is_cut:
            run = int((self._panel.sessions >= min(self._begin, session)).sum())
            self._panel, self._is_cut = self._panel.tail(run + count), True
        return self._panel


class _PortalPrices:
    """Bars of the run's own bundle as ``data.history`` returns them, rounded to three decimals."""

    def __init__(self, algorithm: Any, market: str | list[str] | None) -> None:
        market = market.split(",") if isinstance(market, str) else market
        equities = _equities(algorithm)
        _check_end(algorithm, max(asset.end_date for asset in equities), "the run's bundle")
        self._assets = {asset.symbol: asset for asset in equities}
        _check_assets(self._assets, market or ())
        self._market = market
        self._last: tuple[pd.Timestamp, list[str], PricePanel] | None = None

    def panel(self, algorithm: Any, session: pd.Timestamp, symbols: list[str], count: int) -> PricePanel:
        """Return the bars through a session, read once per close."""
        _check_assets(self._assets, symbols)
        names = list(self._assets) if self._market is None else list(dict.fromkeys([*self._market, *symbols]))
        # Read once per close: the strategy and the metrics set need the same bars, and data.history takes longest.
        if self._last is None or self._last[:2] != (session, names):
            panel = portal_panel(algorithm, session, [self._assets[name] for name in names], count)
            panel = panel if self._market is None else panel.with_market(panel.select(self._market))
            self._last = session, names, panel
        return self._last[2]

    def whole_run(self, session: pd.Timestamp, count: int) -> PricePanel | None:
        return None  # adjusted as of each session: there is no one panel of the whole run


_USES_CACHE = ContextVar("uses_cache", default=True)


@contextmanager
def without_forecast_cache() -> Iterator[None]:
    """Make the runs inside the block compute every forecast: an audit records the data that forecasts depend on."""
    token = _USES_CACHE.set(False)
    try:
        yield
    finally:
        _USES_CACHE.reset(token)


def _cache(environ: Environ | None) -> ForecastCache:
    """Return the folder with the volatilities of earlier runs on the same prices."""
    if not _USES_CACHE.get():
        return ForecastCache()
    return ForecastCache(zipline_path(["volplugin", "forecasts"], environ=environ), limit=CACHE_BYTES)


def _equities(algorithm: Any) -> list[Any]:
    finder = algorithm.asset_finder
    return list(finder.retrieve_all(finder.equities_sids))


def _check_assets(assets: Collection[str], symbols: Iterable[str]) -> None:
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


def _check_sessions(algorithm: Any, panel: PricePanel, bundle: str) -> None:
    run = algorithm.sim_params.sessions
    own = panel.sessions[panel.sessions.slice_indexer(run[0], run[-1])]
    odd = run.symmetric_difference(own)
    if len(odd):
        raise BundleError(
            f"the run follows calendar {algorithm.trading_calendar.name}, bundle {bundle!r} follows "
            f"{panel.calendar}: {odd[0].date()} is in one alone; run it with --trading-calendar {panel.calendar} "
            f"(trading_calendar=get_calendar({panel.calendar!r}))"
        )


def _check_end(algorithm: Any, last: pd.Timestamp, what: str) -> None:
    end = algorithm.sim_params.end_session
    if end > last:
        raise BundleRangeError(
            f"the run ends on {end.date()}, after the last session of {what}, {last.date()}; "
            "end the run there, or ingest newer data"
        )
