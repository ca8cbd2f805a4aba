"""The risk of a portfolio at the last close, and its change since the previous close."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from volplugin.data.panel import PricePanel
from volplugin.errors import (
    InsufficientHistoryError,
    LookAheadError,
    MissingForecastError,
    VolpluginError,
    WeightsError,
)
from volplugin.report.today import PortfolioToday
from volplugin.risk.covariance import CovarianceForecast, Groups, as_weights
from volplugin.risk.model import BacktestForecaster, RiskModel
from volplugin.risk.tail_risk import TailMethod, standardized_history, tail_method
from volplugin.units import annualize

HISTORY = 504
"""Sessions of past forecasts: enough for historical tails."""
TRIM = 0.01
"""Fraction of the portfolio's value by which a position is reduced, to see the effect."""
CAUSES = ("volatilities", "correlations", "weights")


def portfolio_today(
    model: RiskModel,
    panel: PricePanel,
    weights: pd.Series | None = None,
    horizon: int = 21,
    pairs: int = 5,
    *,
    groups: Groups | None = None,
    weights_before: pd.Series | None = None,
    history: int = HISTORY,
) -> PortfolioToday:
    """Forecast the risk of a portfolio from the panel's last session, and from the previous one.

    Parameters
    ----------
    model : RiskModel
        Fitted, or with vintages.
    panel : PricePanel
        Prices through the last close.
    weights : Series, optional
        Fractions of the portfolio's value by asset; default equal weights of all assets with a forecast.
    horizon : int, default 21
        Sessions covered.
    pairs : int, default 5
        Number of most correlated pairs to list.
    groups : Series or mapping of asset to group, optional
    weights_before : Series, optional
        Weights at the previous session; default the same shares and cash at the prices of the previous session.
    history : int, default 504
        Past sessions whose forecasts are made too. Losses come from their standardised returns if 500 or more have
        one, else from a Student-t law.

    Raises
    ------
    MissingForecastError
        If an asset with a nonzero weight has no forecast.
    AssetMismatchError
        If an asset with a nonzero weight has no group.
    """
    given, given_before = (None if each is None else as_weights(each) for each in (weights, weights_before))
    forecaster = model.backtest_forecaster()
    past = _past(forecaster, panel, max(history, 1), horizon)
    forecast = past[panel.last_session][horizon]
    periods = forecast.periods_per_year
    weights = pd.Series(1 / len(forecast.assets), forecast.assets) if given is None else given[given != 0]
    if weights.empty:
        raise WeightsError("every weight is zero; give one asset or more a weight")
    then = drifted_back(weights, panel) if given_before is None else given_before[given_before != 0]
    old = past.get(panel.sessions[-2], {}).get(horizon) if len(panel.sessions) > 1 else None
    old = None if old is None or weights.index.union(then.index).difference(old.assets).size else old
    daily, ahead = (_volatility_history(past, days, weights) for days in (1, horizon))
    losses, laws = _losses(past[panel.last_session], weights, _tail_history(panel, daily, weights), horizon)
    return PortfolioToday(
        forecast=forecast,
        weights=weights,
        volatility=forecast.portfolio_volatility(weights, periods=periods),
        before=np.nan if old is None else old.portfolio_volatility(then, periods=periods),
        change=_causes(forecast, old, weights, then),
        positions=_positions(forecast, old, weights, then),
        groups=_grouped(forecast, weights, groups),
        factors=forecast.factor_risk(weights, min(2, len(forecast.assets) - 1), periods=periods),
        losses=losses,
        tail_methods=laws,
        beta=forecast.beta(weights),
        effective_bets=_effective_bets(forecast, weights),
        diversification_ratio=forecast.diversification_ratio(weights),
        average_correlation=forecast.average_correlation(weights),
        average_correlation_before=np.nan if old is None else old.average_correlation(then),
        pairs=_most_correlated(forecast, old, list(weights.index), pairs),
        history=annualize(ahead, periods),
    )


def drifted_back(weights: pd.Series, panel: PricePanel) -> pd.Series:
    """Return the weights of the same shares and cash at the prices of the session before the panel's last.

    An asset without a return of the last session keeps its price.
    """
    returns = np.expm1(panel.returns.iloc[-1].reindex(weights.index)).fillna(0.0)
    held = weights / (1 + returns)
    return held / (1 - weights.sum() + held.sum())


def _past(
    forecaster: BacktestForecaster, panel: PricePanel, count: int, horizon: int
) -> dict[pd.Timestamp, dict[int, CovarianceForecast]]:
    """Forecasts of one session and of `horizon` sessions, by origin and horizon; the last origin must have them."""
    found = {}
    for session in panel.sessions[-count - 1 :]:
        try:
            forecaster.precompute_vintage(panel, session, 1, horizon)
            known = panel.asof(session)
            found[session] = {days: forecaster.forecast(known, days) for days in dict.fromkeys((1, horizon))}
        except (InsufficientHistoryError, LookAheadError, LookupError):
            if session == panel.last_session:
                raise
    return found


