"""The forecast covariance of a set of assets, as a frozen value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from volplugin.correlation.repair import is_positive_definite
from volplugin.errors import AssetMismatchError, MissingForecastError, VolpluginError
from volplugin.risk.diversification import bet_shares, diversification_ratio, effective_number
from volplugin.risk.tail_risk import (
    STUDENT_DOF,
    TailMethod,
    loss_quantile,
    loss_shortfall,
    standardized_history,
    tail_method,
)
from volplugin.risk.uncertainty import ForecastUncertainty, VolatilityInterval, volatility_interval
from volplugin.units import TRADING_DAYS, annualize


@dataclass(frozen=True)
class Deferred:
    """A value that is computed when it is first read."""

    find: Callable[[], Any]


class ForecastDiagnostics(Mapping[str, Any]):
    """An immutable mapping whose `Deferred` values are computed when they are first read.

    Copies and pickles contain the computed values.
    """

    def __init__(self, known: Mapping[str, Any]) -> None:
        self._known: dict[str, Any] = dict(known._known if isinstance(known, ForecastDiagnostics) else known)

    def __getitem__(self, name: str) -> Any:
        if isinstance(self._known[name], Deferred):
            self._known[name] = self._known[name].find()
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self) | dict(other)

    def __repr__(self) -> str:
        return repr(dict(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return ForecastDiagnostics, (dict(self),)


EVENT_SHARE = 0.1
"""Share of an asset's variance that makes it one with an expected event."""

Weights: TypeAlias = pd.Series | Mapping[Any, float]


