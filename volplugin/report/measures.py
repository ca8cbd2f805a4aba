"""The numbers behind each plot and table of a backtest's report."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import empyrical
import numpy as np
import pandas as pd
from scipy import stats

from volplugin.evaluation import TAILS, fit_dof, rolling_bias, sampling_band, value_at_risk
from volplugin.evaluation.stress_periods import stress_within
from volplugin.report.result import BacktestResult
from volplugin.units import QUARTER_SESSIONS, TRADING_DAYS, annualize, deannualize

TENTHS = 10
MIN_PER_TENTH = 20
"""Smallest number of sessions in each tenth."""
CALM, STORM = 0.5, 0.8
"""Calm times are the half of the sessions with the lowest forecasts, storms the fifth with the highest."""
MIN_LEVERAGE = 0.05
"""Gross leverage below which the returns do not show the returns of the stocks held."""
MIN_STRESS_SESSIONS = 21
"""Smallest number of sessions of a stress period."""
STALE = pd.Timedelta(days=370)
"""Age from which a model counts as older than a year; vintages are refitted at each year's end."""
LONG_RUN, MAX_BINS, MIN_BINS, MIN_PER_BIN = 1000, 20, 10, 5
"""Sessions of a run with 20 bins in its histogram, bins of shorter runs, and sessions expected per bin."""


class Ratio(NamedTuple):
    """Realised over predicted volatility of some sessions, with the band of 95% of right forecasts."""

    value: float
    lower: float
    upper: float


def held(perf: pd.DataFrame) -> pd.DataFrame:
    """Return the sessions with a return and a positive volatility forecast for the portfolio held."""
    return perf[(perf["predicted_vol"] > 0) & perf["returns"].notna()]


def turnover(perf: pd.DataFrame) -> pd.Series | None:
    """Return traded value (purchases plus sales) over portfolio value, per session; None if not recorded."""
    if "turnover" in perf:
        return perf["turnover"]
    if "transactions" not in perf or "portfolio_value" not in perf:
        return None
    traded = [sum(abs(trade["amount"] * trade["price"]) for trade in trades) for trades in perf["transactions"]]
    return (pd.Series(traded, perf.index, dtype=float) / perf["portfolio_value"]).rename("turnover")


