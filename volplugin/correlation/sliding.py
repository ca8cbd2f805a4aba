"""Correlations at successive sessions of one array, each from the rows up to its own."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.linalg.blas import dgemm

from volplugin.correlation.estimate import CorrelationEstimate, WindowEstimator
from volplugin.correlation.moments import PairMoments

RESTART = 63
"""Sessions after which the running sums are computed anew, so that rounding errors do not accumulate."""


STACK_SIZE = 2**18
"""Entries of the matrices that are estimated at once: 2 MB in each array, which a processor's cache holds."""


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
        self._start = -1
        # By view: a strategy, a control and the metrics set need the matrix of the same close.
        self._estimates: dict[str, CorrelationEstimate] = {}

    def at(self, row: int, view: str) -> CorrelationEstimate:
        """Return the estimate at a row, equal to `CorrelationEstimator.estimate_window` of the window up to it."""
        if row != self._start:
            self._start, self._estimates = row, {}
        if view not in self._estimates:
            self._estimates[view] = self.estimator.estimate_window(self.window(row), view)
        return self._estimates[view]

    def matrix(self, row: int, view: str) -> np.ndarray:
        """Return the matrix of `at` alone."""
        return self.at(row, view).correlation

    def window(self, row: int) -> np.ndarray:
        """Return the rows that the estimate of a row depends on, of its assets."""
        window, live = self.z[max(0, row + 1 - self.estimator.lookback) : row + 1], self.live[row]
        return window if live.all() else window[:, live]


