"""A slow correlation structure under a fast average correlation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from volplugin.correlation.base import CorrelationEstimator
from volplugin.correlation.ewma import HALF_LIVES, EWMACorrelation
from volplugin.correlation.moments import PairMoments, session_weights, to_unit_variance
from volplugin.correlation.repair import average
from volplugin.errors import ParameterError


class TwoSpeedCorrelation(CorrelationEstimator):
    """Slow, shrunk structure whose average is moved to a fast estimate of the average correlation.

    What two assets have in common changes slowly, how much everything moves together changes fast, and
    the risk of a long-only book hangs on the second. With R the slow matrix of average c_s, and c_f the fast
    average, ``R' = (1 - a) R + a 11'`` with ``a = (c_f - c_s) / (1 - c_s)`` where c_f is above c_s, and
    ``R' = (1 - a) R + a I`` with ``a = 1 - c_f / c_s`` where it is below. Both are convex combinations of
    correlation matrices, so that R' is one.

    A fast average is soon over: a storm ends, and so does a calm. With a `trust` below one, c_f is that share of the
    fast average and the rest that of all sessions remembered, towards which it will return.

    Parameters
    ----------
    structure : CorrelationEstimator, optional
        Any estimator of the slow matrix, by default ``EWMACorrelation(halflife=252, shrinkage=0.2)``.
    fast_halflife : float, default 10
        Of the average correlation, in sessions.
    trust : float, default 1.0
        Share of the fast average in what the matrix is moved to; the rest is the average over the whole lookback,
        every session alike.
    targeting_halflife : float, default 4
        Half-life, in sessions, of the average correlation in the view "targeting", which trusts it fully.

    Notes
    -----
    The fast average is ``EW[((sum z)^2 - sum z^2) / (n (n - 1))] / EW[mean z^2]`` across the assets.
    The view "structure" is the slow matrix alone: the fast average does not help an optimiser.
    The view "targeting" serves the leverage of a portfolio that is held at a volatility. A forecast with the smallest
    loss is not the one that holds a target best: an average correlation that follows the market within days has a
    larger loss, and a smaller distance of the realised volatility from the target.
    """

    def __init__(
        self,
        structure: CorrelationEstimator | None = None,
        fast_halflife: float = 10,
        trust: float = 1.0,
        targeting_halflife: float = 4,
    ) -> None:
        self.structure = structure
        self.fast_halflife = fast_halflife
        self.trust = trust
        self.targeting_halflife = targeting_halflife

    @property
    def lookback(self) -> int:
        """Rows of z that the estimate depends on."""
        memories = self._memory("fast_halflife"), self._memory("targeting_halflife")
        return max(self._slow.lookback, *memories)

    @property
    def _slow(self) -> CorrelationEstimator:
        return EWMACorrelation(halflife=252, shrinkage=0.2) if self.structure is None else self.structure

    def _memory(self, name: str) -> int:
        """Sessions that the average of a half-life depends on."""
        halflife = getattr(self, name)
        if not halflife > 0:
            raise ParameterError(f"{name} is {halflife}; pass a number of sessions above zero")
        return math.ceil(HALF_LIVES * halflife)

    def _estimate(self, z: np.ndarray) -> PairMoments:
        return self._slow._estimate(z[-self._slow.lookback :])

    def _adjust(self, correlation: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        if not 0 <= self.trust <= 1:
            raise ParameterError(f"trust is {self.trust}; pass a share between 0 and 1")
        products, squares = _cross_products(to_unit_variance(z))
        recent = slice(-self._memory("fast_halflife"), None)
        fast, usual = _ratio(products[recent], squares[recent], self.fast_halflife), _ratio(products, squares, None)
        wanted = self.trust * fast + (1 - self.trust) * usual
        return move_average(correlation, wanted), {"fast_average": fast, "usual_average": usual}

    def _adjust_for_targeting(self, correlation: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        # Scaled over the whole lookback, as in `_adjust`; only the averaging is shorter.
        products, squares = _cross_products(to_unit_variance(z))
        recent = slice(-self._memory("targeting_halflife"), None)
        fast = _ratio(products[recent], squares[recent], self.targeting_halflife)
        return move_average(correlation, fast), {"fast_average": fast}


def move_average(correlation: np.ndarray, wanted: float) -> np.ndarray:
    """Mix a correlation matrix with all ones or with the identity, so that its average is the wanted one."""
    slow = average(correlation)
    if len(correlation) < 2 or not np.isfinite(wanted) or slow <= 0:
        return correlation
    if wanted >= slow:
        share = (min(wanted, 1.0) - slow) / (1 - slow) if slow < 1 else 0.0
        return (1 - share) * correlation + share
    share = 1 - max(wanted, 0.0) / slow
    return (1 - share) * correlation + share * np.eye(len(correlation))


def fast_average(z: np.ndarray, halflife: float | None = None) -> float:
    """Average correlation of the recent past, from how much all assets move together.

    Parameters
    ----------
    z : ndarray of shape (n_sessions, n_assets)
        Devolatilised returns, NaN where missing.
    halflife : float, optional
        In sessions; every session alike if not given.
    """
    return _ratio(*_cross_products(z), halflife)


def _cross_products(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean product of two different assets, and mean square, of each session; NaN for sessions of fewer than two."""
    here = np.isfinite(z)
    known = z if here.all() else np.where(here, z, 0.0)
    number = np.count_nonzero(here, axis=1)
    squares = np.einsum("ti,ti->t", known, known)
    with np.errstate(invalid="ignore", divide="ignore"):
        products = (known.sum(axis=1) ** 2 - squares) / (number * (number - 1))
        return products, np.where(number >= 2, squares / number, np.nan)


def _ratio(products: np.ndarray, squares: np.ndarray, halflife: float | None) -> float:
    """Weighted mean product over weighted mean square; NaN where there is neither."""
    weights, usable = session_weights(len(squares), halflife), np.isfinite(squares)
    if not usable.all():
        products, squares, weights = products[usable], squares[usable], weights[usable]
    scale = float(weights @ squares)
    return float(weights @ products) / scale if scale > 0 else float("nan")
