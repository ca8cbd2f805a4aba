"""Correlations at successive sessions of one array, each from the rows up to its own."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.linalg.blas import dgemm

from volplugin.correlation.estimate import CorrelationEstimate, WindowEstimator
from volplugin.correlation.moments import PairMoments

RESTART = 63
"""Sessions after which the running sums are computed anew, so that rounding errors do not accumulate."""


class SlidingCorrelation:
    """Correlation estimates at the rows of one array; this one computes each from its own window.

    The estimate of a row uses that row and the `lookback` rows up to it, and nothing later.

    Parameters
    ----------
    estimator : CorrelationEstimator
    z : ndarray of shape (n_sessions, n_assets)
        Standardized returns, NaN where missing.
    live : ndarray of bool, shape (n_sessions, n_assets)
        Assets that the estimate of each row is about; the others are left out of it.
    """

    def __init__(self, estimator: WindowEstimator, z: np.ndarray, live: np.ndarray) -> None:
        self.estimator, self.z, self.live = estimator, z, live

    def at(self, row: int, view: str) -> CorrelationEstimate:
        """Return the estimate at a row, equal to `CorrelationEstimator.estimate_window` of the window up to it."""
        return self.estimator.estimate_window(self.window(row), view)

    def window(self, row: int) -> np.ndarray:
        """Return the rows that the estimate of a row depends on, of its assets."""
        window, live = self.z[max(0, row + 1 - self.estimator.lookback) : row + 1], self.live[row]
        return window if live.all() else window[:, live]


class SlidingMomentsCorrelation(SlidingCorrelation):
    """Estimates that are a function of pairwise moments, which are updated from row to row.

    Parameters
    ----------
    estimator, z, live
        As of `SlidingCorrelation`.
    moments : SlidingMoments
        Of z, under the estimator's weights.
    """

    def __init__(self, estimator: WindowEstimator, z: np.ndarray, live: np.ndarray, moments: SlidingMoments) -> None:
        super().__init__(estimator, z, live)
        self.moments = moments

    def at(self, row: int, view: str) -> CorrelationEstimate:
        """Return the estimate at a row; rows are fastest in increasing order."""
        moments = self.estimator.shrink_moments(self.moments.at(row, self.live[row]))
        return self.estimator.finish(moments, lambda matrix: self.adjust(matrix, row, view))

    def adjust(self, correlation: np.ndarray, row: int, view: str) -> tuple[np.ndarray, dict[str, Any]]:
        """Adjust a matrix for a view, by default from the window up to the row."""
        return self.estimator.adjust(correlation, self.window(row), view)


class SlidingMoments:
    """Weighted pairwise moments of a window that moves forward row by row.

    Equal to `weighted_moments` of each window, up to rounding: a row that enters is added to the sums and the row
    that leaves is subtracted, and the sums are computed anew every `RESTART` rows.

    Parameters
    ----------
    z : ndarray of shape (n_sessions, n_assets)
        NaN where missing.
    window : int
        Rows.
    halflife : float, optional
        Rows after which a row counts half; all rows of the window count the same if not given.
    """

    def __init__(self, z: np.ndarray, window: int, halflife: float | None = None) -> None:
        self._here = np.isfinite(z)
        self._z = np.where(self._here, z, 0.0)
        self._window = window
        self._decay = 1.0 if halflife is None else 0.5 ** (1 / halflife)
        self._weights = self._decay ** np.arange(window)[::-1]
        self._full_window = effective_size(self._weights)
        # Counts up to each row: differences of integers are exact, so that rounding cannot hide "never seen".
        self._present = running_sum(self._here)
        self._nonzero = running_sum(self._z != 0)
        self._is_used = self._here.any(axis=1)
        self._used = running_sum(self._is_used)
        self._row = -1
        self._with_gaps = np.empty(0, dtype=int)
        self._products = np.empty((0, 0))
        self._pairs: list[_RunningProduct] = []

    def at(self, row: int, live: np.ndarray) -> PairMoments:
        """Return the moments of the window that ends at a row, of the assets in the mask `live`."""
        self._move_to(row)
        begin, stop = max(0, row + 1 - self._window), row + 1
        number = self._used[stop] - self._used[begin]
        full = self._present[stop] - self._present[begin] == number
        variance = self._products.diagonal() * (self._nonzero[stop] > self._nonzero[begin])
        with np.errstate(divide="ignore"):
            inverse = 1 / np.sqrt(np.maximum(variance, 0.0))
        inverse[~np.isfinite(inverse)] = np.nan
        if live.all():
            kept: Any = slice(None)
            products = self._products
        else:
            kept = np.flatnonzero(live)
            products, inverse, full = self._products[np.ix_(kept, kept)], inverse[kept], full[kept]
        correlation = products * inverse[:, None]
        correlation *= inverse
        observations = np.full(correlation.shape, self._effective_rows(begin, stop))
        missing = np.isnan(inverse)
        if missing.any():
            observations[missing], observations[:, missing] = 0.0, 0.0
        if not full.all():
            self._fill_gaps(correlation, observations, products, np.flatnonzero(~full), kept)
        return PairMoments(np.clip(correlation, -1.0, 1.0, out=correlation), observations)

    def _effective_rows(self, begin: int, stop: int) -> float:
        """Effective sample size (Kish) of the rows of a window on which any asset is there."""
        if self._used[stop] - self._used[begin] == self._window:
            return self._full_window
        return effective_size(self._weights[-(stop - begin) :][self._is_used[begin:stop]])

    def _fill_gaps(
        self, correlation: np.ndarray, observations: np.ndarray, products: np.ndarray, gaps: np.ndarray, kept: Any
    ) -> None:
        """Overwrite the pairs of assets with gaps by moments over the rows on which both are there."""
        assets = gaps if isinstance(kept, slice) else np.asarray(kept)[gaps]
        place = np.searchsorted(self._with_gaps, assets)
        own, other, total, squared, own_seen, other_seen = (pair.values[place][:, kept] for pair in self._pairs)
        seen = (own_seen > 0) & (other_seen > 0)
        scale = np.sqrt(np.where(seen, own * other, 1.0))
        rho = np.where(seen, products[gaps] / scale, np.nan)
        number = np.where(seen, total**2 / np.where(seen, squared, 1.0), 0.0)
        correlation[gaps], correlation[:, gaps] = rho, rho.T
        observations[gaps], observations[:, gaps] = number, number.T

    def _move_to(self, row: int) -> None:
        # Restarts lie at fixed rows: the numbers of a row do not depend on which rows were requested before it.
        start = row - row % RESTART
        if not start <= self._row <= row:
            self._restart(start)
        while self._row < row:
            self._step()

    def _restart(self, row: int) -> None:
        """Sum the window that ends at a row."""
        begin, stop = max(0, row + 1 - self._window), row + 1
        known = self._z[begin:stop] * np.sqrt(self._weights[-(stop - begin) :])[:, None]
        self._products = known.T @ known
        missed = self._present[stop] - self._present[begin] < self._used[stop] - self._used[begin]
        self._with_gaps, self._row = np.flatnonzero(missed), row
        self._pairs = self._running_products(self._with_gaps)

    def _step(self) -> None:
        """Add the next row and subtract the one that leaves the window, in one product of rank two."""
        self._row += 1
        _update(self._products, self._z, self._z, self._row, self._window, self._decay)
        for pair in self._pairs:
            _update(pair.values, pair.left, pair.right, self._row, self._window, pair.decay)
        if self._is_used[self._row]:
            # Found row by row: a list of gaps that looked ahead would change the last bit of earlier rows.
            new = np.setdiff1d(np.flatnonzero(~self._here[self._row]), self._with_gaps)
            if len(new):
                self._add_gaps(new)

    def _add_gaps(self, assets: np.ndarray) -> None:
        """Begin the sums of assets that miss a row for the first time."""
        order = np.argsort(np.concatenate([self._with_gaps, assets]))
        self._with_gaps = np.union1d(self._with_gaps, assets)
        added = self._running_products(assets)
        pairs = zip(self._pairs, added, strict=True) if self._pairs else ()
        self._pairs = [old.joined(new, order) for old, new in pairs] or added

    def _running_products(self, gaps: np.ndarray) -> list[_RunningProduct]:
        """Sum over the rows on which an asset with gaps and another one are both there, up to the current row."""
        if not len(gaps):
            return []
        squares, here, nonzero, decay = self._z**2, self._here.astype(float), (self._z != 0).astype(float), self._decay
        pairs = [
            (squares[:, gaps], here, decay),
            (here[:, gaps], squares, decay),
            (here[:, gaps], here, decay),
            (here[:, gaps], here, decay**2),
            (nonzero[:, gaps], here, 1.0),
            (here[:, gaps], nonzero, 1.0),
        ]
        begin, stop = max(0, self._row + 1 - self._window), self._row + 1
        return [_RunningProduct.over(*pair, begin, stop) for pair in pairs]


class _RunningProduct(NamedTuple):
    """Weighted sum over a window of the outer products of the rows of two arrays."""

    left: np.ndarray
    right: np.ndarray
    decay: float
    values: np.ndarray

    @classmethod
    def over(cls, left: np.ndarray, right: np.ndarray, decay: float, begin: int, stop: int) -> _RunningProduct:
        """Sum the rows from `begin` to `stop`."""
        weights = decay ** np.arange(stop - begin)[::-1]
        values = np.ascontiguousarray((weights[:, None] * left[begin:stop]).T @ right[begin:stop])
        return cls(left, right, decay, values)

    def joined(self, other: _RunningProduct, order: np.ndarray) -> _RunningProduct:
        """Return the sums of the left columns of both, in an order."""
        left = np.concatenate([self.left, other.left], axis=1)[:, order]
        values = np.ascontiguousarray(np.concatenate([self.values, other.values])[order])
        return self._replace(left=left, values=values)


def _update(values: np.ndarray, left: np.ndarray, right: np.ndarray, row: int, window: int, decay: float) -> None:
    """Advance ``sum decay^(row - u) left_u right_u'`` by one row, in place."""
    rows = [row] if row < window else [row, row - window]
    factors = np.array([1.0, -(decay**window)])[: len(rows)]
    # BLAS is column-major: the transpose of a C-ordered array is updated where it lies.
    dgemm(1.0, right[rows].T, factors[:, None] * left[rows], beta=decay, c=values.T, overwrite_c=True)


def effective_size(weights: np.ndarray) -> float:
    """Return Kish's effective sample size, the squared sum of weights over the sum of squares."""
    return float(weights.sum()) ** 2 / float(weights @ weights) if len(weights) else 0.0


def running_sum(values: np.ndarray) -> np.ndarray:
    """Cumulative sum along the rows with a first row of zeros: windows are differences of two rows."""
    dtype = int if values.dtype == bool else float
    total = np.zeros((len(values) + 1, *values.shape[1:]), dtype=dtype)
    np.cumsum(values, axis=0, out=total[1:])
    return total
