"""What was held: turnover, where the risk came from, and how the stocks moved together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from volplugin.errors import ParameterError
from volplugin.report.result import BacktestResult


def turnover(perf: pd.DataFrame) -> pd.Series:
    """Traded value over the portfolio's value, session by session: bought and sold both count.

    Raises
    ------
    ParameterError
        If the perf frame holds neither ``turnover`` nor ``transactions``.
    """
    if "turnover" in perf:
        return perf["turnover"]
    if "transactions" not in perf or "portfolio_value" not in perf:
        raise ParameterError("the perf frame holds no transactions")
    traded = [sum(abs(trade["amount"] * trade["price"]) for trade in trades) for trades in perf["transactions"]]
    return (pd.Series(traded, perf.index, dtype=float) / perf["portfolio_value"]).rename("turnover")


def monthly_turnover(perf: pd.DataFrame) -> pd.Series:
    """Turnover of each calendar month, labelled with its first day."""
    daily = turnover(perf)
    return daily.groupby(daily.index.to_period("M").to_timestamp()).sum()


def contributions(result: BacktestResult, top: int = 8) -> pd.DataFrame:
    """Risk contributions over time: the `top` assets by mean share, and the sum of the others.

    Returns
    -------
    DataFrame of shape (n_sessions, at most top + 1)
        Annual; empty where the run recorded none.
    """
    frame = result.contributions
    order = frame.mean().sort_values(ascending=False).index
    rest = frame[order[top:]]
    shown = frame[order[:top]]
    return shown.assign(**{f"{rest.shape[1]} others": rest.sum(axis=1)}) if rest.shape[1] else shown


def chosen_dates(result: BacktestResult) -> dict[str, pd.Timestamp]:
    """Sessions to look at closely: the first with contributions, that of the highest forecast, and the last."""
    total = result.contributions.sum(axis=1)
    if total.empty:
        return {}
    return {"first": total.index[0], "highest forecast": total.idxmax(), "last": total.index[-1]}


def contribution_shares(result: BacktestResult, top: int = 15) -> pd.DataFrame:
    """Percent of the predicted volatility that each asset contributed at the chosen dates.

    Returns
    -------
    DataFrame of shape (at most top, 3)
        The assets with the largest share at any of the dates, by their share at the last.

    Raises
    ------
    ParameterError
        If the run recorded no risk contributions.
    """
    dates = chosen_dates(result)
    if not dates:
        raise ParameterError("the run recorded no risk contributions")
    chosen = result.contributions.loc[list(dates.values())].set_axis(list(dates))
    share = 100 * chosen.div(chosen.sum(axis=1), axis=0).T
    shown = share.loc[share.abs().max(axis=1).nlargest(top).index]
    return shown.sort_values("last", ascending=False)


def average_correlation(rho: pd.DataFrame) -> float:
    """Mean of all pairs of different assets; NaN for fewer than two."""
    pairs = rho.to_numpy()[np.triu_indices(len(rho), 1)]
    return float(pairs.mean()) if len(pairs) else float("nan")


def clustered(rho: pd.DataFrame) -> pd.DataFrame:
    """Return the matrix in the leaf order of an average-linkage tree over sqrt((1 - rho) / 2)."""
    if len(rho) < 3:
        return rho
    distance = np.sqrt(np.clip((1 - rho.to_numpy()) / 2, 0, None))
    np.fill_diagonal(distance, 0.0)
    condensed = squareform((distance + distance.T) / 2)
    tree = hierarchy.linkage(condensed, "average", optimal_ordering=True)
    order = hierarchy.leaves_list(tree)
    return rho.iloc[order, order]


def same_order(correlations: Mapping[pd.Timestamp, pd.DataFrame]) -> dict[pd.Timestamp, pd.DataFrame]:
    """Give matrices one order of assets, that of the last one clustered; NaN where an asset was not there yet."""
    last = clustered(correlations[max(correlations)])
    every = list(dict.fromkeys([*last.index, *(asset for rho in correlations.values() for asset in rho.index)]))
    return {date: correlations[date].reindex(index=every, columns=every) for date in sorted(correlations)}
