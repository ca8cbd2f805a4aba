"""The interface of every correlation estimator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from volplugin.correlation.estimate import CorrelationEstimate
from volplugin.correlation.moments import PairMoments, session_weights, weighted_moments
from volplugin.correlation.repair import nearest_correlation, shrink_by_observations
from volplugin.correlation.sliding import SlidingCorrelation, SlidingMoments, SlidingMomentsCorrelation
from volplugin.data.checks import as_floats
from volplugin.errors import ParameterError, require_type
from volplugin.units import as_number

VIEWS = ("risk", "structure", "targeting")

Adjustment = Callable[[np.ndarray], tuple[np.ndarray, dict[str, Any]]]
"""Maps a matrix to the adjusted one and the parameters estimated for it."""


class CorrelationEstimator(BaseEstimator, ABC):
    """Estimates the correlation of standardized returns, z = r / sigma.

    A subclass implements ``lookback`` and ``_estimate``. `fit` does not exist: the matrix is a function of the last
    `lookback` rows of z alone. Missing rows are never filled: each pair uses the sessions on which both are there.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from volplugin import EWMACorrelation
    >>> z = pd.DataFrame(np.random.default_rng(0).standard_normal((500, 3)), columns=["A", "B", "C"])
    >>> EWMACorrelation(halflife=126).estimate(z).shape
    (3, 3)
    """

    @property
    @abstractmethod
    def lookback(self) -> int:
        """Rows of z that the estimate depends on."""

    @abstractmethod
    def _estimate(self, z: np.ndarray) -> PairMoments:
        """Pairwise moments of z, an array of shape (n_sessions, n_assets) with NaN where missing."""

    def _adjust(self, correlation: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        """Adjust the matrix for total risk, by default not at all; return it with the parameters estimated."""
        return correlation, {}

    def _adjust_for_targeting(self, correlation: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        """Adjust the matrix for the leverage of a portfolio, by default as for total risk."""
        return self._adjust(correlation, z)

    def estimate(self, z: pd.DataFrame, view: str = "risk") -> pd.DataFrame:
        """Return the correlation matrix of the columns of z; parameters and errors as of `diagnose`."""
        return self.diagnose(z, view)[0]

    def diagnose(self, z: pd.DataFrame, view: str = "risk") -> tuple[pd.DataFrame, dict[str, Any]]:
        """Return the correlation matrix and its diagnostics.

        Parameters
        ----------
        z : DataFrame of shape (n_sessions, n_assets)
            Standardized returns, NaN where missing.
        view : {"risk", "structure", "targeting"}, default "risk"
            For total risk, for an optimiser, or for the leverage that holds a target; the same for most estimators.

        Returns
        -------
        correlation : DataFrame of shape (n_assets, n_assets)
            Positive semi-definite, with a diagonal of ones.
        diagnostics : dict
            ``condition_number``; ``psd_repair``, the largest change of an entry that made the matrix positive
            semi-definite; ``average_correlation``; ``observations``, the effective sample size of the pair with the
            fewest; ``scarce``, the effective sample size of each asset with less than half of the largest; ``chosen``,
            estimated parameters by name; ``fallbacks``, what replaced a step that was not possible.

        Raises
        ------
        ParameterError
            For another view, and for parameters outside their domain.
        """
        z = _checked(z)
        # In one memory order: that of pandas' results varies, and with it the last bit of sums.
        estimate = self.estimate_window(np.ascontiguousarray(z.tail(self.lookback).to_numpy(dtype=float)), view)
        matrix = pd.DataFrame(estimate.correlation, index=z.columns, columns=z.columns)
        return matrix, estimate.diagnostics(z.columns)

    def estimate_window(self, z: np.ndarray, view: str = "risk") -> CorrelationEstimate:
        """Estimate from an array of at most `lookback` rows, as `diagnose` does."""
        return self.finish(self._estimate(z), lambda matrix: self.adjust(matrix, z, view))

    def adjust(self, correlation: np.ndarray, z: np.ndarray, view: str) -> tuple[np.ndarray, dict[str, Any]]:
        """Adjust a matrix for a view; "structure" is the matrix itself."""
        check_view(view)
        if view == "structure":
            return correlation, {}
        return self._adjust(correlation, z) if view == "risk" else self._adjust_for_targeting(correlation, z)

    def finish(self, moments: PairMoments, adjust: Adjustment) -> CorrelationEstimate:
        """Make a correlation matrix of estimated moments: shrink by observations, adjust, repair."""
        matrix, adjusted = adjust(shrink_by_observations(moments))
        matrix, repair = nearest_correlation(matrix, moments.observations)
        return CorrelationEstimate(matrix, repair, moments, {**moments.estimated_params, **adjusted})

    def average_observations(self, observations: float, view: str = "risk") -> float:
        """Effective number of sessions behind the average correlation, given the one behind each pair."""
        return observations

    def shrink_moments(self, moments: PairMoments) -> PairMoments:
        """Apply the estimator's own shrinkage to plain moments, by default none."""
        return moments

    def sliding(self, z: np.ndarray, live: np.ndarray) -> SlidingCorrelation:
        """Return the estimates at successive rows of one array.

        Estimators that are a function of weighted moments update them from row to row; others estimate each row from
        its own window. Both give the estimate that `estimate_window` gives for the window.

        Parameters
        ----------
        z : ndarray of shape (n_sessions, n_assets)
            Standardized returns, NaN where missing.
        live : ndarray of bool, shape (n_sessions, n_assets)
            Assets of the matrix at each row.
        """
        return SlidingCorrelation(self, z, live)


