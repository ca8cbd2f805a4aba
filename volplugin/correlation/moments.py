"""Weighted second moments of each pair of assets, over the sessions that both have."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

NOTHING: Mapping[str, Any] = MappingProxyType({})


class PairMoments(NamedTuple):
    """An estimate of each pair's correlation, and how much it rests on; or a stack, with a first axis of rows."""

    correlation: np.ndarray
    """Shape (n_assets, n_assets); NaN where a pair was never seen together."""
    observations: np.ndarray
    """Effective number of joint observations (Kish), of the same shape."""
    estimated_params: Mapping[str, Any] = NOTHING
    """Parameters that the estimator chose from the data, by name."""
    fallbacks: Mapping[str, str] = NOTHING
    """Fallbacks: by estimator, the replacement used and for how many assets."""

    def at(self, place: int) -> PairMoments:
        """Return one row of a stack."""
        return self._replace(correlation=self.correlation[place], observations=self.observations[place])


def session_weights(n_sessions: int, halflife: float | None = None) -> np.ndarray:
    """Weight of each session, the last one 1: all equal, or halved every `halflife` sessions into the past."""
    if halflife is None:
        return np.ones(n_sessions)
    return 0.5 ** (np.arange(n_sessions)[::-1] / halflife)


def weighted_moments(z: np.ndarray, weights: np.ndarray) -> PairMoments:
    """Pairwise-complete weighted correlation about zero (devolatilised returns have no drift to speak of).

    Parameters
    ----------
    z : ndarray of shape (n_sessions, n_assets)
        NaN where missing.
    weights : ndarray of shape (n_sessions,)
        Nonnegative weight of each session.
    """
    here = np.isfinite(z)
    complete = bool(here.all())
    used = here.any(axis=1)
    if not used.all():
        z, here, weights = z[used], here[used], weights[used]
    known = (z if complete else np.where(here, z, 0.0)) * np.sqrt(weights)[:, None]
    products = known.T @ known
    # Each asset's squares over the sessions that it shares with the other: all sessions without a gap.
    squares = np.repeat(np.diagonal(products)[:, None], len(products), axis=1)
    if not complete:
        gaps = ~here.all(axis=0)
        squares[:, gaps] = (known**2).T @ here[:, gaps]
    scale = np.sqrt(squares * squares.T)
    total, total_squared = joint_weights(here, weights), joint_weights(here, weights**2)
    seen = (scale > 0) & (total_squared > 0)
    correlation = np.where(seen, products / np.where(seen, scale, 1.0), np.nan)
    observations = np.where(seen, total**2 / np.where(seen, total_squared, 1.0), 0.0)
    return PairMoments(np.clip(correlation, -1.0, 1.0), observations)


def joint_weights(here: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Total weight of the sessions on which two assets are both there, of shape (n_assets, n_assets)."""
    total = np.full((here.shape[1], here.shape[1]), weights.sum())
    if here.all():
        return total
    gaps = ~here.all(axis=0)
    partial = here[:, gaps].astype(float)
    weighted = weights[:, None] * partial
    total[:, gaps] = weighted.sum(axis=0)
    total[gaps, :] = total[:, gaps].T
    total[np.ix_(gaps, gaps)] = weighted.T @ partial
    return total


def to_unit_variance(z: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Scale each asset to mean square one, so that none weighs more for a biased forecast of its volatility."""
    weights = np.ones(len(z)) if weights is None else weights
    here = np.isfinite(z)
    if here.all():
        scale = np.sqrt(weights @ z**2 / weights.sum()) if len(z) else np.zeros(z.shape[1])
    else:
        total = weights @ here
        scale = np.sqrt(weights @ np.where(here, z, 0.0) ** 2 / np.where(total > 0, total, 1.0))
    return z / np.where(scale > 0, scale, 1.0)
