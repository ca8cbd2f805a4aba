"""A correction by implied volatility, used as a gap to the model's own forecast, relative to the gaps of the past year.

The level of implied volatility does not enter: the variance risk premium drifts.
"""

from __future__ import annotations

from copy import copy
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from volplugin.data.checks import as_moment
from volplugin.data.panel import PricePanel
from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.risk.adjustments.base import AdjustedForecast, CovarianceAdjustment
from volplugin.risk.adjustments.forecast_history import PastForecasts
from volplugin.risk.covariance_path import CovarianceArrays, variance_parts

REFERENCE_HORIZON = 21
"""Horizon, in sessions, of the forecast that implied volatility is compared with: VIX covers a month."""

HORIZONS = (1, 5, 21)
"""Horizons with an exponent of their own; log factors of other horizons are interpolated."""

GAP_SESSIONS, MINIMUM_GAPS = 252, 120
"""Sessions of the usual gap, its median, and least number of them."""

MAX_AGE = 3
"""Sessions after which a value of the series is too old to use."""

MINIMUM_ORIGINS = 1000
"""Least number of past forecasts with an outcome that the exponents are learned from."""

RIDGE = 50.0
"""Penalty on the squared exponent, in sessions."""

MAX_TO_ONES, MAX_TO_IDENTITY = 0.7, 0.9
"""Largest move of the correlations towards all ones, and towards the identity."""

OUTCOME_FLOOR = 1e-7
"""Smallest realised daily variance, as in the QLIKE of the evaluation."""


class CovarianceModel(Protocol):
    """The part of a `RiskModel` that the exponents are learned from."""

    volatility: Any
    calibration: Any

    def backtest_forecaster(self) -> Any:
        """Return a forecaster over increasing sessions."""


