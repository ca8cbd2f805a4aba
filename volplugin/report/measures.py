"""The numbers behind each plot and table of a backtest's report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from volplugin.correlation.repair import average
from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation import TAILS, fit_dof, rolling_bias, sampling_band, value_at_risk
from volplugin.evaluation.stress_periods import stress_within
from volplugin.report.result import BacktestResult
from volplugin.units import QUARTER_SESSIONS, TRADING_DAYS, annualize, deannualize


@dataclass(frozen=True)
class Worst:
    """The quarter with the largest log ratio of realised to predicted volatility, in absolute value."""

    first: pd.Timestamp
    last: pd.Timestamp
    realized: float
    predicted: float


def quarters(perf: pd.DataFrame, window: int = QUARTER_SESSIONS) -> pd.DataFrame:
    """Return realised and predicted volatility of every window of sessions, labelled with its last session.

    Returns
    -------
    DataFrame, columns realized, predicted, lower, upper
        Annual. ``predicted`` is the root mean square of the ex-ante volatilities of the same sessions; ``lower`` and
        ``upper`` bound realised volatility with 95% probability if forecasts are right, with the tails of the
        standardised returns.
    """
    known = held(perf)
    realized = annualize(known["returns"].rolling(window).std())
    predicted = (known["predicted_vol"] ** 2).rolling(window).mean() ** 0.5
    lower, upper = (predicted * bound for bound in sampling_band(window, dof=_tail_dof(perf)))
    columns = {"realized": realized, "predicted": predicted, "lower": lower, "upper": upper}
    return pd.DataFrame(columns).dropna()


def held(perf: pd.DataFrame) -> pd.DataFrame:
    """Return the sessions with a return and a positive volatility forecast for the portfolio held."""
    return perf[(perf["predicted_vol"] > 0) & perf["returns"].notna()]


def middle(
    frame: pd.DataFrame | pd.Series, sessions: pd.DatetimeIndex, window: int = QUARTER_SESSIONS
) -> pd.DatetimeIndex:
    """Return the middle session of each window; `frame` labels windows with their last session."""
    return sessions[sessions.get_indexer(frame.index) - window // 2]


def worst_quarter(perf: pd.DataFrame) -> Worst | None:
    """Return the quarter whose realised volatility was furthest from the prediction; None if the run is shorter."""
    windows = quarters(perf)
    if windows.empty:
        return None
    last = np.log(windows["realized"] / windows["predicted"]).abs().idxmax()
    sessions = held(perf).index
    first = sessions[sessions.get_loc(last) - QUARTER_SESSIONS + 1]
    return Worst(first, last, float(windows.at[last, "realized"]), float(windows.at[last, "predicted"]))


@dataclass(frozen=True)
class BandShares:
    """Shares of the rolling quarters whose realised volatility was below, inside and above the 95% band."""

    below: float
    inside: float
    above: float


def band_shares(perf: pd.DataFrame) -> BandShares | None:
    """Return the shares of rolling quarters below, inside and above the band; None if the run is shorter than one."""
    windows = quarters(perf)
    if windows.empty:
        return None
    below, above = windows["realized"] < windows["lower"], windows["realized"] > windows["upper"]
    return BandShares(float(below.mean()), float((~below & ~above).mean()), float(above.mean()))


def standardized(perf: pd.DataFrame) -> pd.Series:
    """Return each session's return divided by its daily volatility forecast, without sessions that have none."""
    known = held(perf)
    return (known["returns"] / deannualize(known["predicted_vol"])).rename("z")


def _tail_dof(perf: pd.DataFrame) -> float:
    """Degrees of freedom of the standardised returns; infinite where there is nothing to fit."""
    z = standardized(perf)
    return fit_dof(z) if np.count_nonzero(z) > 1 else float("inf")


def bias_path(perf: pd.DataFrame) -> tuple[pd.Series, int]:
    """Return the rolling bias statistic and its window: a year, or a quarter if the run is shorter than two years."""
    known = held(perf)
    window = TRADING_DAYS if len(known) >= 2 * TRADING_DAYS else QUARTER_SESSIONS
    return rolling_bias(standardized(perf), window).dropna(), window


MAX_BINS, MIN_BINS = 20, 10
"""Default bins of a run of at least `LONG_RUN` sessions, and of a shorter one."""
LONG_RUN = 1000
MIN_PER_BIN = 5
"""Smallest expected number of sessions per bin, for Pearson's test."""