@dataclass(frozen=True, eq=False)
class CovarianceForecast:
    """Forecast covariance Sigma = D rho D.

    Units: a volatility is a daily standard deviation in decimals; only `annualize` and ``periods=`` change that.
    Timing: `asof` is the last completed session used; the forecast covers the `horizon` sessions after it.

    Parameters
    ----------
    asof : Timestamp
        Last completed session used.
    horizon : int
        Sessions covered.
    volatility : Series of shape (n_assets,)
        Daily volatility by asset.
    correlation : DataFrame of shape (n_assets, n_assets)
        Positive semi-definite, with a diagonal of ones.
    diagnostics : mapping
        Condition number, repair, fallbacks, model vintage, data fingerprint; computed when read.

    Raises
    ------
    VolpluginError
        If a volatility is not positive and finite, or the correlation is not PSD with unit diagonal.

    Examples
    --------
    >>> import pandas as pd
    >>> from volplugin import CovarianceForecast
    >>> names = ["A", "B"]
    >>> rho = pd.DataFrame([[1.0, 0.5], [0.5, 1.0]], names, names)
    >>> forecast = CovarianceForecast(pd.Timestamp("2015-06-30"), 21, pd.Series([0.01, 0.02], names), rho)
    >>> round(forecast.portfolio_volatility({"A": 0.5, "B": 0.5}), 5)
    0.01323
    """

    asof: pd.Timestamp
    horizon: int
    volatility: pd.Series
    correlation: pd.DataFrame
    diagnostics: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = self.volatility.index
        if not all(labels.is_(names) or labels.equals(names) for labels in self.correlation.axes):
            raise AssetMismatchError("volatility and correlation are labelled differently; align them by asset")
        if names.has_duplicates:
            raise AssetMismatchError(f"{names[names.duplicated()][0]} is there twice; name each asset once")
        values = self.volatility.to_numpy(dtype=float, copy=True)
        bad = ~(np.isfinite(values) & (values > 0))
        if bad.any():
            raise VolpluginError(
                f"{names[bad][0]} at {self.asof.date()}: volatility {values[bad][0]} is not positive and finite"
            )
        rho = self.correlation.to_numpy(dtype=float, copy=True)
        _check_correlation(rho, self.asof)
        self._keep(values, rho, names)
        object.__setattr__(self, "diagnostics", ForecastDiagnostics(self.diagnostics))

    @property
    def assets(self) -> pd.Index:
        """Asset labels, in order."""
        return self.volatility.index

    @property
    def events(self) -> list[Any]:
        """Assets with a move of their own expected within the horizon, such as on earnings.

        At least `EVENT_SHARE` of their variance is event variance; ``diagnostics["event_variance"]`` has the share by
        asset.
        """
        shares = self.diagnostics.get("event_variance", {})
        return [asset for asset in self.assets if shares.get(asset, 0.0) >= EVENT_SHARE]

    @property
    def covariance(self) -> pd.DataFrame:
        """Daily covariance; its diagonal is the volatility squared."""
        sigma, rho = self._parts
        values = rho * np.outer(sigma, sigma)
        np.fill_diagonal(values, sigma**2)
        return pd.DataFrame(values, index=self.assets, columns=self.assets)

    @property
    def periods_per_year(self) -> int:
        """Sessions per year of the prices' calendar; 252 for a forecast without one."""
        return int(self.diagnostics.get("periods_per_year", TRADING_DAYS))

    def portfolio_volatility(self, weights: Weights, periods: float | None = None) -> float:
        """Return the volatility of a portfolio: daily, or annual with ``periods=252``.

        Parameters
        ----------
        weights : Series or mapping of asset to weight
            Fractions of the portfolio's value; assets not named have a weight of zero.
        periods : float, optional
            Sessions a year to annualise by.

        Raises
        ------
        MissingForecastError
            If an asset with a nonzero weight has no forecast.
        """
        volatility = float(np.sqrt(max(self._variance(self.align(weights)), 0.0)))
        return volatility if periods is None else annualize(volatility, periods)

    def volatility_interval(
        self, weights: Weights, level: float = 0.90, periods: float | None = None
    ) -> VolatilityInterval:
        """Interval of `portfolio_volatility` from seeds, vintages and the estimation error of the correlation.

        It is an interval of the forecast, not of the volatility that will be realised, which varies more
        (`docs/evaluation.md`). A forecast made by hand has no such errors: its interval is a point.

        Parameters
        ----------
        weights, periods
            As in `portfolio_volatility`.
        level : float, default 0.90
            Probability of the interval.

        Raises
        ------
        MissingForecastError
            If an asset with a nonzero weight has no forecast.
        ParameterError
            For a level outside 0 to 1.
        """
        known = self.diagnostics.get("uncertainty", ForecastUncertainty())
        interval = volatility_interval(known, self.assets, self.align(weights), *self._parts, level)
        unit = 1.0 if periods is None else annualize(1.0, periods)
        bounds = {name: unit * getattr(interval, name) for name in ("lower", "upper", "volatility")}
        return replace(interval, **bounds)

    def value_at_risk(
        self,
        weights: Weights,
        level: float = 0.99,
        *,
        horizon: int = 1,
        method: TailMethod | None = None,
        history: pd.DataFrame | None = None,
        dof: float = STUDENT_DOF,
    ) -> float:
        """Loss over `horizon` sessions that is exceeded with probability ``1 - level``: a positive decimal, not annual.

        Parameters
        ----------
        weights : Series or mapping of asset to weight
            Fractions of the portfolio's value.
        level : float, default 0.99
            Confidence between 0.5 and 1.
        horizon : int, default 1
            Sessions over which the loss is counted.
        method : {"gaussian", "student", "historical"}, optional
            If None, filtered historical simulation where `history` has 500 sessions or more, else Student-t.
        history : DataFrame, columns ``returns`` and ``volatility``, optional
            Daily returns of the same weights in past sessions and the daily volatility forecast for each; the last
            1,260 count.
        dof : float, default 6
            Degrees of freedom of Student-t.

        Raises
        ------
        MissingForecastError
            If an asset with a nonzero weight has no forecast.
        InsufficientHistoryError
            If ``method="historical"`` has fewer than 500 sessions of history.
        LookAheadError
            If the history goes beyond `asof`.
        ParameterError
            For a level outside 0.5 to 1 or an unknown method.
        """
        known = None if history is None else standardized_history(history, self.asof)
        law = method if method is not None else tail_method(known)
        quantile = loss_quantile(level, law, horizon=horizon, dof=dof, standardized=known)
        return self.portfolio_volatility(weights) * quantile

    def expected_shortfall(
        self,
        weights: Weights,
        level: float = 0.975,
        *,
        horizon: int = 1,
        method: TailMethod | None = None,
        history: pd.DataFrame | None = None,
        dof: float = STUDENT_DOF,
    ) -> float:
        """Mean loss beyond `value_at_risk` at the same level: a positive decimal over `horizon` sessions, not annual.

        Parameters and errors as in `value_at_risk`.
        """
        known = None if history is None else standardized_history(history, self.asof)
        law = method if method is not None else tail_method(known)
        shortfall = loss_shortfall(level, law, horizon=horizon, dof=dof, standardized=known)
        return self.portfolio_volatility(weights) * shortfall

    def marginal_contributions(self, weights: Weights) -> pd.Series:
        """Daily d sigma_p / d w by asset: ``Sigma w / sigma_p`` (zero for an empty portfolio)."""
        w = self.align(weights)
        total = np.sqrt(max(self._variance(w), 0.0))
        exposure = self._exposure(w)
        values = exposure / total if total > 0 else np.zeros_like(exposure)
        return pd.Series(values, index=self.assets, name="marginal_contribution")

    def risk_contributions(self, weights: Weights, periods: float | None = None) -> pd.Series:
        """Component risk ``w * (Sigma w) / sigma_p`` by asset; sums to the portfolio volatility (Euler)."""
        daily = self.marginal_contributions(weights) * self.align(weights)
        daily = daily.rename("risk_contribution")
        return daily if periods is None else annualize(daily, periods)

    def percent_contributions(self, weights: Weights) -> pd.Series:
        """Share of each asset in the portfolio's risk, in percent; sums to 100 (zero for a portfolio without risk)."""
        component = self.risk_contributions(weights)
        total = float(component.sum())
        share = 100 * component / total if total > 0 else 0 * component
        return share.rename("percent_contribution")

    def betas(self, weights: Weights) -> pd.Series:
        """Beta of each asset to a portfolio, ``Sigma w / sigma_p^2``.

        Raises
        ------
        VolpluginError
            For a portfolio without risk.
        """
        w = self.align(weights)
        variance = self._variance(w)
        if variance <= 0:
            raise VolpluginError(
                f"the portfolio has no risk at {self.asof.date()}, and nothing a beta to it; give it weights"
            )
        return pd.Series(self._exposure(w) / variance, index=self.assets, name="beta")

    def tracking_error(self, weights: Weights, benchmark: Weights, periods: float | None = None) -> float:
        """Volatility of the difference of two portfolios' returns: daily, or annual with ``periods=252``."""
        active = pd.Series(self.align(weights) - self.align(benchmark), index=self.assets)
        return self.portfolio_volatility(active, periods)

    def diversification_ratio(self, weights: Weights) -> float:
        """Sum of the risks of the single positions over the risk of the portfolio; NaN without risk.

        One for a single position, and the square root of n for n equal and uncorrelated ones (Choueifaty and
        Coignard 2008).
        """
        return diversification_ratio(self.align(weights), *self._parts)

    def effective_bets(self, weights: Weights, bets: str = "torsion") -> float:
        """Effective number of uncorrelated bets in a portfolio: the exponential of their entropy; NaN without risk.

        Parameters
        ----------
        weights : Series or mapping of asset to weight
        bets : {"torsion", "principal"}, default "torsion"
            Minimum-torsion bets, the uncorrelated portfolios nearest to the assets (Meucci, Santangelo and Deguest
            2015): n for n equal positions with equal correlations. Or principal components (Meucci 2009), of
            which a long-only portfolio of stocks holds little more than one, the market.

        Raises
        ------
        ParameterError
            For other bets.
        VolpluginError
            For torsions of a singular correlation.
        """
        return effective_number(bet_shares(self.align(weights), *self._parts, bets))

    def align(self, weights: Weights) -> np.ndarray:
        """Weights as an array in the forecast's order, zero where none is given.

        Raises
        ------
        MissingForecastError
            If an asset with a nonzero weight has no forecast.
        AssetMismatchError
            If a weight is given twice or is not a finite number.
        """
        series = pd.Series(weights, dtype=float)
        values = series.to_numpy()
        if not np.isfinite(values).all():
            raise AssetMismatchError(f"the weight of {series.index[~np.isfinite(values)][0]} is not a finite number")
        if series.index.is_(self.assets):
            return values.copy()
        if series.index.has_duplicates:
            raise AssetMismatchError(f"{series.index[series.index.duplicated()][0]} has two weights; give one an asset")
        aligned = np.zeros(len(self.assets))
        for name, weight in zip(series.index, values.tolist(), strict=True):
            if name in self.places:
                aligned[self.places[name]] = weight
            elif weight != 0:
                raise MissingForecastError(
                    f"{name} has weight {weight:g} but no forecast at {self.asof.date()}"
                    f"{self._why(name)}; drop it from the portfolio or forecast it too"
                )
        return aligned

    def select(self, assets: Any) -> CovarianceForecast:
        """Return the forecast of some of its assets.

        Raises
        ------
        MissingForecastError
            Naming an asset that has no forecast.
        """
        names = pd.Index(list(assets))
        missing = [name for name in names if name not in self.assets]
        if missing:
            raise MissingForecastError(
                f"{missing[0]} has no forecast at {self.asof.date()}{self._why(missing[0])}; leave it out"
            )
        if names.has_duplicates:
            raise AssetMismatchError(f"{names[names.duplicated()][0]} is there twice; name each asset once")
        place = self.assets.get_indexer(names)
        return self._of_the_same(
            self.volatility.to_numpy()[place], self.correlation.to_numpy()[np.ix_(place, place)], names
        )

    def relabel(self, labels: Mapping[Any, Any]) -> CovarianceForecast:
        """Return the same forecast under other asset labels (symbols to zipline assets, say)."""
        names = pd.Index([labels.get(name, name) for name in self.assets])
        if names.has_duplicates:
            raise AssetMismatchError(f"{names[names.duplicated()][0]} is there twice; name each asset once")
        return self._of_the_same(*self._parts, names)

    def _of_the_same(self, volatility: np.ndarray, correlation: np.ndarray, names: pd.Index) -> CovarianceForecast:
        """Build a forecast from numbers that are valid already."""
        forecast = object.__new__(CovarianceForecast)
        forecast._keep(volatility.copy(), correlation.copy(), names)
        for name in ("asof", "horizon", "diagnostics"):
            object.__setattr__(forecast, name, getattr(self, name))
        return forecast

    def _keep(self, volatility: np.ndarray, correlation: np.ndarray, names: pd.Index) -> None:
        """Store the arrays, which this object owns, as read-only."""
        volatility.flags.writeable = correlation.flags.writeable = False
        labelled = pd.DataFrame(correlation, index=names, columns=names, copy=False)
        object.__setattr__(self, "volatility", pd.Series(volatility, index=names, name="volatility", copy=False))
        object.__setattr__(self, "correlation", labelled)

    @cached_property
    def places(self) -> Mapping[Any, int]:
        """Position of each asset in the forecast's order."""
        return {asset: place for place, asset in enumerate(self.assets)}

    @property
    def _parts(self) -> tuple[np.ndarray, np.ndarray]:
        return self.volatility.to_numpy(), self.correlation.to_numpy()

    def _why(self, name: Any) -> str:
        reason = self.diagnostics.get("excluded", {}).get(name)
        return f" ({reason})" if reason else ""

    def _exposure(self, w: np.ndarray) -> np.ndarray:
        sigma, rho = self._parts
        return sigma * (rho @ (sigma * w))

    def _variance(self, w: np.ndarray) -> float:
        return float(w @ self._exposure(w))


def _check_correlation(rho: np.ndarray, asof: pd.Timestamp) -> None:
    where = f"at {asof.date()}: the correlation"
    if not np.isfinite(rho).all():
        raise VolpluginError(f"{where} has missing or infinite entries; repair it before building Sigma")
    if not (np.abs(np.diagonal(rho) - 1.0) <= 1e-9).all():
        raise VolpluginError(f"{where} has a diagonal other than one")
    if not (np.abs(rho - rho.T) <= 1e-9).all():
        raise VolpluginError(f"{where} is not symmetric")
    if is_positive_definite(rho + 1e-9 * len(rho) * np.eye(len(rho))):
        return
    smallest = float(np.linalg.eigvalsh(rho)[0])
    if smallest < -1e-9 * len(rho):
        raise VolpluginError(f"{where} is not positive semi-definite (smallest eigenvalue {smallest:.2e})")
