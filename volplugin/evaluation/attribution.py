"""Where the error of a portfolio's forecast came from: volatility level, average correlation, single stocks.

Of each window of sessions the realised less the forecast variance of the portfolio is split into parts that add up to
it. With exposures ``a = w sigma`` and ``x = w r`` by session and stock:

1. level: all forecast variances times k, the median over the stocks of ``mean(x^2) / mean(a^2)``, weighted by
   ``mean(a^2)``, so that one stock's own move stays with the stock;
2. correlation: all pairs' correlations raised by the realised less the forecast average correlation;
3. stocks: for each stock the rest, its realised covariance with the portfolio less the one of step 2;
4. other: the portfolio's own returns less the returns of its weights: costs, and stocks without a forecast.

In points of volatility each part is divided by the sum of realised and forecast volatility, so that the parts add up
to their difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from volplugin.correlation.repair import average
from volplugin.data.panel import PricePanel
from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation.constants import MONTH_SESSIONS
from volplugin.evaluation.forecasts import PredictsCovariancePath
from volplugin.evaluation.inputs import check_count, check_zones, checked_frame, forecasts_and_returns
from volplugin.units import annualize

PARTS = ("level", "correlation", "stocks", "other")
LARGEST = 3
"""Stocks that `ErrorSources.as_records` names per window."""


@dataclass(frozen=True, eq=False)
class ErrorSources:
    """Worst windows and the sources of their errors, in *annual* volatility.

    Attributes
    ----------
    windows : DataFrame, one row per window, worst first
        ``first``, ``last`` (sessions), ``predicted``, ``realized`` (root mean squares), and their difference split
        into ``level``, ``correlation``, ``stocks`` and ``other``.
    by_stock : DataFrame of shape (n_windows, n_assets)
        Parts of ``stocks``.
    """

    windows: pd.DataFrame
    by_stock: pd.DataFrame

    def as_records(self) -> list[dict[str, Any]]:
        """Return one plain dictionary per window, with the stocks that moved it most."""
        records = []
        for row, (_, stocks) in zip(self.windows.to_dict("records"), self.by_stock.iterrows(), strict=True):
            largest = stocks[stocks.abs().sort_values(ascending=False).index[:LARGEST]]
            dates = {name: str(row[name].date()) for name in ("first", "last")}
            numbers = {name: float(value) for name, value in row.items() if name not in dates}
            named = {str(asset): float(part) for asset, part in largest.items() if part}
            records.append(dates | numbers | {"largest_stocks": named})
        return records


def error_sources(
    model: PredictsCovariancePath,
    panel: PricePanel,
    weights: pd.DataFrame,
    predicted: pd.Series,
    returns: pd.Series,
    *,
    windows: int = 10,
    length: int = MONTH_SESSIONS,
) -> ErrorSources:
    """Split the errors of the worst windows of a portfolio's one-session forecasts.

    The worst windows have the largest ratio of realised to forecast variance or of its inverse, and do not overlap.

    Parameters
    ----------
    model : RiskModel
        The model that made the forecasts.
    panel : PricePanel
        Prices through the last session.
    weights : DataFrame of shape (n_sessions, n_assets)
        Weights held through each session.
    predicted : Series of shape (n_sessions,)
        *Daily* volatility of the portfolio, forecast at the close before the session. Sessions with NaN or zero are
        left out.
    returns : Series of shape (n_sessions,)
        The portfolio's daily simple returns.
    windows : int, default 10
        Number of windows.
    length : int, default 21
        Sessions of each.

    Raises
    ------
    InsufficientHistoryError
        If fewer sessions than one window have a forecast and a return, or all returns or weights are zero.
    ParameterError
        For less than one window, and a session of a window that the weights or the panel lack.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from volplugin import EWMACorrelation, RiskModel, RollingVolatility, simulated_panel
    >>> from volplugin.evaluation import error_sources, portfolio_forecasts
    >>> panel = simulated_panel(4, "2014-01-02", "2016-06-30")
    >>> model = RiskModel(RollingVolatility(40), EWMACorrelation(42))
    >>> weights = pd.Series(0.25, panel.assets)
    >>> made = portfolio_forecasts(model, panel, weights, "2015-01-30", "2015-08-28", horizon=1)
    >>> predicted = pd.Series(made.predicted.to_numpy(), index=made.returns.index[: len(made.predicted)])
    >>> held = pd.DataFrame([weights] * len(predicted), index=predicted.index)
    >>> found = error_sources(model, panel, held, predicted, made.returns, windows=2).windows
    >>> parts = found[["level", "correlation", "stocks", "other"]].sum(axis=1)
    >>> bool(np.allclose(parts, found["realized"] - found["predicted"]))
    True
    """
    check_count(windows, "windows")
    check_count(length, "length", 2)
    weights = checked_frame(weights, "weights")
    pair = forecasts_and_returns(predicted, returns)
    check_zones(weights=weights, forecasts=pair, panel=panel.close)
    known = pair[(pair["sigma"] > 0) & pair["r"].notna()]
    if len(known) < length:
        raise InsufficientHistoryError(f"{len(known)} sessions with a forecast; a window takes {length}")
    if not known["r"].any() or not weights.fillna(0.0).to_numpy().any():
        raise InsufficientHistoryError("all returns or all weights are zero: there is no error to split")
    chosen = [known.index[stop - length : stop] for stop in _worst(known, windows, length)]
    sessions = chosen[0].append(chosen[1:]).sort_values()
    exposures = _exposures(model, panel, weights, sessions)
    rows, stocks = [], []
    for span in chosen:
        parts, by_stock = _split(exposures, span, known.loc[span, "r"].to_numpy(), panel.periods_per_year)
        rows.append({"first": span[0], "last": span[-1]} | parts)
        stocks.append(by_stock)
    return ErrorSources(pd.DataFrame(rows), pd.DataFrame(stocks).reindex(columns=panel.assets).fillna(0.0))


def _worst(known: pd.DataFrame, windows: int, length: int) -> list[int]:
    """Return the ends of the windows with the largest absolute log ratio of variances, worst first, not overlapping."""
    means = (known**2).rolling(length).mean()
    with np.errstate(divide="ignore"):
        distance = np.abs(np.log(means["r"] / means["sigma"])).to_numpy()
    ends: list[int] = []
    for row in np.argsort(-np.where(np.isfinite(distance), distance, -np.inf), kind="stable"):
        if len(ends) == windows or not np.isfinite(distance[row]):
            break
        if all(abs(row + 1 - end) >= length for end in ends):
            ends.append(int(row) + 1)
    return ends


@dataclass(frozen=True, eq=False)
class _Exposures:
    """One session: assets, returns, forecast exposures a and realised ones x, ``rho a``, the average correlation."""

    assets: pd.Index
    r: np.ndarray
    a: np.ndarray
    x: np.ndarray
    correlated: np.ndarray
    average: float


def _exposures(
    model: PredictsCovariancePath, panel: PricePanel, weights: pd.DataFrame, sessions: pd.DatetimeIndex
) -> dict[pd.Timestamp, _Exposures]:
    """Exposures of the sessions, from forecasts made at the sessions before."""
    for name, index in (("weights", weights.index), ("panel", panel.sessions[1:])):
        missing = sessions[~sessions.isin(index)]
        if len(missing):
            raise ParameterError(f"the {name} lack {missing[0].date()}; pass all sessions that have a forecast")
    places = panel.sessions.get_indexer(sessions)
    simple = np.expm1(panel.returns.to_numpy()[places])
    found = {}
    for forecast, session, earned in zip(
        model.forecast_path(panel, panel.sessions[places - 1], 1), sessions, simple, strict=True
    ):
        own = weights.loc[session].reindex(forecast.assets).fillna(0.0)
        held = own.to_numpy() != 0
        w, rho = own.to_numpy()[held], forecast.correlation.to_numpy()[np.ix_(held, held)]
        a = w * forecast.volatility.to_numpy()[held]
        r = np.nan_to_num(earned[panel.assets.get_indexer(forecast.assets[held])])
        mean = average(rho) if len(rho) > 1 else 0.0
        found[session] = _Exposures(forecast.assets[held], r, a, w * r, rho @ a, mean)
    return found


def _split(
    exposures: dict[pd.Timestamp, _Exposures], span: pd.DatetimeIndex, own_returns: np.ndarray, periods: float
) -> tuple[dict[str, float], pd.Series]:
    """Parts of one window, in annual volatility, and the stocks' parts."""
    days = [exposures[session] for session in span]
    assets = pd.Index(list(dict.fromkeys(asset for day in days for asset in day.assets)))

    def table(name: str) -> np.ndarray:
        rows = [pd.Series(getattr(day, name), day.assets).reindex(assets).fillna(0.0) for day in days]
        return np.array(rows)

    a, x, correlated = table("a"), table("x"), table("correlated")
    forecast = (a * correlated).mean(axis=0)  # by stock; sums to the forecast variance
    realized = (x * x.sum(axis=1, keepdims=True)).mean(axis=0)
    pairs = (a * (a.sum(axis=1, keepdims=True) - a)).mean(axis=0)
    level = _weighted_median((x**2).sum(axis=0) / (a**2).sum(axis=0), (a**2).sum(axis=0))
    apart = _average_correlation(table("r")) - float(np.mean([day.average for day in days]))
    total = float((own_returns**2).mean())
    by_stock = realized - level * (forecast + apart * pairs)
    variance = {
        "level": (level - 1) * forecast.sum(),
        "correlation": level * apart * pairs.sum(),
        "stocks": by_stock.sum(),
        "other": total - realized.sum(),
    }
    predicted, actual = (annualize(float(np.sqrt(variance)), periods) for variance in (forecast.sum(), total))
    # d(volatility) = d(variance) / (sum of both volatilities), exactly.
    unit = periods / (predicted + actual)
    points = {name: float(part * unit) for name, part in variance.items()}
    return {"predicted": predicted, "realized": actual} | points, pd.Series(by_stock * unit, assets)


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """Value with half of the weight at or below it, midway between two where the halves are exact."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    low, high = np.searchsorted(reached, (0.5 - 1e-12, 0.5 + 1e-12))
    return float((values[order][low] + values[order][min(high, len(values) - 1)]) / 2)


def _average_correlation(returns: np.ndarray) -> float:
    """Average correlation about zero of all pairs of stocks."""
    scale = np.sqrt((returns**2).sum(axis=0))
    unit = returns[:, scale > 0] / scale[scale > 0]
    count = unit.shape[1]
    if count < 2:
        return 0.0
    return float(((unit.sum(axis=1) ** 2).sum() - count) / (count * (count - 1)))