@dataclass(frozen=True, eq=False)
class PitHistogram:
    """Counts of returns in equally probable parts of their forecast distribution.

    Attributes
    ----------
    counts : ndarray of int, shape (n_bins,)
        Sessions per bin, from the lowest returns to the highest.
    expected, lower, upper : float
        Expected count of a bin if forecasts are right, and its 95% band (binomial).
    sessions : int
        Sum of the counts.
    pvalue : float
        Pearson's test of equally probable bins.
    """

    counts: np.ndarray
    expected: float
    lower: float
    upper: float
    sessions: int
    pvalue: float


def pit_histogram(perf: pd.DataFrame, bins: int | None = None) -> PitHistogram:
    """Count probability integral transforms of the returns under N(0, predicted variance) in equal bins.

    Parameters
    ----------
    perf : DataFrame
    bins : int, optional
        Default 20 for a thousand sessions or more, else 10.

    Raises
    ------
    InsufficientHistoryError
        If fewer than five sessions are expected per bin.

    References
    ----------
    Diebold, Gunther and Tay (1998), Evaluating Density Forecasts, International Economic Review 39.
    """
    transformed = stats.norm.cdf(standardized(perf))
    sessions = len(transformed)
    bins = bins or (MAX_BINS if sessions >= LONG_RUN else MIN_BINS)
    if sessions < MIN_PER_BIN * bins:
        raise InsufficientHistoryError(
            f"{sessions} sessions with a forecast, a histogram of {bins} bins requires {MIN_PER_BIN * bins}"
        )
    counts = np.histogram(transformed, bins, (0.0, 1.0))[0]
    lower, upper = stats.binom.interval(0.95, sessions, 1 / bins)
    return PitHistogram(
        counts, sessions / bins, float(lower), float(upper), sessions, float(stats.chisquare(counts).pvalue)
    )


def exceedances(perf: pd.DataFrame) -> pd.DataFrame:
    """Compare each session's return with the normal value at risk of its forecast.

    Returns
    -------
    DataFrame of shape (n_sessions, 5)
        ``returns`` (daily), and for each tail (5% and 1%) the quantile ``limit_5%`` and the flag ``beyond_5%``.
    """
    known = held(perf)
    frame = known[["returns"]].copy()
    for tail in TAILS:
        limit = value_at_risk(known["returns"], deannualize(known["predicted_vol"]), tail)
        frame[f"limit_{tail:.0%}"] = limit
        frame[f"beyond_{tail:.0%}"] = known["returns"] < limit
    return frame


MIN_STRESS_SESSIONS = 21
"""Smallest number of sessions of a stress period."""


