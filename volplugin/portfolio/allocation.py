"""Books from a forecast covariance: equal weight, inverse volatility, minimum variance, risk parity.

Each function returns fully invested weights by asset, in the forecast's order; scale them with `VolatilityTarget`.
The view of a forecast that is meant for the last two is "structure".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize, nnls

from volplugin.errors import AllocationError, AssetMismatchError, ParameterError
from volplugin.risk.covariance import CovarianceForecast, Weights

SMALLEST_WEIGHT = 1e-10
"""Weights this near to a bound are at it: solvers stop a hair away."""

SINGULAR = 1e-12
"""Smallest eigenvalue of a correlation matrix, relative to the largest, that is inverted."""


def equal_weight(assets: CovarianceForecast | Iterable[Any]) -> pd.Series:
    """Weight each asset alike: those of a forecast, or those named."""
    names = assets.assets if isinstance(assets, CovarianceForecast) else pd.Index(list(assets))
    if names.empty or names.has_duplicates:
        raise AssetMismatchError("an equal-weight book takes one or more assets, each once")
    return pd.Series(1 / len(names), index=names, name="weight")


def inverse_volatility(forecast: CovarianceForecast) -> pd.Series:
    """Weight each asset in inverse proportion to its volatility: risk parity if all correlations were equal."""
    inverse = 1 / forecast.volatility
    return (inverse / inverse.sum()).rename("weight")


def minimum_variance(
    forecast: CovarianceForecast, long_only: bool = True, bounds: tuple[float, float] | None = None
) -> pd.Series:
    """Return the fully invested book of least forecast variance.

    Parameters
    ----------
    forecast : CovarianceForecast
    long_only : bool, default True
        No weight below zero.
    bounds : tuple of float, optional
        Smallest and largest weight of an asset, within what `long_only` allows.

    Returns
    -------
    Series of shape (n_assets,)
        With short sales and without bounds ``inv(Sigma) 1 / (1' inv(Sigma) 1)``; otherwise the solution of the
        convex quadratic program.

    Raises
    ------
    ParameterError
        If no fully invested book lies within the bounds.
    AllocationError
        If Sigma is singular, where the closed form is asked for, or the solver does not converge.

    References
    ----------
    Merton (1972), An Analytic Derivation of the Efficient Portfolio Frontier, Journal of Financial and
    Quantitative Analysis 7.
    """
    if bounds is None:
        weights = _long_only(forecast) if long_only else _closed_form(forecast)
    else:
        weights = _bounded(forecast, *_limits(len(forecast.assets), long_only, bounds))
    return pd.Series(weights, index=forecast.assets, name="weight")


def risk_parity(forecast: CovarianceForecast, budgets: Weights | None = None) -> pd.Series:
    """Return the long-only book to whose volatility each asset contributes its share, by default the same.

    Parameters
    ----------
    forecast : CovarianceForecast
    budgets : Series or mapping of asset to share, optional
        Positive share of the risk for each of the forecast's assets, at any scale.

    Returns
    -------
    Series of shape (n_assets,)
        Positive weights; ``w * (Sigma w)`` is proportional to the budgets.

    Raises
    ------
    ParameterError
        If a budget is not positive.
    AllocationError
        If some assets hedge each other perfectly, so that there is no risk to share, or the solver does not converge.

    Notes
    -----
    ``min x' rho x / 2 - budgets' ln x`` is strictly convex and its minimum, divided by the volatilities, is the
    book (Spinu, eq. 10). It is solved in ``ln x`` by trust-region Newton steps with the exact Hessian, where
    no step leaves the domain.

    References
    ----------
    Maillard, Roncalli and Teiletche (2010), The Properties of Equally Weighted Risk Contribution Portfolios,
    Journal of Portfolio Management 36; Spinu (2013), An Algorithm for Computing Risk Parity Weights.
    """
    rho, share = forecast.correlation.to_numpy(), _shares(forecast, budgets)
    _refuse_hedges(forecast)

    def objective(y: np.ndarray) -> float:
        x = np.exp(y)
        return float(x @ rho @ x / 2 - share @ y)

    def gradient(y: np.ndarray) -> np.ndarray:
        x = np.exp(y)
        return x * (rho @ x) - share

    def hessian(y: np.ndarray) -> np.ndarray:
        x = np.exp(y)
        return np.outer(x, x) * rho + np.diag(x * (rho @ x))

    # The solution, were all correlations the average one and all budgets the same.
    start = np.full(len(share), -np.log(max(rho.sum(), 1.0)) / 2)
    solution = minimize(
        objective, start, method="trust-ncg", jac=gradient, hess=hessian, options={"gtol": 1e-11, "maxiter": 200}
    )
    if not np.abs(gradient(solution.x) / share).max() < 1e-6:
        raise AllocationError(
            f"no risk-parity book at {forecast.asof.date()}: {solution.message} "
            "Leave out assets that nearly hedge each other, or make budgets less unequal"
        )
    weights = np.exp(solution.x) / forecast.volatility.to_numpy()
    return pd.Series(weights / weights.sum(), index=forecast.assets, name="weight")


def _refuse_hedges(forecast: CovarianceForecast) -> None:
    least = _long_only(forecast) * _relative(forecast)
    if least @ forecast.correlation.to_numpy() @ least < SINGULAR:
        names = ", ".join(map(str, forecast.assets[least > 0]))
        raise AllocationError(
            f"no risk-parity book at {forecast.asof.date()}: {names} hedge each other perfectly; leave one of them out"
        )


def _closed_form(forecast: CovarianceForecast) -> np.ndarray:
    rho = forecast.correlation.to_numpy()
    eigenvalues = np.linalg.eigvalsh(rho)
    if eigenvalues[0] <= SINGULAR * eigenvalues[-1]:
        raise AllocationError(
            f"{_no_portfolio(forecast)}: the correlation is singular; pass long_only=True, or shrink it"
        )
    inverse = 1 / forecast.volatility.to_numpy()
    weights = inverse * np.linalg.solve(rho, inverse)
    return weights / weights.sum()


def _long_only(forecast: CovarianceForecast) -> np.ndarray:
    """Solve ``min |A w|^2 + (1'w - 1)^2`` over w >= 0, with ``A'A = Sigma``.

    At its solution ``Sigma w`` is the same wherever w is positive, and no smaller elsewhere: scaled to a sum of
    one, that is the book of least variance. The active-set method of Lawson and Hanson ends at it exactly.
    """
    eigenvalues, vectors = np.linalg.eigh(forecast.correlation.to_numpy())
    root = (np.sqrt(np.maximum(eigenvalues, 0.0)) * vectors).T * _relative(forecast)
    try:
        solution, _ = nnls(np.vstack([root, np.ones(len(root))]), np.append(np.zeros(len(root)), 1.0))
    except RuntimeError as error:
        raise AllocationError(f"{_no_portfolio(forecast)}: {error}; ask for fewer assets") from error
    return solution / solution.sum()


def _bounded(forecast: CovarianceForecast, lower: float, upper: float) -> np.ndarray:
    """Solve the quadratic program by sequential least squares from the inverse-volatility book."""
    relative = _relative(forecast)
    scaled = forecast.correlation.to_numpy() * np.outer(relative, relative)
    count = len(scaled)
    solution = minimize(
        lambda w: w @ scaled @ w / 2,
        np.clip(inverse_volatility(forecast).to_numpy(), lower, upper),
        jac=lambda w: scaled @ w,
        method="SLSQP",
        bounds=[(lower, upper)] * count,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(count)},
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    weights = np.clip(solution.x, lower, upper)
    for bound in (lower, upper):
        weights[np.abs(weights - bound) < SMALLEST_WEIGHT] = bound
    if not (solution.success and abs(weights.sum() - 1) < 1e-8):
        raise AllocationError(
            f"{_no_portfolio(forecast)}: {solution.message}; loosen the bounds, or ask for fewer assets"
        )
    return weights


def _relative(forecast: CovarianceForecast) -> np.ndarray:
    """Volatilities in units of their mean, so that tolerances mean the same in every market."""
    sigma = forecast.volatility.to_numpy()
    return sigma / sigma.mean()


def _no_portfolio(forecast: CovarianceForecast) -> str:
    return f"no minimum-variance book at {forecast.asof.date()}"


def _limits(count: int, long_only: bool, bounds: tuple[float, float]) -> tuple[float, float]:
    """Smallest and largest weight, between which a fully invested book must exist."""
    lower, upper = (float(bound) for bound in bounds)
    lower = max(lower, 0.0) if long_only else lower
    invested = count * lower <= 1 + 1e-12 and count * upper >= 1 - 1e-12
    if not (np.isfinite([lower, upper]).all() and lower <= upper and invested):
        raise ParameterError(f"no fully invested book of {count} assets has its weights within {lower:g} and {upper:g}")
    return lower, upper


def _shares(forecast: CovarianceForecast, budgets: Weights | None) -> np.ndarray:
    if budgets is None:
        return np.full(len(forecast.assets), 1 / len(forecast.assets))
    share = forecast.align(budgets)
    if not (share > 0).all():
        raise ParameterError(
            f"the risk budget of {forecast.assets[share <= 0][0]} is not above zero; select fewer assets"
        )
    return share / share.sum()
