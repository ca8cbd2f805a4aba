"""Correlations at successive sessions of one array, each from the rows up to its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg.blas import dgemm

from volplugin.correlation.estimate import CorrelationEstimate, WindowEstimator
from volplugin.correlation.moments import PairMoments

RESTART = 126
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
            self._start, self._estimates, self._shrunk = row, {}, None
            moments, self._stop = self.moments.stack(row, row + length)
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
    live : ndarray of bool, shape (n_sessions, n_assets)
        Assets at each row.
    window : int
        Rows.
    halflife : float, optional
        Rows after which a row counts half; all rows of the window count the same if not given.
    """

    def __init__(self, z: np.ndarray, live: np.ndarray, window: int, halflife: float | None = None) -> None:
        here = np.isfinite(z)
        self._z, self._live, self._window = np.where(here, z, 0.0), live, window
        self._decay = 1.0 if halflife is None else 0.5 ** (1 / halflife)
        self._weights = self._decay ** np.arange(window)[::-1]
        leaving = self._decay ** (window / 2)
        self._scale = np.array([[[-leaving], [1.0]], [[leaving], [1.0]]])
        self._full_window = effective_size(self._weights)
        # By counts, so that rounding cannot hide "never seen".
        self._seen, self._is_used = window_sum(self._z != 0, window) > 0, here.any(axis=1)
        self._used = window_sum(self._is_used, window)
        self._gaps = live & (window_sum(here, window) < self._used[:, None])
        changed = (self._gaps[1:] != self._gaps[:-1]) | (live[1:] != live[:-1])
        self._is_change = [False, *changed.any(axis=1).tolist(), True]
        self._row, self._products = -1, np.empty((0, 0))
        self._shared = _SharedSums(self._z, here, window, self._decay)

    def stack(self, row: int, limit: int) -> tuple[PairMoments, int]:
        """Return the moments of the windows that end at a row and at rows after it, and the row after the last.

        The rows end before `limit`, the next restart, and the first row with other assets, or other assets with gaps.
        """
        self._move_to(row)
        stop = min(limit, row - row % RESTART + RESTART, self._is_change.index(True, row + 1))
        kept = np.flatnonzero(self._live[row])
        gaps = np.flatnonzero(self._gaps[row, kept])
        products, shared = [self._taken(kept)], [self._shared.of(kept[gaps], kept)]
        for _ in range(row + 1, stop):
            self._step()
            products.append(self._taken(kept))
            shared.append(self._shared.of(kept[gaps], kept))
        sums = [_stack(matrices) for matrices in zip(*shared, strict=True)]
        number = np.array([self._effective_rows(last) for last in range(row, stop)])
        return _moments(_stack(products), sums, self._seen[row:stop, kept], gaps, number), stop

    def _taken(self, assets: np.ndarray) -> np.ndarray:
        is_whole = len(assets) == len(self._products)
        return self._products.copy() if is_whole else self._products.take(assets, 0).take(assets, 1)

    def _effective_rows(self, row: int) -> float:
        """Effective sample size (Kish) of the rows of a window on which any asset is there."""
        begin, stop = max(0, row + 1 - self._window), row + 1
        if self._used[row] == self._window:
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
        self._products, self._row = known.T @ known, row
        self._shared.clear()
        self._shared.add(self._gaps[row], row)

    def _step(self) -> None:
        """Add the next row and subtract the one that leaves the window, in one product of rank two."""
        self._row += 1
        # Both sides are scaled alike, so that the sums stay symmetric.
        moved = _moved(self._z, self._row, self._window)
        left, right = moved * self._scale[:, -len(moved) :]
        _update(self._products, left, right, self._decay)
        self._shared.step(self._row)
        if self._is_change[self._row]:
            self._shared.add(self._gaps[self._row], self._row)