class ImpliedVolatilityAnchor(CovarianceAdjustment):
    """Moves the risk of the whole market where implied volatility is unusually far from the forecast.

    With ``g_t = ln iv_t^2 - ln f_t``, where f is the 21-session variance forecast of the equal-weight portfolio of the
    reference universe, the gap is ``g_t`` minus the median of the last 252. The factor on the portfolio's variance is
    ``k = exp(theta z)``, with z the standardized gap, clipped to its range in training. Half of it multiplies the
    variances of all assets, ``sigma^2 sqrt(k)``; the other half moves the correlations towards all ones, or towards
    the identity, until the portfolio's variance has changed by ``k``.

    Only the view "risk" is adjusted: it does not help to hold a volatility target.

    Parameters
    ----------
    series : Series
        Implied volatility of the market by date, such as the closes of VIX; in any unit, since only its changes enter.
        A session uses the newest value of its own date or before.
    lag : int, default 0
        Values by which the series is delayed. VIX closes at 16:15 New York time, a quarter of an hour after the
        stocks: 1 uses the close of the day before.
    theta : float, optional
        Exponent of the gap itself, the same for all horizons and dates; if None, `fit` learns one for each horizon and
        year.

    Attributes
    ----------
    learned_ : DataFrame, index (through, horizon), columns theta, mean, scale, low, high
        What `fit` learned through each year's end; used from the next session on.
    forecast_ : Series
        Daily variance of the reference portfolio over 21 sessions, forecast at each session by the vintage of its date.
    market_ : Index
        Assets of the reference portfolio.

    Raises
    ------
    ParameterError
        For a series without increasing dates and positive values, or a negative lag.

    Examples
    --------
    >>> import pandas as pd
    >>> from volplugin import EWMACorrelation, ImpliedVolatilityAnchor, RiskModel, RollingVolatility, simulated_panel
    >>> panel = simulated_panel(5, "2015-01-02", "2016-12-30")
    >>> vix = pd.Series(20.0, panel.sessions)
    >>> vix.iloc[-1] = 30.0
    >>> anchor = ImpliedVolatilityAnchor(vix, theta=0.5)
    >>> model = RiskModel(RollingVolatility(60), EWMACorrelation(halflife=42), calibration=[anchor])
    >>> model.forecast(panel).diagnostics["calibration"]["ImpliedVolatilityAnchor"]["factor"] > 1
    True
    """

    def __init__(self, series: pd.Series, lag: int = 0, theta: float | None = None) -> None:
        self.series = series
        self.lag = lag
        self.theta = theta

    @property
    def lookback(self) -> int:
        """Sessions up to `asof` whose forecasts it depends on."""
        return GAP_SESSIONS

    @property
    def correlates(self) -> bool:
        """True: it needs past correlations as well as past volatilities."""
        return True

    @property
    def horizons(self) -> tuple[int, ...]:
        """Horizons whose past forecasts it needs besides the requested one."""
        return (REFERENCE_HORIZON,)

    def fit(self, model: CovarianceModel, panel: PricePanel) -> Self:
        """Learn the exponents at each year's end, from the model's forecasts up to it and their outcomes.

        Parameters
        ----------
        model : RiskModel
            Fitted, or with a walk-forward. Its own adjustments are left out.
        panel : PricePanel
            Prices; the reference portfolio holds the assets of its market.

        Raises
        ------
        InsufficientHistoryError
            If no year ends after `MINIMUM_ORIGINS` forecasts.
        """
        market = panel.market
        forecast = _portfolio_variances(model, market)
        self.forecast_, self.market_ = forecast[REFERENCE_HORIZON], market.assets
        gap = self._gaps(self.forecast_)
        squared = np.expm1(market.returns).mean(axis=1) ** 2
        year = pd.Series(market.sessions.year, market.sessions)
        rows = {}
        for through in year.index[(year.diff(-1) < 0).to_numpy()]:
            for horizon in HORIZONS:
                outcome = squared.loc[:through].rolling(horizon).mean().shift(-horizon).clip(lower=OUTCOME_FLOOR)
                ratio = (outcome / forecast[horizon]).loc[:through]
                usable = ratio.notna() & gap.notna().reindex(ratio.index, fill_value=False)
                if usable.sum() >= MINIMUM_ORIGINS:
                    rows[through, horizon] = _learned(ratio[usable].to_numpy(), gap[ratio.index[usable]].to_numpy())
        if not rows:
            raise InsufficientHistoryError(
                f"{panel!r}: no year ends after {MINIMUM_ORIGINS} forecasts with a gap and an outcome; "
                "pass more years of prices and of the series, or theta="
            )
        columns = ["theta", "mean", "scale", "low", "high"]
        self.learned_ = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
        self.learned_.index = pd.MultiIndex.from_tuples(rows, names=["through", "horizon"])
        return self

    def apply(self, draft: AdjustedForecast, past: PastForecasts) -> AdjustedForecast:
        """Return the draft with volatilities and correlations moved; unchanged, with the reason, where impossible."""
        if draft.view != "risk":
            return draft.adjusted(self, {"factor": 1.0})
        gap, problem = self._gap(past)
        factor = self._factor(gap, past.returns.index[-1], past.horizon) if not problem else 1.0
        if np.isnan(factor):
            factor, problem = 1.0, "nothing learned yet at this date; the forecast is not adjusted"
        if problem:
            return draft.adjusted(self, {"factor": factor, "fallback": problem})
        places = draft.volatility.index.get_indexer(past.market)
        sigma = draft.volatility.to_numpy() * factor**0.25
        moved = _move_correlation(draft.correlation.to_numpy(), sigma, places[places >= 0], factor**0.5)
        volatility = pd.Series(sigma, draft.volatility.index, name=draft.volatility.name)
        correlation = pd.DataFrame(moved, draft.correlation.index, draft.correlation.columns)
        return draft.adjusted(self, {"factor": factor, "gap": gap}, volatility=volatility, correlation=correlation)

    def _gap(self, past: PastForecasts) -> tuple[float, str]:
        """Return the gap at the last session, or the reason why there is none."""
        variance = self._variance(past.over(REFERENCE_HORIZON))
        gap = self._gaps(variance).iloc[-1]
        if np.isfinite(gap):
            return float(gap), ""
        session = variance.index[-1].date()
        if np.isnan(self._values(variance.index)[-1]):
            return gap, f"no implied volatility at most {MAX_AGE} sessions old at {session}; not adjusted"
        return gap, f"fewer than {MINIMUM_GAPS} sessions of the past year with a gap at {session}; not adjusted"

    def _variance(self, past: PastForecasts) -> pd.Series:
        """Forecasts of the last sessions: as `fit` made them where it did, else by the current vintage."""
        sessions = past.volatility.index[-GAP_SESSIONS:]
        made = pd.Series(np.nan, sessions)
        if hasattr(self, "forecast_") and self.market_.equals(past.market):
            made = self.forecast_.reindex(sessions)
        made.iloc[-1] = np.nan
        rows = len(made) - int(made.notna().to_numpy().nonzero()[0].max(initial=-1)) - 1
        return made.fillna(past.portfolios.of(past, rows).astype(float) ** 2)

    def _gaps(self, variance: pd.Series) -> pd.Series:
        gap = pd.Series(2 * np.log(self._values(variance.index)), variance.index) - np.log(variance)
        return gap - gap.rolling(GAP_SESSIONS, min_periods=MINIMUM_GAPS).median()

    def _values(self, sessions: pd.DatetimeIndex) -> np.ndarray:
        """Newest value at each session, by the series' own dates; NaN where there is none or it is too old."""
        series = _checked(self.series, self.lag)
        newest = series.index.searchsorted(sessions, side="right") - 1
        age = np.arange(len(sessions)) - sessions.searchsorted(series.index[np.maximum(newest, 0)])
        usable = (newest >= self.lag) & (age <= MAX_AGE)
        return np.where(usable, series.to_numpy(dtype=float)[np.maximum(newest - self.lag, 0)], np.nan)

    def _factor(self, gap: float, session: pd.Timestamp, horizon: int) -> float:
        """Factor of the portfolio's variance; NaN before anything was learned."""
        if self.theta is not None:
            return float(np.exp(self.theta * gap))
        table: pd.DataFrame | None = getattr(self, "learned_", None)
        known = [] if table is None else [date for date in table.index.unique("through") if date < session]
        if table is None or not known:
            return float("nan")
        rows = table.loc[max(known)]
        logs = rows["theta"] * (gap - rows["mean"]).clip(rows["low"], rows["high"]) / rows["scale"]
        return float(np.exp(np.interp(horizon, logs.index, logs)))