class ReportData:
    """The measures of a backtest, each computed once and None if the result lacks its numbers.

    Volatilities are annual; windows are trailing and labelled with their last session.

    Parameters
    ----------
    result : BacktestResult

    Examples
    --------
    >>> from volplugin.report import ReportData, read_result
    >>> ReportData(read_result("results")).biggest_miss.round(3)  # doctest: +SKIP
    realized     0.126
    predicted    0.078
    lower        0.061
    upper        0.100
    Name: 2019-01-10 00:00:00, dtype: float64
    """

    def __init__(self, result: BacktestResult) -> None:
        self.result = result

    @classmethod
    def of(cls, result: BacktestResult | ReportData) -> ReportData:
        """Return the data of a result; data are returned unchanged."""
        return result if isinstance(result, ReportData) else cls(result)

    @property
    def periods(self) -> float:
        """Sessions per year by which the volatilities are annual."""
        return self.result.periods

    @cached_property
    def held(self) -> pd.DataFrame:
        """The sessions with a return and a positive volatility forecast for the portfolio held."""
        return held(self.result.perf)

    @cached_property
    def standardized(self) -> pd.Series:
        """Each session's return divided by its daily volatility forecast."""
        return (self.held["returns"] / deannualize(self.held["predicted_vol"], self.periods)).rename("z")

    @cached_property
    def tail_dof(self) -> float:
        """Degrees of freedom of the standardised returns; infinite if there is nothing to fit."""
        return fit_dof(self.standardized) if np.count_nonzero(self.standardized) > 1 else float("inf")

    @cached_property
    def quarters(self) -> pd.DataFrame | None:
        """Realised and predicted volatility of each 63 sessions: realized, predicted, lower, upper.

        ``predicted`` is the root mean square of the forecasts of the same sessions; ``lower`` and ``upper`` bound
        realised volatility with 95% probability if forecasts are right, with the tails of the standardised returns.
        """
        predicted = (self.held["predicted_vol"] ** 2).rolling(QUARTER_SESSIONS).mean() ** 0.5
        lower, upper = (predicted * bound for bound in sampling_band(QUARTER_SESSIONS, dof=self.tail_dof))
        realized = self._trailing(self.held["returns"])
        frame = pd.DataFrame({"realized": realized, "predicted": predicted, "lower": lower, "upper": upper}).dropna()
        return None if frame.empty else frame

    def _trailing(self, returns: pd.Series) -> pd.Series:
        return annualize(returns.rolling(QUARTER_SESSIONS).std(), self.periods)

    @cached_property
    def biggest_miss(self) -> pd.Series | None:
        """The row of `quarters` with the realised volatility furthest from the forecast, named by its last session."""
        if self.quarters is None:
            return None
        return self.quarters.loc[np.log(self.quarters["realized"] / self.quarters["predicted"]).abs().idxmax()]

    @cached_property
    def band_shares(self) -> tuple[float, float, float] | None:
        """Shares of the trailing 63 sessions whose realised volatility was below, inside and above the 95% band."""
        if self.quarters is None:
            return None
        below = float((self.quarters["realized"] < self.quarters["lower"]).mean())
        above = float((self.quarters["realized"] > self.quarters["upper"]).mean())
        return below, 1 - below - above, above

    @cached_property
    def untouched(self) -> pd.DataFrame | None:
        """The stocks held at a gross leverage of 1: ``returns`` (daily) and ``predicted_vol`` by session.

        Returns and forecasts of a session are divided by the gross leverage at the close before. Sessions that began
        with a leverage below 0.05 are left out.
        """
        if "gross_leverage" not in self.result.perf:
            return None
        leverage = self.result.perf["gross_leverage"].shift(1).reindex(self.held.index)
        frame = self.held[["returns", "predicted_vol"]].div(leverage, axis=0)[leverage >= MIN_LEVERAGE]
        return frame if len(frame) >= QUARTER_SESSIONS else None

    @cached_property
    def volatilities(self) -> pd.DataFrame | None:
        """Realised volatility of the last 63 sessions: ``run``, and ``untouched`` if known."""
        if self.quarters is None:
            return None
        frame = self.quarters[["realized"]].set_axis(["run"], axis=1)
        return frame if self.untouched is None else frame.assign(untouched=self._trailing(self.untouched["returns"]))

    @cached_property
    def scaled(self) -> pd.DataFrame:
        """Returns and forecasts of the untouched portfolio if known, else of the portfolio held."""
        return self.held[["returns", "predicted_vol"]] if self.untouched is None else self.untouched

    @cached_property
    def tenths(self) -> pd.DataFrame | None:
        """Sessions in tenths of their forecast: ``predicted`` and ``realized`` volatility, ``lower`` and ``upper``."""
        if len(self.scaled) < TENTHS * MIN_PER_TENTH or self.scaled["predicted_vol"].nunique() < TENTHS:
            return None
        tenth = pd.qcut(self.scaled["predicted_vol"].rank(method="first"), TENTHS, labels=range(1, TENTHS + 1))
        squares = (self.scaled**2).groupby(tenth, observed=True).mean() ** 0.5
        lower, upper = sampling_band(len(self.scaled) // TENTHS, dof=self.tail_dof)
        realized = annualize(squares["returns"], self.periods)
        return pd.DataFrame({"predicted": squares["predicted_vol"], "realized": realized}).assign(
            lower=lambda frame: lower * frame["predicted"], upper=lambda frame: upper * frame["predicted"]
        )

    @cached_property
    def regimes(self) -> dict[str, Ratio]:
        """The bias statistic of calm times and of storms, by the size of the forecast; empty for a short run."""
        if self.tenths is None:
            return {}
        rank = self.scaled["predicted_vol"].rank(pct=True)
        return {"calm": self._ratio(rank[rank <= CALM].index), "storm": self._ratio(rank[rank > STORM].index)}

    def _ratio(self, sessions: pd.Index) -> Ratio:
        return Ratio(float(self.standardized.loc[sessions].std()), *sampling_band(len(sessions), dof=self.tail_dof))

    @cached_property
    def bias_window(self) -> int:
        """Sessions of the rolling bias statistic: a year, or a quarter if the run is shorter than two years."""
        return TRADING_DAYS if len(self.held) >= 2 * TRADING_DAYS else QUARTER_SESSIONS

    @cached_property
    def bias_path(self) -> pd.Series | None:
        """The rolling bias statistic: standard deviation of returns over their forecast."""
        path = rolling_bias(self.standardized, self.bias_window).dropna()
        return None if path.empty else path

    @cached_property
    def comparisons(self) -> dict[str, ReportData]:
        """The data of the runs with other risk models."""
        return {
            name: ReportData(BacktestResult(self.result.details, other.perf, other.scorecard, self.result.target))
            for name, other in self.result.comparisons.items()
        }

    @cached_property
    def pit(self) -> pd.DataFrame | None:
        """Shares of the returns in equally probable bins of N(0, predicted variance), by the bins' lower percentile.

        ``lower`` and ``upper`` bound the ``share`` of a bin with 95% probability (binomial) if forecasts are right.
        Source: Diebold, Gunther and Tay (1998), Evaluating Density Forecasts.
        """
        sessions = len(self.standardized)
        if sessions < MIN_PER_BIN * MIN_BINS:
            return None
        bins = MAX_BINS if sessions >= LONG_RUN else MIN_BINS
        counts, edges = np.histogram(stats.norm.cdf(self.standardized), bins, (0.0, 1.0))
        lower, upper = stats.binom.interval(0.95, sessions, 1 / bins)
        band = {"lower": lower / sessions, "upper": upper / sessions}
        return pd.DataFrame({"share": counts / sessions, **band}, index=edges[:-1])

    @cached_property
    def exceedances(self) -> pd.DataFrame:
        """Daily ``returns``, and for each tail (5% and 1%) the normal quantile ``limit_5%`` and ``beyond_5%``."""
        frame = self.held[["returns"]].copy()
        for tail in TAILS:
            limit = value_at_risk(frame["returns"], deannualize(self.held["predicted_vol"], self.periods), tail)
            frame[f"limit_{tail:.0%}"] = limit
            frame[f"beyond_{tail:.0%}"] = frame["returns"] < limit
        return frame

    @cached_property
    def stress(self) -> pd.DataFrame | None:
        """Risk in each stress period within the run, index name of the period.

        ``first``, ``last``, ``sessions``; ``predicted`` (root mean square), ``realized``, and the 95% band ``lower``,
        ``upper`` of the latter if forecasts are right; ``bias``; counts ``beyond_5%``, ``beyond_1%`` of losses beyond
        value at risk; ``worst_day`` (daily return).
        """
        periods = stress_within(self.held.index) if len(self.held) else {}
        spans = {name: self.held.loc[begin:end].index for name, (begin, end) in periods.items()}
        rows = {name: self._period(span) for name, span in spans.items() if len(span) >= MIN_STRESS_SESSIONS}
        return pd.DataFrame.from_dict(rows, orient="index") if rows else None

    def _period(self, sessions: pd.Index) -> dict[str, Any]:
        part, beyond = self.held.loc[sessions], self.exceedances.loc[sessions]
        ratio, predicted = self._ratio(sessions), float(np.sqrt((part["predicted_vol"] ** 2).mean()))
        return {
            "first": sessions[0],
            "last": sessions[-1],
            "sessions": len(part),
            "predicted": predicted,
            "realized": annualize(float(part["returns"].std()), self.periods),
            "lower": predicted * ratio.lower,
            "upper": predicted * ratio.upper,
            "bias": ratio.value,
            **{name: int(beyond[name].sum()) for name in beyond if name.startswith("beyond")},
            "worst_day": float(part["returns"].min()),
        }

    @cached_property
    def returns(self) -> pd.DataFrame:
        """Daily returns of the ``run``, and of the ``untouched`` portfolio on the same sessions if known."""
        if self.untouched is None:
            return self.held[["returns"]].set_axis(["run"], axis=1)
        columns = {"run": self.held["returns"], "untouched": self.untouched["returns"]}
        return pd.DataFrame(columns).loc[self.untouched.index]

    @cached_property
    def growth(self) -> pd.DataFrame:
        """Value of 1 invested before the first session."""
        return (1 + self.returns).cumprod()

    @cached_property
    def drawdown(self) -> pd.DataFrame:
        """Value over its highest value so far, less 1: zero or negative."""
        return self.growth / self.growth.cummax().clip(lower=1.0) - 1

    @cached_property
    def money(self) -> pd.DataFrame:
        """Return, volatility, Sharpe ratio (against cash at 0) and largest drawdown of each column of `returns`."""
        measures = {
            "annual_return": empyrical.annual_return,
            "volatility": empyrical.annual_volatility,
            "sharpe": empyrical.sharpe_ratio,
        }
        annual = {name: self.returns.apply(measure, annualization=self.periods) for name, measure in measures.items()}
        return pd.DataFrame(annual | {"drawdown": self.returns.apply(empyrical.max_drawdown)})

    @cached_property
    def leverage(self) -> pd.Series | None:
        """Gross leverage at each close."""
        return self.result.perf.get("gross_leverage")

    @cached_property
    def turnover(self) -> pd.Series | None:
        """Traded value over portfolio value, per session."""
        return turnover(self.result.perf)

    @cached_property
    def monthly_turnover(self) -> pd.Series | None:
        """Traded value over portfolio value per calendar month, labelled with its first day."""
        daily = self.turnover
        return None if daily is None else daily.groupby(daily.index.to_period("M").to_timestamp()).sum()

    @cached_property
    def shares(self) -> pd.DataFrame | None:
        """Share of each group in the predicted volatility, largest mean first; of the assets if groups are unknown.

        Shares of a session add up to 1; an asset without a group belongs to "no group".
        """
        parts = self.result.contributions
        if parts.empty:
            return None
        groups = self.result.details.groups
        if groups:
            parts = parts.T.groupby(lambda asset: groups.get(asset, "no group")).sum().T
        share = parts.div(parts.sum(axis=1), axis=0)
        return share[share.mean().sort_values(ascending=False).index]

    @cached_property
    def factors(self) -> pd.DataFrame | None:
        """Predicted volatility from the ``market`` (all stocks with a forecast, equally weighted), and ``specific``."""
        names = {"predicted_vol_market": "market", "predicted_vol_specific": "specific"}
        found = self.held.reindex(columns=list(names)).rename(columns=names).dropna()
        return None if found.empty else found

    @property
    def market_share(self) -> float | None:
        """Share of the market in the predicted variance of all sessions."""
        if self.factors is None:
            return None
        parts = (self.factors**2).sum()
        return float(parts["market"] / parts.sum())

    @cached_property
    def stock_errors(self) -> pd.DataFrame | None:
        """Mean QLIKE by stock at the longest horizon, one column per model; largest of the run's own model first.

        ``bias`` is the root mean of realised over forecast variance of the run's own model.
        """
        scores = self.result.volatility
        if scores is None or scores.by_stock.empty:
            return None
        horizon, own = scores.horizons[-1], scores.models[0]
        table = scores.by_stock.loc[horizon].T[scores.models].assign(bias=scores.bias_by_stock.loc[(horizon, own)])
        return table.dropna(subset=[own]).sort_values(own, ascending=False).rename_axis("asset")

    @cached_property
    def stale(self) -> pd.DatetimeIndex | None:
        """Sessions on which the newest usable vintage was older than a year; None if the run used no vintages."""
        ends = sorted(pd.Timestamp(one["trained_through"]) for one in self.result.details.vintages)
        if not ends:
            return None
        sessions = self.held.index
        newest = pd.DatetimeIndex(ends)[np.searchsorted(ends, sessions, side="right").clip(min=1) - 1]
        return sessions[sessions - newest > STALE]
