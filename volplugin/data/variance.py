"""Daily variance proxies from one bar, less noisy than squared returns."""

from __future__ import annotations

import numpy as np

VARIANCE_FLOOR = 1e-6
"""Smallest daily variance proxy: a bar without a move does not mean that risk is zero."""


def daily_variance(
    previous_close: np.ndarray,
    close: np.ndarray,
    open: np.ndarray | None = None,
    high: np.ndarray | None = None,
    low: np.ndarray | None = None,
) -> np.ndarray:
    """Squared overnight return plus Garman-Klass; the squared return for closes alone.

    ``v = ln(O/C')^2 + 0.5 ln(H/L)^2 - (2 ln 2 - 1) ln(C/O)^2``, with H and L widened to bracket the
    open and the close, floored at `VARIANCE_FLOOR`.

    Parameters
    ----------
    previous_close, close, open, high, low : ndarray of shape (n_sessions, n_assets)
        Adjusted prices; NaN where there is no bar.

    Returns
    -------
    ndarray of shape (n_sessions, n_assets)
        Daily variance; NaN on a first or missing bar.

    References
    ----------
    Garman and Klass (1980), On the Estimation of Security Price Volatilities from Historical Data,
    Journal of Business 53, eq. 20; the overnight term as in Yang and Zhang (2000).
    """
    if open is None or high is None or low is None:
        variance = np.log(close / previous_close) ** 2
    else:
        top = np.maximum(high, np.maximum(open, close))
        bottom = np.minimum(low, np.minimum(open, close))
        overnight = np.log(open / previous_close)
        intraday = 0.5 * np.log(top / bottom) ** 2 - (2 * np.log(2) - 1) * np.log(close / open) ** 2
        variance = overnight**2 + intraday
    return np.maximum(variance, VARIANCE_FLOOR)
