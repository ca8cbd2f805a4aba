"""Least squares on logs: the linear part of every pooled model.

Sums of products are gathered a few sessions at a time, in double precision, so that memory does not grow with the
table, which may be of single precision.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

MINIMUM_ROWS = 120
"""Least number of rows with every regressor and target."""

AT_ONCE = 50_000
"""Rows of a table, one per session and asset, processed at once."""

DEPENDENT = 1e-12
"""Share of the largest eigenvalue below which a direction of the regressors is treated as collinear."""


def regress_logs(x: np.ndarray, y: np.ndarray) -> np.ndarray | None:
    """Least squares of log y on x, one regression per horizon, over rows without NaN.

    With collinear regressors the slopes have the smallest norm (pseudo-inverse).

    Parameters
    ----------
    x : ndarray of shape (n_sessions, n_assets, n_regressors)
    y : ndarray of shape (n_sessions, n_assets, n_horizons)

    Returns
    -------
    ndarray of shape (n_regressors + 2, n_horizons), or None
        Intercept, slopes, and the factor that makes ``mean(y / forecast)`` one; None for too few rows.
    """
    columns = []
    for target in np.moveaxis(y, -1, 0):
        line = solve(log_moments(x, target))
        if line is None:
            return None
        columns.append(np.append(line, mean_ratio(x, target, line)))
    return np.stack(columns, axis=-1)


def log_moments(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sum the products of one, each regressor and log y over rows without a NaN: the moments of a regression.

    Parameters
    ----------
    x : ndarray of shape (n_sessions, n_assets, n_regressors)
    y : ndarray of shape (n_sessions, n_assets)

    Returns
    -------
    ndarray of shape (n_regressors + 2, n_regressors + 2)
        Additive: the moments of concatenated tables are the sum of the tables' moments.
    """
    total = np.zeros((x.shape[-1] + 2,) * 2)
    for features, target in _usable(x, y):
        rows = np.column_stack([np.ones(len(target)), features, np.log(target)])
        total += rows.T @ rows
    return total


def solve(moments: np.ndarray) -> np.ndarray | None:
    """Return intercept and slopes from `log_moments`, of shape (n_regressors + 1,); None for too few rows."""
    count = moments[0, 0]
    if count < MINIMUM_ROWS:
        return None
    means = moments[0, 1:] / count
    centred = moments[1:, 1:] / count - np.outer(means, means)
    slopes = np.linalg.pinv(centred[:-1, :-1], rcond=DEPENDENT, hermitian=True) @ centred[:-1, -1]
    return np.concatenate([[means[-1] - means[:-1] @ slopes], slopes])


def mean_ratio(x: np.ndarray, y: np.ndarray, line: np.ndarray) -> float:
    """Mean of ``y / forecast`` over rows without a NaN, by intercept and slopes (Jensen's correction)."""
    total = count = 0.0
    for features, target in _usable(x, y):
        total += float((target / np.exp(features @ line[1:] + line[0])).sum())
        count += len(target)
    return total / count


def forecast_ratio(table: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Forward variance relative to the slow level, by a table of `regress_logs`."""
    return np.exp(x @ table[1:-1] + table[0]) * table[-1]


def _usable(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows without a NaN, a few sessions at a time, in double precision."""
    step = max(1, AT_ONCE // max(y.shape[1], 1))
    for begin in range(0, len(y), step):
        features, target = x[begin : begin + step], y[begin : begin + step]
        usable = np.isfinite(target) & np.isfinite(features).all(axis=-1)
        if usable.any():
            yield features[usable].astype(float), target[usable].astype(float)