class SlidingMomentsCorrelation(SlidingCorrelation):
    """Estimates that are a function of pairwise moments, which are updated from row to row.

    If two rows in a row are requested, the rows after them are estimated in stacks, which takes a third of the
    time of single rows. Each matrix of a stack has the same bits as alone.

    Parameters
    ----------
    estimator, z, live
        As of `SlidingCorrelation`.
    moments : SlidingMoments
        Of z, under the estimator's weights.
    stacked : bool, default False
        Whether the estimator shrinks and adjusts stacks of matrices.
    """

    def __init__(
        self,
        estimator: WindowEstimator,
        z: np.ndarray,
        live: np.ndarray,
        moments: SlidingMoments,
        stacked: bool = False,
    ) -> None:
        super().__init__(estimator, z, live)
        self.moments, self.stacked = moments, stacked
        self._longest = min(RESTART, max(1, STACK_SIZE // max(1, z.shape[1]) ** 2)) if stacked else 1
        self._start = self._stop = 0
        self._shrunk: PairMoments | None = None

    def at(self, row: int, view: str) -> CorrelationEstimate:
        """Return the estimate at a row; rows are fastest in increasing order."""
        found = self._estimate(row, view)
        return found.at(row - self._start) if self.stacked else found

    def matrix(self, row: int, view: str) -> np.ndarray:
        """Return the matrix of `at` alone."""
        correlation = self._estimate(row, view).correlation
        return correlation[row - self._start] if self.stacked else correlation

    def _estimate(self, row: int, view: str) -> CorrelationEstimate:
        """Return the estimate of the stack that a row is in."""
        if not self._start <= row < self._stop:
            length = self._longest if row == self._stop else 1
            moments, self._stop = self.moments.stack(row, row + length, self.live)
            self._start, self._estimates = row, {}
            self._shrunk = self.estimator.shrink_moments(moments if self.stacked else moments.at(0))
        if view not in self._estimates:
            assert self._shrunk is not None
            self._estimates[view] = self.estimator.finish(self._shrunk, lambda matrix: self.adjust(matrix, view))
        return self._estimates[view]

    def adjust(self, correlation: np.ndarray, view: str) -> tuple[np.ndarray, dict[str, Any]]:
        """Adjust the matrices of the current rows for a view, by default from the window up to the row."""
        return self.estimator.adjust(correlation, self.window(self._start), view)


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
        self._is_used, self._is_complete = self._here.any(axis=1), self._here.all(axis=1)
        self._used = running_sum(self._is_used)
        self._tables = self._z**2, self._here.astype(float), (self._z != 0).astype(float)
        self._row = -1
        self._with_gaps = np.empty(0, dtype=int)
        self._products = np.empty((0, 0))
        self._pairs: list[_RunningProduct] = []

    def stack(self, row: int, limit: int, live: np.ndarray) -> tuple[PairMoments, int]:
        """Return the moments of the windows that end at a row and at rows after it, and the row after the last.

        The rows end before `limit`, the next restart, and the first row with other assets, or other assets with gaps.

        Parameters
        ----------
        row, limit : int
        live : ndarray of bool, shape (n_sessions, n_assets)
            Assets at each row.

        Returns
        -------
        moments : PairMoments of arrays of shape (n_rows, n_live, n_live)
        stop : int
        """
        self._move_to(row)
        rows = np.arange(row, min(limit, row - row % RESTART + RESTART, len(self._z)))
        begin = np.maximum(rows + 1 - self._window, 0)
        full = self._present[rows + 1] - self._present[begin] == (self._used[rows + 1] - self._used[begin])[:, None]
        other = ((full != full[0]) | (live[rows] != live[row])).any(axis=1)
        rows = rows[: int(other.argmax()) if other.any() else len(rows)]
        kept = np.flatnonzero(live[row])
        gaps = np.flatnonzero(~full[0, kept])
        products, pairs = self._stacked(len(rows), kept, gaps)
        seen = (self._nonzero[rows + 1] > self._nonzero[begin[: len(rows)]])[:, kept]
        observations = [
            self._effective_rows(first, last + 1) for first, last in zip(begin.tolist(), rows.tolist(), strict=False)
        ]
        return _moments(products, pairs, seen, gaps, np.array(observations)), int(rows[-1]) + 1

    def _stacked(self, count: int, kept: np.ndarray, gaps: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the sums of products, and the sums of pairs with gaps, at the current row and the rows after it."""
        products, place = [], np.searchsorted(self._with_gaps, kept[gaps])
        pairs: list[list[np.ndarray]] = [[] for _ in self._pairs]
        is_whole = len(kept) == len(self._products)
        for row in range(count):
            if row:
                self._step()
            products.append(self._products.copy() if is_whole else self._products.take(kept, 0).take(kept, 1))
            for stack, pair in zip(pairs, self._pairs, strict=True):
                stack.append(pair.values.take(place, 0).take(kept, 1))
        return _stack(products), [_stack(stack) for stack in pairs]

    def _effective_rows(self, begin: int, stop: int) -> float:
        """Effective sample size (Kish) of the rows of a window on which any asset is there."""
        if self._used[stop] - self._used[begin] == self._window:
            return self._full_window
        return effective_size(self._weights[-(stop - begin) :][self._is_used[begin:stop]])

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
        if self._is_used[self._row] and not self._is_complete[self._row]:
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
        (squares, here, nonzero), decay = self._tables, self._decay
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


def _stack(matrices: list[np.ndarray]) -> np.ndarray:
    return matrices[0][None] if len(matrices) == 1 else np.stack(matrices)


def _moments(
    products: np.ndarray, pairs: list[np.ndarray], seen: np.ndarray, gaps: np.ndarray, number: np.ndarray
) -> PairMoments:
    """Correlations and observations, from sums of products, which are overwritten, and sums over pairs with gaps."""
    with np.errstate(divide="ignore"):
        inverse = 1 / np.sqrt(np.maximum(np.einsum("tii->ti", products) * seen, 0.0))
    inverse[~np.isfinite(inverse)] = np.nan
    missing, with_gaps = np.isnan(inverse), products.take(gaps, 1)
    correlation = np.multiply(products, inverse[:, :, None], out=products)
    correlation *= inverse[:, None, :]
    observations = np.broadcast_to(number[:, None, None], correlation.shape)
    if missing.any() or len(gaps):
        observations = observations.copy()
        observations[missing] = observations.swapaxes(1, 2)[missing] = 0.0
    if len(gaps):
        _fill_gaps(correlation, observations, with_gaps, gaps, pairs)
    return PairMoments(np.clip(correlation, -1.0, 1.0, out=correlation), observations)


def _fill_gaps(
    correlation: np.ndarray,
    observations: np.ndarray,
    products: np.ndarray,
    gaps: np.ndarray,
    pairs: list[np.ndarray],
) -> None:
    """Overwrite the pairs of assets with gaps, given their sums of products, by moments over the rows they share."""
    own, other, total, squared, own_seen, other_seen = pairs
    seen = (own_seen > 0) & (other_seen > 0)
    scale = np.sqrt(np.where(seen, own * other, 1.0))
    rho = np.where(seen, products / scale, np.nan)
    number = np.where(seen, total**2 / np.where(seen, squared, 1.0), 0.0)
    correlation[:, gaps], correlation[:, :, gaps] = rho, rho.swapaxes(1, 2)
    observations[:, gaps], observations[:, :, gaps] = number, number.swapaxes(1, 2)


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
    rows = slice(row, row + 1) if row < window else slice(row - window, row + 1, window)
    entering = left[rows]
    if row >= window:
        entering = entering * np.array([[-(decay**window)], [1.0]])
    # BLAS is column-major: the transpose of a C-ordered array is updated where it lies.
    dgemm(1.0, right[rows].T, entering, beta=decay, c=values.T, overwrite_c=True)


def effective_size(weights: np.ndarray) -> float:
    """Return Kish's effective sample size, the squared sum of weights over the sum of squares."""
    return float(weights.sum()) ** 2 / float(weights @ weights) if len(weights) else 0.0


def running_sum(values: np.ndarray) -> np.ndarray:
    """Cumulative sum along the rows with a first row of zeros: windows are differences of two rows."""
    dtype = int if values.dtype == bool else float
    total = np.zeros((len(values) + 1, *values.shape[1:]), dtype=dtype)
    np.cumsum(values, axis=0, out=total[1:])
    return total
