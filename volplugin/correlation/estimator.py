"""Any scikit-learn style covariance estimator as a correlation estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone

from volplugin.correlation.base import WindowedCorrelation
from volplugin.correlation.moments import PairMoments, to_unit_variance
from volplugin.correlation.repair import to_unit_diagonal
from volplugin.errors import ParameterError

FULL = 0.9
"""Share of the sessions of the window on which an asset must be there to be handed to the estimator."""


class EstimatorCorrelation(WindowedCorrelation):
    """Correlation by an estimator with ``fit(X)`` and ``covariance_``, such as scikit-learn's and skfolio's.

    Parameters
    ----------
    estimator : estimator
        Unfitted; a clone of it is fitted at each estimate.
    window : int, default 504
        Sessions.

    Notes
    -----
    The estimator gets the assets with returns on nine in ten sessions of the window, on the sessions that they have
    in common, each scaled to mean square one. Pairs with an asset of shorter history get their pairwise
    correlation, shrunk to the average; ``fallbacks`` has the number of these assets, and
    whether the estimator raised an error or returned no finite covariance, so that all pairs are pairwise.

    Examples
    --------
    >>> from sklearn.covariance import OAS
    >>> from volplugin import EstimatorCorrelation
    >>> EstimatorCorrelation(OAS(assume_centered=True), window=504).lookback
    504
    """

    def __init__(self, estimator: Any, window: int = 504) -> None:
        super().__init__(window)
        self.estimator = estimator

    def _estimate(self, z: np.ndarray) -> PairMoments:
        if isinstance(self.estimator, type) or not hasattr(self.estimator, "fit"):
            raise ParameterError(f"estimator is {self.estimator!r}; pass one of scikit-learn, such as OAS()")
        moments = self._moments(z)
        full, sample = common_sample(z)
        if len(sample) < 2 or full.sum() < 2:
            return moments._replace(fallbacks={self._name: "no sample in common: pairwise correlations"})
        try:
            covariance = np.asarray(clone(self.estimator).fit(to_unit_variance(sample)).covariance_, dtype=float)
        except Exception as error:  # estimators of other packages refuse a sample by errors of any kind
            if type(error).__name__ == "InvalidParameterError":  # scikit-learn's: the parameters, not the sample
                raise
            return moments._replace(fallbacks={self._name: f"{error or type(error).__name__}: pairwise correlations"})
        if (
            covariance.shape != (full.sum(),) * 2
            or not np.isfinite(covariance).all()
            or (np.diag(covariance) <= 0).any()
        ):
            return moments._replace(fallbacks={self._name: "not a finite covariance: pairwise correlations"})
        correlation = moments.correlation.copy()
        correlation[np.ix_(full, full)] = to_unit_diagonal(covariance)
        short = int((~full).sum())
        fallbacks = (
            {self._name: f"{short} of {len(full)} assets of shorter history: pairwise correlations"} if short else {}
        )
        return moments._replace(correlation=correlation, fallbacks=fallbacks)

    @property
    def _name(self) -> str:
        return type(self.estimator).__name__


def common_sample(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which assets are there on most sessions, and z of these on the sessions that they have in common."""
    here = np.isfinite(z)
    sessions = here.any(axis=1).sum()
    full = (here.sum(axis=0) >= FULL * sessions) & (sessions > 0)
    return full, z[:, full][here[:, full].all(axis=1)]