def stress_periods(perf: pd.DataFrame) -> pd.DataFrame:
    """Compute the risk statistics of each stress period within the run.

    Returns
    -------
    DataFrame, index name of the period
        ``first``, ``last``, ``sessions``; annual ``predicted`` (root mean square), ``realized``, and the 95% band
        ``lower``, ``upper`` of the latter if forecasts are right; ``bias``; counts of losses beyond value at risk
        ``beyond_5%``, ``beyond_1%``; ``worst_day`` (daily return); ``leverage`` (mean gross, NaN if not recorded).
        Empty if the run contains no stress period.
    """
    known = held(perf)
    if known.empty:
        return pd.DataFrame()
    z, beyond, dof = standardized(perf), exceedances(perf), _tail_dof(perf)
    leverage = perf["gross_leverage"] if "gross_leverage" in perf else pd.Series(np.nan, perf.index)
    rows = {}
    for name, (begin, end) in stress_within(known.index).items():
        part = known.loc[begin:end]
        if len(part) < MIN_STRESS_SESSIONS:
            continue
        lower, upper = sampling_band(len(part), dof=dof)
        predicted = float(np.sqrt((part["predicted_vol"] ** 2).mean()))
        rows[name] = {
            "first": part.index[0],
            "last": part.index[-1],
            "sessions": len(part),
            "predicted": predicted,
            "realized": annualize(float(part["returns"].std())),
            "lower": predicted * lower,
            "upper": predicted * upper,
            "bias": float(z.loc[begin:end].std()),
            **{f"beyond_{tail:.0%}": int(beyond.loc[begin:end, f"beyond_{tail:.0%}"].sum()) for tail in TAILS},
            "worst_day": float(part["returns"].min()),
            "leverage": float(leverage.loc[begin:end].mean()),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def reductions(result: BacktestResult) -> tuple[pd.DataFrame, str]:
    """Return the percent by which mean QLIKE is below the benchmark's (models x horizons), and the benchmark's name."""
    scores = result.volatility
    if scores is None:
        raise ParameterError("the result has no scores of volatility models; run volplugin backtest with --judge")
    base = scores.benchmarks[0] if scores.benchmarks else scores.models[0]
    loss = scores.table["qlike"].unstack("horizon").loc[scores.models]
    return 100 * (1 - loss / loss.loc[base]), base


def stock_errors(result: BacktestResult, horizon: int | None = None) -> pd.DataFrame:
    """Return forecast errors by stock, largest error of the run's own model first.

    Parameters
    ----------
    result : BacktestResult
    horizon : int, optional
        Sessions covered; default the longest one scored.

    Returns
    -------
    DataFrame, index asset
        One column per model with its mean QLIKE, and ``bias``: root mean of realised over forecast variance of the
        run's own model, above 1 if risk was under-predicted.

    Raises
    ------
    ParameterError
        If the result has no scores by stock.
    """
    scores = result.volatility
    if scores is None or scores.by_stock.empty:
        raise ParameterError("the result has no scores by stock; run volplugin backtest with --judge")
    horizon = scores.horizons[-1] if horizon is None else horizon
    own = scores.models[0]
    table = scores.by_stock.loc[horizon].T[scores.models].assign(bias=scores.bias_by_stock.loc[(horizon, own)])
    return table.dropna(subset=[own]).sort_values(own, ascending=False).rename_axis("asset")


def turnover(perf: pd.DataFrame) -> pd.Series:
    """Return traded value (purchases plus sales) over portfolio value, per session.

    Raises
    ------
    ParameterError
        If the perf frame has neither ``turnover`` nor ``transactions``.
    """
    if "turnover" in perf:
        return perf["turnover"]
    if "transactions" not in perf or "portfolio_value" not in perf:
        raise ParameterError("the perf frame holds no transactions")
    traded = [sum(abs(trade["amount"] * trade["price"]) for trade in trades) for trades in perf["transactions"]]
    return (pd.Series(traded, perf.index, dtype=float) / perf["portfolio_value"]).rename("turnover")


def monthly_turnover(perf: pd.DataFrame) -> pd.Series:
    """Return the turnover per calendar month, labelled with its first day."""
    daily = turnover(perf)
    return daily.groupby(daily.index.to_period("M").to_timestamp()).sum()


def contributions(result: BacktestResult, top: int = 8) -> pd.DataFrame:
    """Return risk contributions over time: the `top` assets by mean contribution, and the sum of the others.

    Returns
    -------
    DataFrame of shape (n_sessions, at most top + 1)
        Annual; empty if the run recorded none.
    """
    frame = result.contributions
    order = frame.mean().sort_values(ascending=False).index
    rest = frame[order[top:]]
    shown = frame[order[:top]]
    return shown.assign(**{f"{rest.shape[1]} others": rest.sum(axis=1)}) if rest.shape[1] else shown


def chosen_dates(result: BacktestResult) -> dict[str, pd.Timestamp]:
    """Return the first session with contributions, the one with the highest forecast, and the last one."""
    total = result.contributions.sum(axis=1)
    if total.empty:
        return {}
    return {"first": total.index[0], "highest forecast": total.idxmax(), "last": total.index[-1]}


def contribution_shares(result: BacktestResult, top: int = 15) -> pd.DataFrame:
    """Return the percent of predicted volatility that each asset contributed at the chosen dates.

    Returns
    -------
    DataFrame of shape (at most top, 3)
        The assets with the largest share at any of the dates, sorted by their share at the last one.

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
    """Return the mean correlation of different assets; NaN for fewer than two."""
    return average(rho.to_numpy()) if len(rho) > 1 else float("nan")


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
    """Reorder the assets of all matrices by the clusters of the last one; NaN for an asset not in a matrix."""
    last = clustered(correlations[max(correlations)])
    assets = list(dict.fromkeys([*last.index, *(asset for rho in correlations.values() for asset in rho.index)]))
    return {date: correlations[date].reindex(index=assets, columns=assets) for date in sorted(correlations)}
