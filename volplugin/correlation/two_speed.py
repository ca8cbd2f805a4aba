"""A slow correlation structure under a fast average correlation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from volplugin.correlation.base import CorrelationEstimator, check_estimator, check_view
from volplugin.correlation.ewma import HALF_LIVES, EWMACorrelation
from volplugin.correlation.moments import PairMoments, session_weights, to_unit_variance
from volplugin.correlation.repair import move_average
from volplugin.correlation.sliding import (
    RESTART,
    SlidingCorrelation,
    SlidingMomentsCorrelation,
    window_sum,
)
from volplugin.errors import ParameterError
from volplugin.units import as_number


class TwoSpeedCorrelation(CorrelationEstimator):
    """Slow, shrunk structure whose average is moved to a fast estimate of the average correlation.

    What two assets have in common changes slowly, how much everything moves together changes fast, and
    the risk of a long-only portfolio depends on the second. With R the slow matrix of average c_s, and c_f the fast
    average, ``R' = (1 - a) R + a 11'`` with ``a = (c_f - c_s) / (1 - c_s)`` where c_f is above c_s, and
    ``R' = (1 - a) R + a I`` with ``a = 1 - c_f / c_s`` where it is below. Both are convex combinations of
    correlation matrices, so that R' is one.

    A fast average reverts: calm and turbulent periods end. With a `trust` below one, c_f is the weighted mean of the
    fast average, with that weight, and the average over the whole look-back, to which it reverts.

    Parameters
    ----------
    structure : CorrelationEstimator, optional
        Any estimator of the slow matrix, by default ``EWMACorrelation(halflife=252, shrinkage=0.2)``.
    fast_halflife : float, default 10
        Of the average correlation, in sessions.
    trust : float, default 1.0
        Weight of the fast average in the average that the matrix is moved to; the rest is the average over the whole
        lookback, with equal weights.
    targeting_halflife : float, default 4
        Half-life, in sessions, of the average correlation in the view "targeting", which trusts it fully.

    Raises
    ------
    ParameterError
        At the first estimate, if a half-life is not positive or `trust` is outside 0 to 1.

    Notes
    -----
    The fast average is ``EW[((sum z)^2 - sum z^2) / (n (n - 1))] / EW[mean z^2]`` across the assets.
    The view "structure" is the slow matrix alone: the fast average does not help an optimiser.
    The view "targeting" is for the leverage of a portfolio that is held at a volatility. A forecast with the smallest
    loss is not the one that holds a target best: an average correlation that follows the market within days has a
    larger loss, and a smaller distance of the realised volatility from the target.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from volplugin import TwoSpeedCorrelation
    >>> z = pd.DataFrame(np.random.default_rng(0).standard_normal((1600, 3)), columns=["A", "B", "C"])
    >>> rho, diagnostics = TwoSpeedCorrelation(fast_halflife=7, trust=0.5).diagnose(z)
    >>> sorted(diagnostics["chosen"])
    ['fast_average', 'usual_average']
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
        return (
            EWMACorrelation(halflife=252, shrinkage=0.2) if self.structure is None else check_estimator(self.structure)
        )

    def average_observations(self, observations: float, view: str = "risk") -> float:
        """Effective number of sessions behind the average: fast and usual average, weighted by their trust."""
        if view == "structure":
            return observations
        trust, halflife = (1.0, self.targeting_halflife) if view == "targeting" else (self.trust, self.fast_halflife)
        decay = 0.5 ** (1 / halflife)
        fast = (1 + decay) / (1 - decay)  # Kish's number of exponential weights
        return 1 / (trust**2 / fast + (1 - trust) ** 2 / observations)

    def _memory(self, name: str) -> int:
        """Sessions that the average of a half-life depends on."""
        halflife = getattr(self, name)
        if not 0 < as_number(halflife) < math.inf:
            raise ParameterError(f"{name} is {halflife}; pass a number of sessions above zero")
        return math.ceil(HALF_LIVES * halflife)

    def _estimate(self, z: np.ndarray) -> PairMoments:
        return self._slow._estimate(z[-self._slow.lookback :])

    def shrink_moments(self, moments: PairMoments) -> PairMoments:
        """Apply the shrinkage of the slow structure."""
        return self._slow.shrink_moments(moments)

    def _adjust(self, correlation: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        products, squares = _cross_products(to_unit_variance(z))
        fast = self._fast_average(products, squares, "fast_halflife")
        return self._move(correlation, fast, _ratio(products, squares, None))

    def _adjust_for_targeting(self, correlation: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        # Scaled over the whole lookback, as in `_adjust`; only the averaging is shorter.
        products, squares = _cross_products(to_unit_variance(z))
        fast = self._fast_average(products, squares, "targeting_halflife")
        return move_average(correlation, fast), {"fast_average": fast}

    def _fast_average(self, products: np.ndarray, squares: np.ndarray, name: str) -> float:
        recent = slice(-self._memory(name), None)
        return _ratio(products[recent], squares[recent], getattr(self, name))

    def _move(self, correlation: np.ndarray, fast: float, usual: float) -> tuple[np.ndarray, dict[str, Any]]:
        if not 0 <= as_number(self.trust) <= 1:
            raise ParameterError(f"trust is {self.trust}; pass a share between 0 and 1")
        # Part of a storm, or of a calm, is over within the horizon: the expected average lies between the two.
        wanted = self.trust * fast + (1 - self.trust) * usual
        return move_average(correlation, wanted), {"fast_average": fast, "usual_average": usual}

    def sliding(self, z: np.ndarray, live: np.ndarray) -> SlidingCorrelation:
        """Return the estimates at successive rows of one array, as of `CorrelationEstimator.sliding`."""
        slow = self._slow.sliding(z, live)
        if type(self)._estimate is not TwoSpeedCorrelation._estimate or not isinstance(slow, SlidingMomentsCorrelation):
            return super().sliding(z, live)
        averages = _SlidingAverages(z, live, self.lookback, (self.fast_halflife, self.targeting_halflife))
        return _SlidingTwoSpeed(self, z, live, slow, averages)


class _SlidingTwoSpeed(SlidingMomentsCorrelation):
    """The slow structure from running moments, moved to averages that are computed for a block of rows at once."""

    def __init__(
        self,
        estimator: TwoSpeedCorrelation,
        z: np.ndarray,
        live: np.ndarray,
        slow: SlidingMomentsCorrelation,
        averages: _SlidingAverages,
    ) -> None:
        super().__init__(estimator, z, live, slow.moments, slow.stacked and type(estimator) is TwoSpeedCorrelation)
        self._two_speed, self._averages = estimator, averages

    def adjust(self, correlation: np.ndarray, view: str) -> tuple[np.ndarray, dict[str, Any]]:
        """Move the average correlation, for the views that do."""
        check_view(view)
        if view == "structure":
            return correlation, {}
        averages = self._averages.between(self._start, self._stop)
        usual, fast, targeting = averages if self.stacked else averages[:, 0].tolist()
        if view == "risk":
            return self._two_speed._move(correlation, fast, usual)
        return move_average(correlation, targeting), {"fast_average": targeting}


class _SlidingAverages:
    """Average correlations at the rows of one array, usual and fast, computed for `RESTART` rows at once.

    Each row is scaled by the mean squares of its own window, so that an average is a function of that window alone.
    """

    def __init__(self, z: np.ndarray, live: np.ndarray, lookback: int, halflives: tuple[float, ...]) -> None:
        here = np.isfinite(z)
        self._here, self._live = here.astype(float), live.astype(float)
        self._z = np.where(here, z, 0.0)
        self._z_squared = self._z**2
        self._squares, self._count = window_sum(self._z_squared, lookback), window_sum(here, lookback)
        self._lookback, self._halflives = lookback, halflives
        self._start = -1
        self._averages = np.empty((0, 0))
        self._weighted, self._stored = (0, 0), [np.empty((0, 0))]

    def between(self, first: int, stop: int) -> np.ndarray:
        """Return the averages at rows between two restarts, of shape (n_averages, n_rows).

        The first is the usual average, then follows one for each half-life; NaN without two assets in any session.
        """
        start = first - first % RESTART
        if start != self._start:
            self._start, self._averages = start, self._block(start, min(start + RESTART, len(self._z)))
        return self._averages[first - start : stop - start].T

    def _block(self, start: int, stop: int) -> np.ndarray:
        """Averages of the rows from `start` to `stop`, of shape (n_rows, n_averages); columns below are these rows."""
        begin = max(0, start + 1 - self._lookback)
        mean_square = self._squares[start:stop] / np.maximum(self._count[start:stop], 1)
        scale = np.where(mean_square > 0, np.sqrt(np.maximum(mean_square, 0.0)), 1.0)
        inverse = (self._live[start:stop] / scale).T
        z = self._z[begin:stop]
        squares = self._z_squared[begin:stop] @ inverse**2
        products = (z @ inverse) ** 2 - squares
        here, live = self._here[begin:stop], self._live[start:stop]
        varies = ~(here.all(axis=0) & live.all(axis=0))
        number = here[:, varies] @ live[:, varies].T + np.count_nonzero(~varies)
        # Sessions with fewer than two assets have no product, and count in neither sum.
        usable = number >= 2
        number = np.where(usable, number, np.inf)
        products /= number * np.where(usable, number - 1, 1.0)
        squares /= number
        return np.stack(
            [
                _weighted_ratio(products[-len(weights) :], squares[-len(weights) :], weights)
                for weights in self._weights(len(z), stop - start)
            ],
            axis=1,
        )

    def _weights(self, n_sessions: int, n_rows: int) -> list[np.ndarray]:
        """Weights of the last sessions at the last rows, for each average; each of shape (n_weighted, n_rows)."""
        if self._weighted != (n_sessions, n_rows):
            age = np.arange(n_sessions - n_rows, n_sessions) - np.arange(n_sessions)[:, None]
            stored = [((age >= 0) & (age < self._lookback)).astype(float)]
            for halflife in self._halflives:
                memory = math.ceil(HALF_LIVES * halflife)
                recent = age[-(memory + n_rows - 1) :]
                decay = 0.5 ** (np.maximum(recent, 0) / halflife)
                stored.append(np.where((recent >= 0) & (recent < memory), decay, 0.0))
            self._weighted, self._stored = (n_sessions, n_rows), stored
        return self._stored


def _weighted_ratio(products: np.ndarray, squares: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean product over weighted mean square, by column; NaN in columns without either."""
    total, mean = (np.einsum("ut,ut->t", weights, values) for values in (squares, products))
    return np.where(total > 0, mean / np.where(total > 0, total, 1.0), np.nan)


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