def _portfolio_variances(model: CovarianceModel, panel: PricePanel) -> pd.DataFrame:
    """Forecast the equal-weight portfolio of a panel at every session that has a vintage, without adjustments.

    Returns
    -------
    DataFrame of shape (n_sessions, n_horizons)
        Daily variance.
    """
    plain = copy(model)
    plain.calibration = None
    ahead, rows = plain.backtest_forecaster(), {}
    first = min(plain.volatility.vintage_dates(), default=panel.sessions[0])
    for _, sessions in plain.volatility.iter_vintages(panel, first, panel.last_session):
        ahead.precompute(panel, sessions[0], sessions[-1], *HORIZONS)
        for session in sessions:
            found = ahead.arrays_of(session, HORIZONS, "risk")
            rows[session] = [np.nan if one is None else _equal_weight(one) for one in found]
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(HORIZONS)).reindex(panel.sessions)


def _equal_weight(forecast: CovarianceArrays) -> float:
    count = len(forecast.volatility)
    return float(variance_parts([forecast], np.full((1, count), 1 / count)).sum())


def _checked(series: pd.Series, lag: int) -> pd.Series:
    """Return the series without missing values."""
    if not (isinstance(series, pd.Series) and isinstance(series.index, pd.DatetimeIndex) and series.index.tz is None):
        raise ParameterError(f"series is a {type(series).__name__}; pass a Series by date, without a timezone")
    if not (isinstance(lag, int | np.integer) and lag >= 0):
        raise ParameterError(f"lag is {lag!r}; pass 0 or a positive whole number")
    known = series.dropna()
    if not (len(known) and known.index.is_monotonic_increasing and known.index.is_unique):
        raise ParameterError("the dates of the implied volatility do not increase; sort them, each once")
    values = known.to_numpy(dtype=float)
    bad = known.index[~(np.isfinite(values) & (values > 0))]
    if len(bad):
        day = as_moment(bad[0]).date()
        raise ParameterError(f"implied volatility at {day} is not positive and finite; leave the date out")
    return known


def _learned(ratio: np.ndarray, gap: np.ndarray) -> tuple[float, float, float, float, float]:
    """Exponent of the standardized gap, its mean and scale, and its range around the mean.

    Minimises QLIKE with f exp(a + theta z); the intercept a is discarded.
    """
    mean, scale = float(gap.mean()), float(gap.std(ddof=1))
    z = (gap - mean) / scale

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        scaled = ratio * np.exp(-point[0] - point[1] * z)
        slope = 1 - scaled
        gradient = np.array([slope.sum(), slope @ z + 2 * RIDGE * point[1]])
        return float((scaled - np.log(scaled)).sum() + RIDGE * point[1] ** 2), gradient

    theta = float(minimize(loss, np.zeros(2), jac=True, method="BFGS").x[1])
    return theta, mean, scale, float(gap.min() - mean), float(gap.max() - mean)


def _move_correlation(rho: np.ndarray, sigma: np.ndarray, places: np.ndarray, factor: float) -> np.ndarray:
    """Mix a correlation matrix with ones or the identity, so that the equal-weight variance is multiplied.

    Parameters
    ----------
    rho : ndarray of shape (n_assets, n_assets)
    sigma : ndarray of shape (n_assets,)
    places : ndarray of int
        Assets of the equal-weight portfolio.
    factor : float
        Wanted ratio of the portfolio's variance after and before.
    """
    held = sigma[places]
    variance = float(held @ rho[np.ix_(places, places)] @ held)
    limit, most = (held.sum() ** 2, MAX_TO_ONES) if factor > 1 else (held @ held, MAX_TO_IDENTITY)
    if len(held) < 2 or limit == variance:
        return rho
    share = float(np.clip(variance * (factor - 1) / (limit - variance), 0.0, most))
    return (1 - share) * rho + share * (1.0 if factor > 1 else np.eye(len(rho)))