class _SharedSums:
    """Weighted sums over the rows of a window on which an asset with gaps is there, for each such asset.

    By column, of the other asset: its squares, its rows, its rows under squared weights, its rows that are not zero.
    """

    def __init__(self, z: np.ndarray, here: np.ndarray, window: int, decay: float) -> None:
        self._here, self._window = here.astype(float), window
        tables = z**2, self._here, self._here, (z != 0).astype(float)
        decays = decay, decay, decay**2, 1.0
        scales = [np.array([[-(one**window)], [1.0]]) for one in decays]
        self._tables = list(zip(tables, decays, scales, strict=True))
        self._place = np.zeros(z.shape[1], dtype=int)

    def clear(self) -> None:
        """Remove the assets."""
        self._assets = np.empty(0, dtype=int)
        self._values = [self._here[:0]] * len(self._tables)

    def add(self, has_gaps: np.ndarray, row: int) -> None:
        """Begin the sums, up to a row, of assets that miss a row for the first time."""
        assets = np.setdiff1d(np.flatnonzero(has_gaps), self._assets)
        begin, stop = max(0, row + 1 - self._window), row + 1
        left = self._here[begin:stop, assets]
        left = left[left.any(axis=1).cumsum() > 0]  # rows before all of their listings add nothing
        added = []
        for right, decay, _ in self._tables:
            weights = decay ** np.arange(len(left))[::-1]
            added.append((weights[:, None] * left).T @ right[stop - len(left) : stop])
        self._place[assets] = np.arange(len(assets)) + len(self._assets)
        self._assets = np.concatenate([self._assets, assets])
        self._values = [np.concatenate(pair) for pair in zip(self._values, added, strict=True)]

    def step(self, row: int) -> None:
        """Add a row and subtract the one that leaves the window."""
        if len(self._assets):
            here = _moved(self._here, row, self._window).take(self._assets, 1)
            for values, (right, decay, scale) in zip(self._values, self._tables, strict=True):
                _update(values, here * scale[-len(here) :], _moved(right, row, self._window), decay)

    def of(self, gaps: np.ndarray, others: np.ndarray) -> list[np.ndarray]:
        """Return the sums of assets with gaps: with others, with each other, with each other, with others."""
        if not len(gaps):
            return []
        place, columns = self._place[gaps], (others, gaps, gaps, others)
        return [values.take(place, 0).take(taken, 1) for values, taken in zip(self._values, columns, strict=True)]


def _stack(matrices: Sequence[np.ndarray]) -> np.ndarray:
    return matrices[0][None] if len(matrices) == 1 else np.stack(matrices)


def _moments(
    products: np.ndarray, sums: list[np.ndarray], seen: np.ndarray, gaps: np.ndarray, number: np.ndarray
) -> PairMoments:
    """Correlations and observations, from sums of products, which are overwritten, and sums over pairs with gaps."""
    squares = np.where(seen, np.einsum("tii->ti", products), 0.0)
    with np.errstate(divide="ignore"):
        inverse = 1 / np.sqrt(np.maximum(squares, 0.0))
    inverse[~np.isfinite(inverse)] = np.nan
    missing, with_gaps = np.isnan(inverse), products.take(gaps, 1)
    correlation = np.multiply(products, inverse[:, :, None] * inverse[:, None, :], out=products)
    observations = np.broadcast_to(number[:, None, None], correlation.shape)
    if missing.any() or len(gaps):
        observations = observations.copy()
        observations[missing] = observations.swapaxes(1, 2)[missing] = 0.0
    if len(gaps):
        rho, shared = _of_gaps(with_gaps, squares[:, gaps], gaps, *sums)
        correlation[:, gaps], correlation[:, :, gaps] = rho, rho.swapaxes(1, 2)
        observations[:, gaps], observations[:, :, gaps] = shared, shared.swapaxes(1, 2)
    return PairMoments(np.clip(correlation, -1.0, 1.0, out=correlation), observations)


def _of_gaps(products: np.ndarray, squares: np.ndarray, gaps: np.ndarray, *sums: np.ndarray) -> tuple[Any, Any]:
    """Correlations and observations of assets with gaps, over the rows that they share with each asset.

    Assets without gaps are there on all rows of the others.
    """
    other, total, squared, nonzero = sums
    own = np.repeat(squares[:, :, None], products.shape[2], axis=2)
    own[:, :, gaps] = other[:, :, gaps].swapaxes(1, 2)
    unseen = (nonzero == 0) | (squares == 0)[:, :, None]
    unseen[:, :, gaps] |= unseen[:, :, gaps].swapaxes(1, 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        rho, among = products / np.sqrt(own * other), total**2 / squared
    number = np.repeat(np.einsum("tii->ti", among)[:, :, None], products.shape[2], axis=2)
    number[:, :, gaps] = (among + among.swapaxes(1, 2)) / 2  # sums begun at different rows differ by rounding
    rho[unseen], number[unseen] = np.nan, 0.0
    return rho, number


def _moved(values: np.ndarray, row: int, window: int) -> np.ndarray:
    """Return the row that leaves the window, if there is one, and the row that enters."""
    return values[row : row + 1] if row < window else values[row - window : row + 1 : window]


def _update(sums: np.ndarray, left: np.ndarray, right: np.ndarray, decay: float) -> None:
    """Multiply by the decay and add ``left' right``, in place."""
    # BLAS is column-major: the transpose of a C-ordered array is updated where it lies.
    dgemm(1.0, right.T, left, beta=decay, c=sums.T, overwrite_c=True)


def effective_size(weights: np.ndarray) -> float:
    """Return Kish's effective sample size, the squared sum of weights over the sum of squares."""
    return float(weights.sum()) ** 2 / float(weights @ weights) if len(weights) else 0.0


def window_sum(values: np.ndarray, window: int) -> np.ndarray:
    """Sum of the rows of the window that ends at each row; exact for counts."""
    total = np.cumsum(values, axis=0, dtype=np.int32 if values.dtype == bool else float)
    sums = total.copy()
    sums[window:] -= total[:-window]
    return sums
