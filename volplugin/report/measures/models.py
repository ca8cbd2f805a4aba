"""Models side by side, and stocks side by side."""

from __future__ import annotations

import pandas as pd

from volplugin.errors import ParameterError
from volplugin.report.result import BacktestResult


def reductions(result: BacktestResult) -> tuple[pd.DataFrame, str]:
    """Percent by which each model's mean QLIKE lies below the benchmark's, models x horizons."""
    scores = result.volatility
    if scores is None:
        raise ParameterError("the result holds no scores of volatility models")
    base = scores.benchmarks[0] if scores.benchmarks else scores.models[0]
    loss = scores.table["qlike"].unstack("horizon").loc[scores.models]
    return 100 * (1 - loss / loss.loc[base]), base


def stock_errors(result: BacktestResult, horizon: int | None = None) -> pd.DataFrame:
    """Forecast errors by stock, the largest of the run's own model first.

    Parameters
    ----------
    result : BacktestResult
    horizon : int, optional
        Sessions covered; the longest that was judged if not given.

    Returns
    -------
    DataFrame, index asset
        Mean QLIKE of each model, a column each, and ``bias``: root mean of realised over forecast variance of
        the run's own model, above 1 where risk was under-predicted.

    Raises
    ------
    ParameterError
        If the result holds no scores by stock.
    """
    scores = result.volatility
    if scores is None or scores.by_stock.empty:
        raise ParameterError("the result holds no scores by stock (volplugin backtest --judge makes them)")
    horizon = scores.horizons[-1] if horizon is None else horizon
    own = scores.models[0]
    table = scores.by_stock.loc[horizon].T[scores.models].assign(bias=scores.bias_by_stock.loc[(horizon, own)])
    return table.dropna(subset=[own]).sort_values(own, ascending=False).rename_axis("asset")
