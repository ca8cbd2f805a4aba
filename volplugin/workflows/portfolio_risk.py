"""The risk of a portfolio at the last close, and its change since the previous close."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from volplugin.data.panel import PricePanel
from volplugin.errors import InsufficientHistoryError, MissingForecastError
from volplugin.report.format import fraction, percent, with_sign
from volplugin.risk.covariance import CovarianceForecast
from volplugin.risk.model import RiskModel
from volplugin.units import TRADING_DAYS, annualize, deannualize

UNITS = {
    "volatility": "annual standard deviation, decimals",
    "contribution": "annual, the sum is the volatility of the portfolio",
    "daily": "daily standard deviation, decimals",
}


@dataclass(frozen=True, eq=False)
class PortfolioToday:
    """Risk of a portfolio; volatilities are *annual*.

    Attributes
    ----------
    forecast : CovarianceForecast
    weights : Series of shape (n_held,)
        The nonzero weights.
    volatility, before : float
        Volatility of the portfolio by the forecast of the last session, and of the previous one (NaN if there is none).
    positions : DataFrame, index asset
        ``weight``, ``volatility`` (of the asset), ``marginal`` (derivative of the portfolio's volatility by weight),
        ``contribution``, ``share`` (of the portfolio's volatility), and ``change`` and ``volatility_change``, the
        differences of contribution and volatility from the previous session. Largest contribution first.
    pairs : DataFrame
        ``one``, ``other``, ``correlation``, ``change`` of the most correlated pairs held.
    diversification_ratio : float
    """

    forecast: CovarianceForecast
    weights: pd.Series
    volatility: float
    before: float
    positions: pd.DataFrame
    pairs: pd.DataFrame
    diversification_ratio: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        known = self.forecast.diagnostics
        return {
            "asof": str(self.forecast.asof.date()),
            "horizon": self.forecast.horizon,
            "units": UNITS,
            "portfolio_volatility": self.volatility,
            "portfolio_volatility_daily": deannualize(self.volatility),
            "portfolio_volatility_before": _number(self.before),
            "diversification_ratio": _number(self.diversification_ratio),
            "model": dict(known["model"]),
            "data_fingerprint": known["data_fingerprint"],
            "stale": known["stale"],
            "fallbacks": dict(known["fallbacks"]),
            "event_variance": {str(asset): share for asset, share in known["event_variance"].items()},
            "events": [str(asset) for asset in self.forecast.events],
            "excluded": {str(asset): why for asset, why in known["excluded"].items()},
            "assets": {
                str(asset): {name: _number(value) for name, value in row.items()}
                for asset, row in self.positions.to_dict(orient="index").items()
            },
            "pairs": [
                {name: _number(value) if isinstance(value, float) else str(value) for name, value in row.items()}
                for row in self.pairs.to_dict(orient="records")
            ],
        }


def portfolio_today(
    model: RiskModel, panel: PricePanel, weights: pd.Series | None = None, horizon: int = 21, pairs: int = 5
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

    Raises
    ------
    MissingForecastError
        If an asset with a nonzero weight has no forecast.
    """
    sessions = panel.sessions[-2:]
    *earlier, forecast = _forecasts(model, panel, sessions, horizon)
    weights = pd.Series(1 / len(forecast.assets), forecast.assets) if weights is None else weights[weights != 0]
    old = earlier[0] if earlier else None
    positions, previous = _positions(forecast, weights), _positions_before(old, weights)
    table = positions.assign(
        change=positions["contribution"] - previous["contribution"],
        volatility_change=positions["volatility"] - previous["volatility"],
    )
    known = not previous["contribution"].isna().any() and len(previous) > 0
    return PortfolioToday(
        forecast=forecast,
        weights=weights,
        volatility=forecast.portfolio_volatility(weights, periods=TRADING_DAYS),
        before=float(previous["contribution"].sum()) if known else float("nan"),
        positions=table.sort_values("contribution", ascending=False),
        pairs=_most_correlated(forecast, old, list(weights.index), pairs),
        diversification_ratio=forecast.diversification_ratio(weights),
    )


def _forecasts(
    model: RiskModel, panel: PricePanel, sessions: Iterable[pd.Timestamp], horizon: int
) -> list[CovarianceForecast]:
    forecaster, found = model.backtest_forecaster(), []
    for session in sessions:
        try:
            found.append(forecaster.forecast(panel.asof(session), horizon))
        except (InsufficientHistoryError, LookupError):
            if session == panel.last_session:
                raise
    return found


def _positions(forecast: CovarianceForecast, weights: pd.Series) -> pd.DataFrame:
    held = weights.index
    total = forecast.portfolio_volatility(weights, periods=TRADING_DAYS)
    parts = forecast.risk_contributions(weights, periods=TRADING_DAYS)[held]
    return pd.DataFrame(
        {
            "weight": weights,
            "volatility": annualize(forecast.volatility[held]),
            "marginal": annualize(forecast.marginal_contributions(weights)[held]),
            "contribution": parts,
            "share": parts / total if total > 0 else 0.0 * parts,
        }
    )


def _positions_before(forecast: CovarianceForecast | None, weights: pd.Series) -> pd.DataFrame:
    unknown = pd.DataFrame(np.nan, weights.index, ["contribution", "volatility"])
    if forecast is None:
        return unknown
    try:
        return _positions(forecast, weights)
    except MissingForecastError:  # an asset listed at the last session
        return unknown


def _most_correlated(
    forecast: CovarianceForecast, before: CovarianceForecast | None, held: list[Any], count: int
) -> pd.DataFrame:
    rho = forecast.correlation.loc[held, held].to_numpy()
    one, other = np.triu_indices(len(held), k=1)
    order = np.argsort(-rho[one, other], kind="stable")[:count]
    rows = []
    for i, j in zip(one[order], other[order], strict=True):
        known = before is not None and {held[i], held[j]} <= set(before.assets)
        was = before.correlation.loc[held[i], held[j]] if known and before is not None else np.nan
        rows.append((held[i], held[j], float(rho[i, j]), float(rho[i, j] - was)))
    return pd.DataFrame(rows, columns=["one", "other", "correlation", "change"])


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


MAX_CHANGES = 5
"""Number of largest changes to list."""


def portfolio_text(portfolio: PortfolioToday) -> str:
    """Describe a portfolio's volatility, its change, its positions, and its most correlated pairs."""
    known = portfolio.forecast.diagnostics
    lines = [
        f"Annual volatility over the {portfolio.forecast.horizon} sessions after {portfolio.forecast.asof.date()}: "
        f"{percent(portfolio.volatility, 2)} ({percent(deannualize(portfolio.volatility), 3)} per day)",
        f"({', '.join(f'{key} {value}' for key, value in known['model'].items())})",
        *_changed(portfolio),
        f"diversification ratio {portfolio.diversification_ratio:.2f}",
        "",
        portfolio.positions.drop(columns=["change", "volatility_change"])
        .map(fraction(2))
        .rename_axis(None)
        .to_string(),
    ]
    if len(portfolio.pairs):
        pairs = portfolio.pairs.assign(
            pair=portfolio.pairs["one"].astype(str) + " and " + portfolio.pairs["other"].astype(str)
        )
        shown = pairs.set_index("pair")[["correlation", "change"]].map(with_sign(2))
        lines += ["", "Most correlated", shown.rename_axis(None).to_string(header=["correlation", "since before"])]
    if portfolio.forecast.events:
        shares = known["event_variance"]
        named = ", ".join(f"{asset} {shares[asset]:.0%}" for asset in portfolio.forecast.events)
        lines += ["", f"moves of their own expected, with their share of the variance: {named}"]
    if known.get("stale"):
        lines += ["", known["stale"]]
    lines += [f"no forecast for {asset}: {why}" for asset, why in known["excluded"].items()]
    lines += [f"{part}: {why}" for part, why in known["fallbacks"].items()]
    return "\n".join(lines)


def _changed(portfolio: PortfolioToday) -> list[str]:
    if not np.isfinite(portfolio.before):
        return []
    moved = portfolio.positions["change"]
    most = moved.reindex(moved.abs().sort_values(ascending=False).index)[:MAX_CHANGES]
    vols = portfolio.positions["volatility_change"]
    most_vols = vols.reindex(vols.abs().sort_values(ascending=False).index)[:MAX_CHANGES]
    return [
        f"the session before: {percent(portfolio.before, 2)}, "
        f"a change of {100 * (portfolio.volatility - portfolio.before):+.2f} points",
        f"  contributions: {_named(most)}",
        f"  volatilities: {_named(most_vols)}",
    ]


def _named(changes: pd.Series) -> str:
    return ", ".join(f"{asset} {100 * change:+.2f}" for asset, change in changes.items())
