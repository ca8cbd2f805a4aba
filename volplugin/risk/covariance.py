"""The forecast covariance of a set of assets, as a frozen value."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from volplugin.correlation.repair import average, is_positive_definite
from volplugin.data.checks import as_floats, as_moment
from volplugin.display import bars, card
from volplugin.errors import (
    AssetMismatchError,
    MissingForecastError,
    ParameterError,
    VolpluginError,
    WeightsError,
    require_type,
)
from volplugin.risk.attribution import factor_loadings, shapley_parts
from volplugin.risk.diagnostics import ForecastDiagnostics
from volplugin.risk.diversification import bet_shares, diversification_ratio, effective_number
from volplugin.risk.tail_risk import (
    STUDENT_DOF,
    TailMethod,
    loss_quantile,
    loss_shortfall,
    realized_quantiles,
    standardized_history,
    tail_method,
)
from volplugin.risk.uncertainty import ForecastUncertainty, VolatilityInterval, central_tails, volatility_interval
from volplugin.units import TRADING_DAYS, annualize, is_number
from volplugin.volatility.base import check_horizon

EVENT_SHARE = 0.1
"""Share of an asset's variance that makes it one with an expected event."""

SHOWN = 10
"""Assets in the picture of a forecast."""

Weights: TypeAlias = pd.Series | Mapping[Any, float]
Groups: TypeAlias = pd.Series | Mapping[Any, Any]


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
        if not isinstance(self.asof, pd.Timestamp):
            object.__setattr__(self, "asof", as_moment(self.asof))
        check_horizon(self.horizon)
        for name, kind in (("volatility", pd.Series), ("correlation", pd.DataFrame), ("diagnostics", Mapping)):
            table = require_type(getattr(self, name), kind, name)
            if isinstance(table, pd.Series | pd.DataFrame) and table.to_numpy().dtype != np.float64:
                object.__setattr__(self, name, as_floats(table, name, ParameterError))
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

    def __repr__(self) -> str:
        return f"CovarianceForecast(asof={self.asof.date()}, horizon={self.horizon}, {len(self.assets)} assets)"

    def _repr_html_(self) -> str:
        """Show a table of the forecast, and the largest volatilities, in a notebook."""
        yearly = annualize(self.volatility, self.periods_per_year).sort_values(ascending=False)
        rho = self._parts[1]
        model = self.diagnostics.get("model", {})
        rows = {
            "as of": str(self.asof.date()),
            "covers": f"the next {self.horizon} sessions",
            "assets": str(len(self.assets)),
            "volatility": f"{yearly.min():.1%} to {yearly.max():.1%} a year, median {yearly.median():.1%}",
            "mean correlation": f"{average(rho):.2f}" if len(rho) > 1 else "-",
            "expected events": ", ".join(map(str, self.events)) or "none",
            **{str(name).replace("_", " "): str(value) for name, value in model.items()},
        }
        top = {str(asset): value for asset, value in yearly[:SHOWN].items()}
        texts = {asset: f"{value:.1%}" for asset, value in top.items()}
        title = f"Largest volatilities, {len(top)} of {len(yearly)}"
        return card("Covariance forecast", rows, bars(title, {asset: [value] for asset, value in top.items()}, texts))

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

        `realized_interval` is the interval of the volatility that will be realised. A forecast made by hand has no
        such errors: its interval is a point.

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
        w = self.align(weights)
        self._variance(w)  # refuses weights beyond all numbers
        interval = volatility_interval(known, self.assets, w, *self._parts, level)
        unit = 1.0 if periods is None else annualize(1.0, periods)
        bounds = {name: unit * getattr(interval, name) for name in ("lower", "upper", "volatility")}
        return replace(interval, **bounds)

    def realized_interval(
        self, weights: Weights, history: pd.DataFrame, level: float = 0.90, periods: float | None = None
    ) -> tuple[float, float]:
        """Bounds of the root mean square return of the `horizon` sessions after `asof`.

        `portfolio_volatility` times quantiles of the past: root mean square returns of as many sessions, over the
        volatility forecast for the first of them; wider where the past has few windows that do not overlap.

        Parameters
        ----------
        weights, periods
            As in `portfolio_volatility`.
        history
            As in `value_at_risk`, 500 sessions or more.
        level : float, default 0.90
            Probability of the interval; `docs/evaluation.md` prints how often it holds.

        Raises
        ------
        InsufficientHistoryError, LookAheadError, MissingForecastError, ParameterError
            As in `value_at_risk`.
        """
        factors = realized_quantiles(history, self.asof, self.horizon, central_tails(level))
        lower, upper = self.portfolio_volatility(weights, periods) * factors
        return float(lower), float(upper)

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

    def risk_contributions(
        self, weights: Weights, periods: float | None = None, *, groups: Groups | None = None
    ) -> pd.Series:
        """Component risk ``w * (Sigma w) / sigma_p`` by asset or by group; sums to the portfolio volatility (Euler).

        Parameters
        ----------
        weights : Series or mapping of asset to weight
        periods : float, optional
            Sessions a year to annualise by.
        groups : Series or mapping of asset to group, optional
            Sums the contributions of each group's assets; the index is then the group, of assets with a weight.

        Raises
        ------
        AssetMismatchError
            If an asset with a nonzero weight has no group.
        """
        w = self.align(weights)
        values = self.marginal_contributions(weights).to_numpy() * w
        values = values if periods is None else annualize(values, periods)
        found = pd.Series(values, index=self.assets, name="risk_contribution")
        if groups is not None:
            found = found[w != 0]
            found = found.groupby(self._groups_of(found.index, groups), sort=False).sum()
        return found

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

    def beta(self, weights: Weights, market: Weights | None = None) -> float:
        """Beta of a portfolio to a market portfolio, ``w' Sigma m / m' Sigma m``.

        Parameters
        ----------
        weights : Series or mapping of asset to weight
        market : Series or mapping of asset to weight, optional
            Default equal weights of all assets of the forecast.

        Raises
        ------
        VolpluginError
            For a market without risk.
        """
        return float(self.align(weights) @ self.betas(self._market(market)).to_numpy())

    def average_correlation(self, weights: Weights) -> float:
        """Mean correlation of the pairs of assets with a nonzero weight; NaN for fewer than two."""
        held = self.align(weights) != 0
        rho = self._parts[1][np.ix_(held, held)]
        return average(rho) if len(rho) > 1 else float("nan")

    def factor_loadings(self, components: int = 2, market: Weights | None = None) -> pd.DataFrame:
        """Exposure of each asset to statistical factors: the market, and principal components of the rest.

        Sigma is ``L L'`` plus the specific covariance, where L are the loadings: factors are uncorrelated and have a
        daily variance of one, so a loading is the return of the asset for a factor move of one standard deviation.

        Parameters
        ----------
        components : int, default 2
            Principal components of the correlation that the market leaves.
        market : Series or mapping of asset to weight, optional
            The market portfolio; default equal weights of all assets of the forecast.

        Returns
        -------
        DataFrame of shape (n_assets, 1 + components)
            Daily, columns ``market``, ``component 1`` and so on.

        Raises
        ------
        ParameterError
            For fewer components than none or more than assets.
        VolpluginError
            For a market without risk.
        """
        if not 0 <= components < len(self.assets):
            raise ParameterError(f"components is {components}; pass 0 to {len(self.assets) - 1}")
        weights = self._market(market)
        if self._variance(self.align(weights)) <= 0:
            raise VolpluginError(f"the market portfolio has no risk at {self.asof.date()}; give it weights")
        columns = ["market", *(f"component {number + 1}" for number in range(components))]
        values = factor_loadings(*self._parts, self.align(weights), components)
        return pd.DataFrame(values, self.assets, columns)

    def factor_risk(
        self, weights: Weights, components: int = 2, market: Weights | None = None, periods: float | None = None
    ) -> pd.DataFrame:
        """Split a portfolio's volatility into statistical factors and a specific part.

        Parameters and errors as in `factor_loadings`.

        Returns
        -------
        DataFrame, index ``market``, ``component 1``, ..., ``specific``
            ``exposure`` (the portfolio's return for a factor move of one standard deviation; the volatility of the
            specific part), ``contribution`` (``exposure**2 / sigma_p``, sums to the portfolio volatility). Daily, or
            annual with ``periods=252``. ``share`` of the variance, sums to one (zero without risk).
        """
        w = self.align(weights)
        loadings = self.factor_loadings(components, market)
        exposure = loadings.to_numpy().T @ w
        variance = max(self._variance(w), 0.0)
        specific = np.sqrt(max(variance - exposure @ exposure, 0.0))
        exposure = np.append(exposure, specific)
        share = exposure**2 / variance if variance > 0 else 0 * exposure
        table = pd.DataFrame({"exposure": exposure, "contribution": share * np.sqrt(variance)})
        table = table if periods is None else annualize(table, periods)
        return table.assign(share=share).set_axis([*loadings, "specific"])

    def volatility_change(
        self,
        weights: Weights,
        before: CovarianceForecast,
        weights_before: Weights | None = None,
        periods: float | None = None,
    ) -> pd.Series:
        """Split the change of a portfolio's volatility between two forecasts by its causes.

        Each cause gets its Shapley value: the mean effect of changing it, over all orders in which the three may
        change. The parts add up to the change exactly.

        Parameters
        ----------
        weights : Series or mapping of asset to weight
            Weights now.
        before : CovarianceForecast
            The earlier forecast.
        weights_before : Series or mapping of asset to weight, optional
            Weights at the earlier forecast; default the same.
        periods : float, optional
            Sessions a year to annualise by.

        Returns
        -------
        Series, index ``volatilities``, ``correlations``, ``weights``

        Raises
        ------
        MissingForecastError
            If either forecast lacks an asset with a nonzero weight now or before.

        References
        ----------
        Shorrocks (2013), Decomposition Procedures for Distributional Analysis, Journal of Economic Inequality 11.
        """
        now, then = (as_weights(w) for w in (weights, weights if weights_before is None else weights_before))
        held = now[now != 0].index.union(then[then != 0].index, sort=False)
        causes = [
            (sigma, rho, w.reindex(held, fill_value=0.0).to_numpy())
            for (sigma, rho), w in ((one.select(held)._parts, w) for one, w in ((before, then), (self, now)))
        ]
        parts = shapley_parts(_volatility, *causes)
        change = pd.Series(parts, ["volatilities", "correlations", "weights"], name="change")
        return change if periods is None else annualize(change, periods)

    def trim_effects(self, weights: Weights, size: float = 0.01, periods: float | None = None) -> pd.Series:
        """Change of the portfolio's volatility if one position alone is reduced towards zero, by asset.

        Parameters
        ----------
        weights : Series or mapping of asset to weight
        size : float, default 0.01
            Reduction, as a fraction of the portfolio's value; a smaller position is closed. The rest becomes cash.
        periods : float, optional
            Sessions a year to annualise by.

        Raises
        ------
        ParameterError
            If `size` is not positive.
        """
        if not is_number(size) or not size > 0:
            raise ParameterError(f"size is {size}; pass a positive fraction of the portfolio's value, such as 0.01")
        w = self.align(weights)
        sold = np.clip(w, -size, size)
        variance, sigma = self._variance(w), self._parts[0]
        after = np.maximum(variance - 2 * sold * self._exposure(w) + (sold * sigma) ** 2, 0.0)
        change = pd.Series(np.sqrt(after) - np.sqrt(max(variance, 0.0)), self.assets, name="trim_effect")
        return change if periods is None else annualize(change, periods)

    def tracking_error(self, weights: Weights, benchmark: Weights, periods: float | None = None) -> float:
        """Volatility of the difference of two portfolios' returns: daily, or annual with ``periods=252``."""
        active = pd.Series(self.align(weights) - self.align(benchmark), index=self.assets)
        return self.portfolio_volatility(active, periods)

    def diversification_ratio(self, weights: Weights) -> float:
        """Sum of the risks of the single positions over the risk of the portfolio; NaN without risk.

        One for a single position, and the square root of n for n equal and uncorrelated ones (Choueifaty and
        Coignard 2008).
        """
        return diversification_ratio(_relative(self.align(weights)), *self._parts)

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
        return effective_number(bet_shares(_relative(self.align(weights)), *self._parts, bets))

    def align(self, weights: Weights) -> np.ndarray:
        """Weights as an array in the forecast's order, zero where none is given.

        Raises
        ------
        MissingForecastError
            If an asset with a nonzero weight has no forecast.
        AssetMismatchError
            If a weight is given twice or is not a finite number.
        """
        series = as_weights(weights)
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
                if isinstance(series.index, pd.RangeIndex):
                    raise AssetMismatchError("the weights have no labels; pass a Series or a dict of asset to weight")
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
        names = pd.Index(list(require_type(assets, Iterable, "assets")))
        missing = [name for name in names if not isinstance(name, Hashable) or name not in self.assets]
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
        require_type(labels, pd.Series if isinstance(labels, pd.Series) else Mapping, "labels")
        names = pd.Index([labels.get(name, name) for name in self.assets])
        if names.has_duplicates:
            raise AssetMismatchError(f"{names[names.duplicated()][0]} is there twice; name each asset once")
        return self._of_the_same(*self._parts, names)

    def _of_the_same(self, volatility: np.ndarray, correlation: np.ndarray, names: pd.Index) -> CovarianceForecast:
        """Build a forecast from numbers that are valid already, and that no other object can change."""
        forecast = object.__new__(CovarianceForecast)
        forecast._keep(volatility, correlation, names)
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

    def _market(self, market: Weights | None) -> Weights:
        return pd.Series(1 / len(self.assets), self.assets) if market is None else market

    def _groups_of(self, assets: pd.Index, groups: Groups) -> list[Any]:
        given = pd.Series(
            require_type(groups, pd.Series if isinstance(groups, pd.Series) else Mapping, "groups"), dtype=object
        )
        if given.index.has_duplicates:
            raise AssetMismatchError(f"{given.index[given.index.duplicated()][0]} has two groups; give it one")
        named = given.reindex(assets)
        if named.isna().any():
            raise AssetMismatchError(f"{assets[named.isna()][0]} has a weight but no group; add it to the groups")
        return list(named)

    def _why(self, name: Any) -> str:
        reason = self.diagnostics.get("excluded", {}).get(name) if isinstance(name, Hashable) else None
        return f" ({reason})" if reason else ""

    def _exposure(self, w: np.ndarray) -> np.ndarray:
        sigma, rho = self._parts
        return sigma * (rho @ (sigma * w))

    def _variance(self, w: np.ndarray) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            variance = float(w @ self._exposure(w))
        if not np.isfinite(variance):
            raise AssetMismatchError(
                f"weights of {np.abs(w).max():g} are too large; pass fractions of the portfolio's value"
            )
        return variance


def _relative(w: np.ndarray) -> np.ndarray:
    """Weights in units of the largest, for measures that do not depend on the scale."""
    largest = np.abs(w).max(initial=0.0)
    return w / largest if largest > 0 else w


def _volatility(sigma: np.ndarray, rho: np.ndarray, weights: np.ndarray) -> float:
    exposure = weights * sigma
    return float(np.sqrt(max(exposure @ rho @ exposure, 0.0)))


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


def as_weights(weights: Weights) -> pd.Series:
    """Return weights as floats by asset; text, booleans and complex numbers are no weights."""
    if isinstance(weights, pd.Series) and weights.dtype == np.float64:
        return weights
    if not (isinstance(weights, pd.Series) and weights.dtype.kind in "iuf"):
        if not isinstance(weights, Mapping | pd.Series):
            raise WeightsError(f"the weights are a {type(weights).__name__}; pass a Series or a dict by asset")
        odd = [name for name, weight in weights.items() if not is_number(weight)]
        if odd:
            shown = " ".join(repr(weights[odd[0]]).split())[:40]
            raise WeightsError(f"the weight of {odd[0]} is {shown}, which is not a number; pass floats")
    return pd.Series(weights, dtype=float)
