"""What forecasters learn: the variance of the sessions to come, on the close-to-close scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from volplugin.panel import PricePanel
from volplugin.volatility.windows import forward_mean


def close_to_close_ratio(panel: PricePanel) -> float:
    """Mean squared return over mean daily variance proxy: what takes the proxy to the close-to-close scale."""
    squared, proxy = panel.returns.to_numpy() ** 2, panel.variance.to_numpy()
    both = np.isfinite(squared) & np.isfinite(proxy)
    return float(squared[both].mean() / proxy[both].mean())


def forward_variance(panel: PricePanel, horizons: Sequence[int], ratio: float) -> np.ndarray:
    """Mean over the next h sessions of ``0.5 (r^2 + ratio v)``: the target, less noisy than r^2 alone.

    Returns
    -------
    ndarray of shape (n_sessions, n_assets, n_horizons)
        NaN where a session of the horizon is missing or lies beyond the panel.
    """
    daily = 0.5 * (panel.returns.to_numpy() ** 2 + ratio * panel.variance.to_numpy())
    return np.stack([forward_mean(daily, horizon) for horizon in horizons], axis=-1)


def purged(y: np.ndarray, horizons: Sequence[int]) -> np.ndarray:
    """Drop the targets of a table's end that would be known only after it.

    Parameters
    ----------
    y : ndarray of shape (n_sessions, n_assets, n_horizons)
        Cut from a longer table, so that its last rows may reach beyond the cut.
    horizons : sequence of int
        In sessions.
    """
    kept = y.copy()
    for column, horizon in enumerate(horizons):
        kept[max(len(y) - horizon, 0) :, :, column] = np.nan
    return kept


def rescale(target: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    """Return the factor by horizon that makes ``mean(target / forecast)`` one (Jensen's correction, QLIKE's optimum).

    Parameters
    ----------
    target, forecast : ndarray of shape (..., n_horizons)
        Variances; pairs with a NaN are left out.
    """
    quotient = (target / forecast).reshape(-1, target.shape[-1])
    return np.nanmean(quotient, axis=0)