def check_estimator(estimator: CorrelationEstimator) -> CorrelationEstimator:
    """Return an estimator; raise ParameterError for anything else."""
    return require_type(estimator, CorrelationEstimator, "the correlation")


def check_view(view: str) -> None:
    """Raise ParameterError for an unknown view."""
    if not isinstance(view, str) or view not in VIEWS:
        raise ParameterError(f"view is {view!r}; pass one of {', '.join(VIEWS)}")


class MomentsCorrelation(CorrelationEstimator):
    """Base of estimators that are a function of pairwise moments: subclasses implement `shrink_moments`.

    The moments of successive windows are updated instead of computed anew (`sliding`), unless a subclass overrides
    ``_estimate`` and so depends on more than the moments.
    """

    @property
    def _halflife(self) -> float | None:
        """Sessions after which a session counts half; None for equal weights."""
        return None

    def _estimate(self, z: np.ndarray) -> PairMoments:
        return self.shrink_moments(weighted_moments(z, session_weights(len(z), self._halflife)))

    def sliding(self, z: np.ndarray, live: np.ndarray) -> SlidingCorrelation:
        """Return the estimates at successive rows of one array, as of `CorrelationEstimator.sliding`."""
        if type(self)._estimate is not MomentsCorrelation._estimate:
            return super().sliding(z, live)
        moments = SlidingMoments(z, live, self.lookback, self._halflife)
        # Not inherited: a subclass may shrink or adjust single matrices only.
        stacked = bool(vars(type(self)).get("_stacked", False))
        return SlidingMomentsCorrelation(self, z, live, moments, stacked)


class WindowedCorrelation(MomentsCorrelation):
    """Base of estimators over the last `window` sessions, weighted equally or exponentially.

    Parameters
    ----------
    window : int, default 504
        Sessions.
    halflife : float, optional
        Sessions after which a session counts half; all sessions of the window count the same if not given.
    """

    def __init__(self, window: int = 504, halflife: float | None = None) -> None:
        self.window = window
        self.halflife = halflife

    @property
    def lookback(self) -> int:
        """Rows of z that the estimate depends on.

        Raises
        ------
        ParameterError
            If the window is shorter than 2 sessions, or the half-life is not positive.
        """
        if not as_number(self.window) >= 2:
            raise ParameterError(f"window is {self.window}; pass at least 2 sessions")
        if self.halflife is not None and not as_number(self.halflife) > 0:
            raise ParameterError(f"halflife is {self.halflife}; pass a number of sessions above zero, or None")
        return self.window

    @property
    def _halflife(self) -> float | None:
        return self.halflife

    def _moments(self, z: np.ndarray) -> PairMoments:
        """Plain pairwise moments under the weights of the window."""
        return weighted_moments(z, session_weights(len(z), self.halflife))


def _checked(z: pd.DataFrame) -> pd.DataFrame:
    if require_type(z, pd.DataFrame, "z").to_numpy().dtype != np.float64:
        z = as_floats(z, "z", ParameterError)
    if not len(z.columns) or z.columns.has_duplicates:
        raise ParameterError("z has no column, or two of one name; pass one column per asset")
    if not z.index.is_monotonic_increasing:
        raise ParameterError("the sessions of z are not in order; sort them")
    large = np.argwhere(np.abs(z.to_numpy()) > 1e100)  # infinite values, and those whose squares would be
    if len(large):
        row, column = large[0]
        raise ParameterError(
            f"z of {z.columns[column]} at {z.index[row]} is {z.iat[row, column]:g}; pass standardized returns"
        )
    return z
