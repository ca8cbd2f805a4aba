"""Portfolios from a forecast covariance: equal weight, inverse volatility, minimum variance, risk parity.

Each function returns fully invested weights by asset, in the forecast's order; scale them with `VolatilityTarget`.
The last two are meant for a forecast of the view "structure". `volplugin.portfolio.solvers` solves them on arrays.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from volplugin.data.suspects import is_doubtful
from volplugin.errors import AllocationError, AssetMismatchError, ParameterError, require_type
from volplugin.portfolio.solvers import SINGULAR, minimum_variance_weights, risk_parity_weights
from volplugin.risk.covariance import CovarianceForecast, Weights
from volplugin.units import is_number

SMALLEST_WEIGHT = 1e-10
"""Distance from a bound below which a weight is set to it: solvers stop slightly away."""

Bounds = tuple[float | None, float | None]


def equal_weight(assets: CovarianceForecast | Iterable[Any]) -> pd.Series:
    """Return the same weight for each asset.

    Parameters
    ----------
    assets : CovarianceForecast or iterable
        A forecast, whose assets are used, or the assets themselves.

    Returns
    -------
    Series of shape (n_assets,)

    Raises
    ------
    AssetMismatchError
        Without assets, or if one is named twice.

    Examples
    --------
    >>> from volplugin import equal_weight
    >>> equal_weight(["AAPL", "JPM"]).to_dict()
    {'AAPL': 0.5, 'JPM': 0.5}
    """
    names = (
        assets.assets
        if isinstance(assets, CovarianceForecast)
        else pd.Index(list(require_type(assets, Iterable, "assets")))
    )
    if names.empty or names.has_duplicates:
        raise AssetMismatchError("an equal-weight portfolio takes one or more assets, each once")
    return pd.Series(1 / len(names), index=names, name="weight")


def inverse_volatility(forecast: CovarianceForecast, *, allow_suspect: bool = False) -> pd.Series:
    """Return weights in inverse proportion to the volatilities: risk parity if all correlations are equal.

    Parameters
    ----------
    forecast : CovarianceForecast
    allow_suspect : bool, default False
        Whether to give a weight to an asset whose close has not moved for 20 sessions or more, whose prices show a
        split that was not adjusted for, or whose forecast is below a hundredth of its peers'
        (``diagnostics["suspect"]``).

    Returns
    -------
    Series of shape (n_assets,)

    Raises
    ------
    AllocationError
        Naming a suspect asset.

    Examples
    --------
    >>> import pandas as pd
    >>> from volplugin import CovarianceForecast, inverse_volatility
    >>> names = ["AAPL", "JPM"]
    >>> correlation = pd.DataFrame([[1.0, 0.3], [0.3, 1.0]], names, names)
    >>> forecast = CovarianceForecast(pd.Timestamp("2020-01-31"), 21, pd.Series([0.02, 0.01], names), correlation)
    >>> inverse_volatility(forecast).round(3).to_dict()
    {'AAPL': 0.333, 'JPM': 0.667}
    """
    if not allow_suspect:
        _refuse_suspects(forecast)
    inverse = 1 / forecast.volatility
    return (inverse / inverse.sum()).rename("weight")


def minimum_variance(
    forecast: CovarianceForecast,
    long_only: bool = True,
    bounds: Bounds | None = None,
    *,
    allow_suspect: bool = False,
) -> pd.Series:
    """Return the fully invested portfolio of least forecast variance.

    Parameters
    ----------
    forecast : CovarianceForecast
    long_only : bool, default True
        No weight below zero.
    bounds : tuple of float, optional
        Smallest and largest weight of an asset, within what `long_only` allows; None or an infinite one for no bound.
    allow_suspect : bool, default False
        Whether to give a weight to an asset whose close has not moved for 20 sessions or more, whose prices show a
        split that was not adjusted for, or whose forecast is below a hundredth of its peers'
        (``diagnostics["suspect"]``).

    Returns
    -------
    Series of shape (n_assets,)
        With short sales and without bounds ``inv(Sigma) 1 / (1' inv(Sigma) 1)``; otherwise the solution of the
        convex quadratic program.

    Raises
    ------
    ParameterError
        If no fully invested portfolio lies within the bounds.
    AllocationError
        If Sigma is singular and short sales are not bounded, or the solver does not converge; naming a suspect asset.

    References
    ----------
    Merton (1972), An Analytic Derivation of the Efficient Portfolio Frontier, Journal of Financial and
    Quantitative Analysis 7.

    Examples
    --------
    >>> import pandas as pd
    >>> from volplugin import CovarianceForecast, minimum_variance
    >>> names = ["AAPL", "JPM"]
    >>> correlation = pd.DataFrame([[1.0, 0.0], [0.0, 1.0]], names, names)
    >>> forecast = CovarianceForecast(pd.Timestamp("2020-01-31"), 21, pd.Series([0.02, 0.01], names), correlation)
    >>> minimum_variance(forecast).round(3).to_dict()
    {'AAPL': 0.2, 'JPM': 0.8}
    """
    if not allow_suspect:
        _refuse_suspects(forecast)
    lower, upper = _limits(len(forecast.assets), long_only, (None, None) if bounds is None else bounds)
    is_unbounded = upper >= 1 and lower == 0 if long_only else np.isinf([lower, upper]).all()
    if not is_unbounded:
        weights = _bounded(forecast, lower, upper)
    else:
        try:
            weights = minimum_variance_weights(forecast.covariance.to_numpy(), long_only)
        except AllocationError as error:
            raise AllocationError(f"{_no_portfolio(forecast)}: {error}") from error
    return pd.Series(weights, index=forecast.assets, name="weight")


def risk_parity(
    forecast: CovarianceForecast, budgets: Weights | None = None, *, allow_suspect: bool = False
) -> pd.Series:
    """Return the long-only portfolio to whose volatility each asset contributes its share, by default the same.

    Parameters
    ----------
    forecast : CovarianceForecast
    budgets : Series or mapping of asset to share, optional
        Positive share of the risk for each of the forecast's assets, at any scale.
    allow_suspect : bool, default False
        As of `minimum_variance`.

    Returns
    -------
    Series of shape (n_assets,)
        Positive weights; ``w * (Sigma w)`` is proportional to the budgets.

    Raises
    ------
    ParameterError
        If a budget is not positive.
    AllocationError
        Naming a suspect asset; if some assets hedge each other perfectly, so that there is no risk to share; if the
        solver does not converge.

    References
    ----------
    Maillard, Roncalli and Teiletche (2010), The Properties of Equally Weighted Risk Contribution Portfolios,
    Journal of Portfolio Management 36; Spinu (2013), An Algorithm for Computing Risk Parity Weights.

    Examples
    --------
    >>> import pandas as pd
    >>> from volplugin import CovarianceForecast, risk_parity
    >>> names = ["AAPL", "JPM"]
    >>> correlation = pd.DataFrame([[1.0, 0.3], [0.3, 1.0]], names, names)
    >>> forecast = CovarianceForecast(pd.Timestamp("2020-01-31"), 21, pd.Series([0.02, 0.01], names), correlation)
    >>> risk_parity(forecast).round(3).to_dict()
    {'AAPL': 0.333, 'JPM': 0.667}
    """
    share = _shares(forecast, budgets)
    if not allow_suspect:
        _refuse_suspects(forecast)
    _refuse_hedges(forecast)
    try:
        weights = risk_parity_weights(forecast.covariance.to_numpy(), share)
    except AllocationError as error:
        raise AllocationError(
            f"no risk-parity portfolio at {forecast.asof.date()}: {error}; "
            "leave out assets that nearly hedge each other, or make budgets less unequal"
        ) from error
    return pd.Series(weights, index=forecast.assets, name="weight")


def _refuse_hedges(forecast: CovarianceForecast) -> None:
    """Raise if a long-only portfolio of standardized assets has no variance: volatilities do not matter for it."""
    rho = forecast.correlation.to_numpy()
    least = minimum_variance_weights(rho)
    if least @ rho @ least < SINGULAR:
        names = ", ".join(map(str, forecast.assets[least > 0]))
        raise AllocationError(
            f"no risk-parity portfolio at {forecast.asof.date()}: {names} hedge each other perfectly; "
            "leave one of them out"
        )


def _refuse_suspects(forecast: CovarianceForecast) -> None:
    for asset, reason in require_type(forecast, CovarianceForecast, "forecast").diagnostics.get("suspect", {}).items():
        if not is_doubtful(reason) and asset in forecast.assets:
            raise AllocationError(
                f"{asset} at {forecast.asof.date()}: {reason}; its weight would rest on wrong prices: "
                "leave it out, or pass allow_suspect=True"
            )


def _bounded(forecast: CovarianceForecast, lower: float, upper: float) -> np.ndarray:
    """Solve the quadratic program by sequential least squares, from the inverse-volatility portfolio."""
    relative = _relative(forecast)
    scaled = forecast.correlation.to_numpy() * np.outer(relative, relative)
    count = len(scaled)
    solution = minimize(
        lambda w: w @ scaled @ w / 2,
        np.clip(inverse_volatility(forecast, allow_suspect=True).to_numpy(), lower, upper),
        jac=lambda w: scaled @ w,
        method="SLSQP",
        bounds=[(lower, upper)] * count,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(count)},
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    weights = np.clip(solution.x, lower, upper)
    for bound in filter(np.isfinite, (lower, upper)):
        weights[np.abs(weights - bound) < SMALLEST_WEIGHT] = bound
    if not (solution.success and abs(weights.sum() - 1) < 1e-8):
        raise AllocationError(f"{_no_portfolio(forecast)}: {solution.message}; loosen the bounds, or pass fewer assets")
    return weights


def _relative(forecast: CovarianceForecast) -> np.ndarray:
    """Volatilities in units of their mean: tolerances then mean the same in every market."""
    sigma = forecast.volatility.to_numpy()
    return sigma / sigma.mean()


def _no_portfolio(forecast: CovarianceForecast) -> str:
    return f"no minimum-variance portfolio at {forecast.asof.date()}"


NO_BOUNDS = (-np.inf, np.inf)


def _limits(count: int, long_only: bool, bounds: Bounds) -> tuple[float, float]:
    """Smallest and largest weight, between which a fully invested portfolio must exist."""
    pair = list(bounds) if isinstance(bounds, tuple | list) else []
    if len(pair) != 2 or not all(bound is None or is_number(bound) for bound in pair):
        raise ParameterError(
            f"bounds is {' '.join(repr(bounds).split())}; pass the smallest and the largest weight, such as (0, 1)"
        )
    lower, upper = (float(given) if given is not None else bare for given, bare in zip(pair, NO_BOUNDS, strict=True))
    lower = max(lower, 0.0) if long_only else lower
    invested = count * lower <= 1 + 1e-12 and count * upper >= 1 - 1e-12
    if not (lower <= upper and invested):
        raise ParameterError(
            f"no fully invested portfolio of {count} assets has its weights within {lower:g} and {upper:g}"
        )
    return lower, upper


def _shares(forecast: CovarianceForecast, budgets: Weights | None) -> np.ndarray:
    require_type(forecast, CovarianceForecast, "forecast")
    if budgets is None:
        return np.full(len(forecast.assets), 1 / len(forecast.assets))
    share = forecast.align(budgets)
    if not (share > 0).all():
        raise ParameterError(
            f"the risk budget of {forecast.assets[share <= 0][0]} is not above zero; select fewer assets"
        )
    return share / share.sum()
