"""Least squares on logs: the linear part of every pooled model."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LinearRegression

from volplugin.volatility.targets import rescale

MINIMUM_ROWS = 120
"""Days with every regressor and target that a regression needs."""


def regress_logs(x: np.ndarray, y: np.ndarray) -> np.ndarray | None:
    """Least squares of log y on x, one regression a horizon, over rows without a NaN.

    Parameters
    ----------
    x : ndarray of shape (n_sessions, n_assets, n_regressors)
    y : ndarray of shape (n_sessions, n_assets, n_horizons)

    Returns
    -------
    ndarray of shape (n_regressors + 2, n_horizons), or None
        Intercept, slopes, and the factor that makes ``mean(y / forecast)`` one; None for too few rows.
    """
    rows = np.isfinite(x).all(axis=-1)
    columns = []
    for knot in range(y.shape[-1]):
        usable = rows & np.isfinite(y[..., knot])
        if usable.sum() < MINIMUM_ROWS:
            return None
        features, target = x[usable], y[..., knot][usable]
        line = LinearRegression().fit(features, np.log(target))
        factor = rescale(target[:, None], np.exp(line.predict(features))[:, None])[0]
        columns.append(np.concatenate([[line.intercept_], line.coef_, [factor]]))
    return np.stack(columns, axis=-1)


def forecast_ratio(table: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Forward variance relative to the slow level, by a table of `regress_logs`."""
    return np.exp(x @ table[1:-1] + table[0]) * table[-1]