def _volatility_history(
    past: dict[pd.Timestamp, dict[int, CovarianceForecast]], horizon: int, weights: pd.Series
) -> pd.Series:
    """Daily volatility of the weights by each past forecast; sessions at which an asset has none are left out."""
    found = {}
    for session, forecasts in past.items():
        try:
            found[session] = forecasts[horizon].portfolio_volatility(weights)
        except MissingForecastError:
            if session == max(past):
                raise
    return pd.Series(found, dtype=float)


def _tail_history(panel: PricePanel, volatility: pd.Series, weights: pd.Series) -> pd.DataFrame:
    """Daily returns of the weights, and the volatility forecast for each at the close before."""
    sessions = panel.sessions[panel.sessions >= volatility.index[0]]
    returns = np.expm1(panel.returns.loc[sessions, weights.index])
    known = volatility.reindex(sessions).shift(1)
    frame = pd.DataFrame({"returns": returns.dot(weights), "volatility": known.where(known > 0)})
    return frame.dropna()


def _losses(
    forecasts: dict[int, CovarianceForecast], weights: pd.Series, history: pd.DataFrame, horizon: int
) -> tuple[pd.DataFrame, dict[str, TailMethod]]:
    """Return value at risk and expected shortfall of one session and of the horizon, and the law of each."""
    names = {"next session": 1} | ({f"next {horizon} sessions": horizon} if horizon > 1 else {})
    table: dict[str, dict[str, float]] = {}
    laws: dict[str, TailMethod] = {}
    for name, days in names.items():
        law: TailMethod = tail_method(standardized_history(history, forecasts[1].asof)) if days == 1 else "student"
        settings: dict[str, Any] = {"horizon": days, "method": law, "history": history}
        table[name] = {
            "VaR 99%": forecasts[days].value_at_risk(weights, 0.99, **settings),
            "ES 97.5%": forecasts[days].expected_shortfall(weights, 0.975, **settings),
        }
        laws[name] = law
    return pd.DataFrame(table), laws


def _causes(
    forecast: CovarianceForecast, old: CovarianceForecast | None, weights: pd.Series, then: pd.Series
) -> pd.Series:
    if old is None:
        return pd.Series(np.nan, CAUSES, name="change")
    return forecast.volatility_change(weights, old, then, periods=forecast.periods_per_year)


def _positions(
    forecast: CovarianceForecast, old: CovarianceForecast | None, weights: pd.Series, then: pd.Series
) -> pd.DataFrame:
    held, periods = weights.index, forecast.periods_per_year
    parts = forecast.risk_contributions(weights, periods=periods)[held]
    before = None if old is None else old.risk_contributions(then, periods=periods)[held]
    table = pd.DataFrame(
        {
            "weight": weights,
            "volatility": annualize(forecast.volatility[held], periods),
            "marginal": annualize(forecast.marginal_contributions(weights)[held], periods),
            "contribution": parts,
            "share": forecast.percent_contributions(weights)[held] / 100,
            "change": np.nan if before is None else parts - before,
            "volatility_change": (
                np.nan if old is None else annualize((forecast.volatility - old.volatility)[held], periods)
            ),
            "trim": forecast.trim_effects(weights, TRIM, periods=periods)[held],
        }
    )
    return table.sort_values("contribution", ascending=False)


def _grouped(forecast: CovarianceForecast, weights: pd.Series, groups: Groups | None) -> pd.DataFrame:
    if groups is None:
        return pd.DataFrame()
    parts = forecast.risk_contributions(weights, periods=forecast.periods_per_year, groups=groups)
    total = parts.sum()
    table = pd.DataFrame(
        {
            "weight": weights.groupby(pd.Series(groups).reindex(weights.index)).sum(),
            "contribution": parts,
            "share": parts / total if total > 0 else 0.0 * parts,
        }
    )
    return table.sort_values("contribution", ascending=False)


def _effective_bets(forecast: CovarianceForecast, weights: pd.Series) -> float:
    """Return the effective bets among the assets held; NaN for a singular correlation."""
    try:
        return forecast.select(weights.index).effective_bets(weights)
    except VolpluginError:
        return float("nan")


def _most_correlated(
    forecast: CovarianceForecast, before: CovarianceForecast | None, held: list[Any], count: int
) -> pd.DataFrame:
    rho = forecast.correlation.loc[held, held].to_numpy()
    one, other = np.triu_indices(len(held), k=1)
    order = np.argsort(-rho[one, other], kind="stable")[:count]
    rows = []
    for i, j in zip(one[order], other[order], strict=True):
        was = np.nan if before is None else before.correlation.loc[held[i], held[j]]
        rows.append((held[i], held[j], float(rho[i, j]), float(rho[i, j] - was)))
    return pd.DataFrame(rows, columns=["one", "other", "correlation", "change"])
