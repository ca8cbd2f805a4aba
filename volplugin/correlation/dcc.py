"""Dynamic conditional correlation."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from volplugin.correlation.base import CorrelationEstimator, check_estimator
from volplugin.correlation.ewma import RollingCorrelation
from volplugin.correlation.moments import PairMoments, joint_weights, to_unit_variance
from volplugin.correlation.repair import complete, to_unit_diagonal
from volplugin.errors import ParameterError
from volplugin.units import as_number

HALF_LIVES = (3, 5, 8, 13, 21, 34, 55, 89, 144)
"""Memories that are tried, in sessions: ``b = 0.5 ** (1 / half-life)``."""

SHARES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Weights of the recent past that are tried, the rest being the target's: ``a = share * (1 - b)``."""

MOST_PAIRS = 60
"""Pairs in the composite likelihood: more would sharpen the choice no further than the grid is wide."""


class DCCCorrelation(CorrelationEstimator):
    """DCC(1,1) with correlation targeting.

    ``Q_t = (1 - a - b) S + a z_{t-1} z_{t-1}' + b Q_{t-1}``, started at the target S; the correlation is Q scaled to
    a diagonal of ones. For a pair without a return on a session, the target replaces the product.

    Parameters
    ----------
    target : CorrelationEstimator, optional
        Of S, by default ``RollingCorrelation(window)``, the sample correlation. A shrunk one is
        the DCC of Engle, Ledoit and Wolf (2019), to be preferred for many assets.
    a, b : float or None, default 0.005 and 0.99
        Weights of yesterday's returns and of yesterday's matrix. With None for both they are chosen within the
        window, on a grid, by the composite likelihood of pairs, one an asset and `MOST_PAIRS` at most:
        neighbours in a ring ordered by average correlation.
    window : int, default 1008
        Sessions of the recursion and of the choice.

    Notes
    -----
    The recursion is linear, so that it is one weighted product of the window: a function of its rows alone.
    The diagnostics hold a and b as ``chosen``.

    References
    ----------
    Engle (2002), Dynamic Conditional Correlation, equations 18 to 24; Pakel, Shephard, Sheppard and Engle (2021),
    Fitting Vast Dimensional Time-Varying Covariance Models, on the composite likelihood; Engle, Ledoit and Wolf
    (2019), Large Dynamic Covariance Matrices.
    """

    def __init__(
        self,
        target: CorrelationEstimator | None = None,
        a: float | None = 0.005,
        b: float | None = 0.99,
        window: int = 1008,
    ) -> None:
        self.target = target
        self.a = a
        self.b = b
        self.window = window

    @property
    def lookback(self) -> int:
        """Rows of z that the estimate depends on."""
        self._check_parameters()
        return max(self._target.lookback, self.window)

    @property
    def _target(self) -> CorrelationEstimator:
        return RollingCorrelation(self.window) if self.target is None else check_estimator(self.target)

    def _check_parameters(self) -> None:
        if not as_number(self.window) >= 2:
            raise ParameterError(f"window is {self.window}; pass at least 2 sessions")
        if self.a is None and self.b is None:
            return
        if self.a is None or self.b is None:
            raise ParameterError(f"a is {self.a} and b is {self.b}; pass both, or neither to have them chosen")
        a, b = as_number(self.a), as_number(self.b)
        if not (a >= 0 and b >= 0 and a + b < 1):
            raise ParameterError(f"a is {self.a} and b is {self.b}; pass two of zero or more that add to less than one")

    def _estimate(self, z: np.ndarray) -> PairMoments:
        moments = self._target._estimate(z[-self._target.lookback :])
        target, known = complete(moments), to_unit_variance(z[-self.window :])
        a, b = most_likely(known, target) if self.a is None or self.b is None else (self.a, self.b)
        matrix = to_unit_diagonal(conditional(known, target, a, b))
        return moments._replace(correlation=matrix, estimated_params={**moments.estimated_params, "a": a, "b": b})


def conditional(z: np.ndarray, target: np.ndarray, a: float, b: float) -> np.ndarray:
    """Q of the session after the last: ``S + a sum_k b^k (z z' - S)`` over the sessions on which a pair was there.

    Parameters
    ----------
    z : ndarray of shape (n_sessions, n_assets)
        Of mean square one, NaN where missing.
    target : ndarray of shape (n_assets, n_assets)
    a, b : float
    """
    weights = a * b ** np.arange(len(z))[::-1]
    heard = weights > 1e-12 * a
    z, weights = z[heard], weights[heard]
    here = np.isfinite(z)
    known = np.where(here, z, 0.0) * np.sqrt(weights)[:, None]
    return target + known.T @ known - joint_weights(here, weights) * target


def most_likely(z: np.ndarray, target: np.ndarray) -> tuple[float, float]:
    """Pair (a, b) of the grid with the largest composite likelihood; (0, 0) where there is nothing to choose by."""
    seen = np.flatnonzero(np.isfinite(z).any(axis=0))
    if len(seen) < 2:
        return 0.0, 0.0
    ring = seen[np.argsort(target[np.ix_(seen, seen)].mean(axis=0), kind="stable")]
    taken = slice(None, None, -(-len(ring) // MOST_PAIRS))
    one, other = ring[taken], np.roll(ring, -1)[taken]
    decays = [0.5 ** (1 / halflife) for halflife in HALF_LIVES]
    found = [_best_share(z[:, one], z[:, other], target[one, other], b) for b in decays]
    _, a, b = max(found)
    return a, b


def _best_share(left: np.ndarray, right: np.ndarray, target: np.ndarray, b: float) -> tuple[float, float, float]:
    """Largest composite log-likelihood at this b, with its a and b; arrays of shape (n_sessions, n_pairs)."""
    both = np.isfinite(left) & np.isfinite(right)
    one, other = np.where(both, left, 0.0), np.where(both, right, 0.0)
    squares = _news(left * left, 1.0, b), _news(right * right, 1.0, b)
    product = _news(left * right, target, b)
    found = []
    for a in ((1 - b) * share for share in SHARES):
        scale = np.sqrt((1 + a * squares[0]) * (1 + a * squares[1]))
        rho = np.clip((target + a * product) / scale, -0.9999, 0.9999)
        left_over = 1 - rho**2
        density = np.log(left_over) + (one**2 + other**2 - 2 * rho * one * other) / left_over
        found.append((-0.5 * float(density[both].sum()), a, b))
    return max(found)


def _news(product: np.ndarray, expected: np.ndarray | float, b: float) -> np.ndarray:
    """Exponential sum, through the session before, of products in excess of the target."""
    excess = np.where(np.isfinite(product), product - expected, 0.0)
    return lfilter([0.0, 1.0], [1.0, -b], excess, axis=0)
