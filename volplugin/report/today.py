"""The numbers of a portfolio's risk at the last close, as text and as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from volplugin.report.format import Table, percent, show, tabulate
from volplugin.risk.covariance import CovarianceForecast
from volplugin.units import deannualize

UNITS = {
    "volatility": "annual standard deviation, decimals",
    "contribution": "annual, the sum is the volatility of the portfolio",
    "daily": "daily standard deviation, decimals",
    "losses": "fraction of the portfolio's value",
}
MAX_CHANGES = 5
"""Number of largest changes to list."""


@dataclass(frozen=True, eq=False)
class PortfolioToday:
    """Risk of a portfolio; volatilities are *annual*.

    Attributes
    ----------
    forecast : CovarianceForecast
    weights : Series of shape (n_held,)
        The nonzero weights.
    volatility, before : float
        Volatility of the portfolio by the forecast of the last session, and of the weights before by the forecast of
        the session before (NaN if there is none).
    change : Series, index ``volatilities``, ``correlations``, ``weights``
        Split of ``volatility - before`` by cause; NaN without a forecast before.
    positions : DataFrame, index asset
        ``weight``, ``volatility`` (of the asset), ``marginal`` (derivative of the portfolio's volatility by weight),
        ``contribution``, ``share`` (of the portfolio's volatility), ``change`` and ``volatility_change``, the
        differences of contribution and volatility from the session before, and ``trim`` (change of the portfolio's
        volatility if the position is reduced by 1% of the portfolio's value). Largest contribution first.
    groups : DataFrame, index group
        ``weight``, ``contribution``, ``share``, largest first; empty without groups.
    factors : DataFrame, index factor
        ``exposure``, ``contribution``, ``share`` of the market, principal components and the specific part.
    losses : DataFrame, index measure
        Value at risk at 99% and expected shortfall at 97.5%, as fractions of the portfolio's value: of the next
        session, and of the forecast's horizon.
    tail_methods : mapping of str to str
        Law of each column of `losses`, as in `CovarianceForecast.value_at_risk`. History is used for the next session
        alone: two years hold too few independent horizons.
    beta : float
        To the equal-weight portfolio of all assets with a forecast.
    effective_bets, diversification_ratio : float
    average_correlation, average_correlation_before : float
        Mean over the pairs held.
    pairs : DataFrame
        ``one``, ``other``, ``correlation``, ``change`` of the most correlated pairs held.
    history : Series, index session
        Volatility that each session's forecast gives the weights of the last session.
    """

    forecast: CovarianceForecast
    weights: pd.Series
    volatility: float
    before: float
    change: pd.Series
    positions: pd.DataFrame
    groups: pd.DataFrame
    factors: pd.DataFrame
    losses: pd.DataFrame
    tail_methods: Mapping[str, str]
    beta: float
    effective_bets: float
    diversification_ratio: float
    average_correlation: float
    average_correlation_before: float
    pairs: pd.DataFrame
    history: pd.Series = field(default_factory=lambda: pd.Series(dtype=float))

    @property
    def daily_volatility(self) -> float:
        """Daily standard deviation of the portfolio."""
        return deannualize(self.volatility, self.forecast.periods_per_year)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        known = self.forecast.diagnostics
        return {
            "asof": str(self.forecast.asof.date()),
            "horizon": self.forecast.horizon,
            "units": UNITS,
            "portfolio_volatility": self.volatility,
            "portfolio_volatility_daily": self.daily_volatility,
            "periods_per_year": self.forecast.periods_per_year,
            "portfolio_volatility_before": _number(self.before),
            "change": _row(self.change),
            "losses": _rows(self.losses),
            "tail_methods": dict(self.tail_methods),
            "beta": _number(self.beta),
            "effective_bets": _number(self.effective_bets),
            "diversification_ratio": _number(self.diversification_ratio),
            "average_correlation": _number(self.average_correlation),
            "average_correlation_before": _number(self.average_correlation_before),
            "model": dict(known["model"]),
            "data_fingerprint": known["data_fingerprint"],
            "stale": known["stale"],
            "fallbacks": dict(known["fallbacks"]),
            "event_variance": {str(asset): share for asset, share in known["event_variance"].items()},
            "events": [str(asset) for asset in self.forecast.events],
            "suspect": self.suspect,
            "excluded": {str(asset): why for asset, why in known["excluded"].items()},
            "assets": _rows(self.positions),
            "groups": _rows(self.groups),
            "factors": _rows(self.factors),
            "pairs": [
                {name: _number(value) if isinstance(value, float) else str(value) for name, value in row.items()}
                for row in self.pairs.to_dict(orient="records")
            ],
        }

    @property
    def suspect(self) -> dict[str, str]:
        """Reasons why prices of assets held are probably wrong, by asset."""
        found = self.forecast.diagnostics.get("suspect", {})
        return {str(asset): why for asset, why in found.items() if asset in self.weights.index}

    @property
    def events(self) -> pd.Series:
        """Share of the variance that is an expected move of its own, by asset held; the largest first."""
        shares = self.forecast.diagnostics["event_variance"]
        held = [asset for asset in self.forecast.events if asset in self.weights.index]
        return pd.Series({asset: shares[asset] for asset in held}, dtype=float).sort_values(ascending=False)


def portfolio_text(portfolio: PortfolioToday) -> str:
    """Describe a portfolio's volatility, its change and losses, its positions, and its most correlated pairs."""
    known = portfolio.forecast.diagnostics
    session = portfolio.losses.columns[0]
    tails = ", ".join(f"{name} {percent(row[session], 2)}" for name, row in portfolio.losses.iterrows())
    positions = portfolio.positions.drop(columns=["change", "volatility_change", "trim"])
    found = [positions, *(table for table in (portfolio.groups, portfolio.factors) if len(table))]
    lines = [
        f"Annual volatility over the {portfolio.forecast.horizon} sessions after {portfolio.forecast.asof.date()}: "
        f"{percent(portfolio.volatility, 2)} ({percent(portfolio.daily_volatility, 3)} per day)",
        f"({', '.join(f'{key} {value}' for key, value in known['model'].items())})",
        *_changed(portfolio),
        f"loss of the {session}: {tails} ({portfolio.tail_methods[session]})",
        f"beta {portfolio.beta:.2f}, diversification ratio {portfolio.diversification_ratio:.2f}, "
        f"effective bets {portfolio.effective_bets:.1f}, average correlation {portfolio.average_correlation:.2f}",
        *(f"\n{tabulate(table, {name: (name, '.2%') for name in table}).text()}" for table in found),
    ]
    if len(portfolio.pairs):
        lines.append(f"\nMost correlated\n{pairs_table(portfolio).text()}")
    if len(portfolio.events):
        named = ", ".join(f"{asset} {share:.0%}" for asset, share in portfolio.events.items())
        lines.append(f"\nmoves of their own expected, with their share of the variance: {named}")
    return "\n".join([*lines, *remarks(portfolio)])


def pairs_table(portfolio: PortfolioToday) -> Table:
    """Tabulate the most correlated pairs held."""
    pairs = portfolio.pairs.set_axis([f"{row.one} and {row.other}" for row in portfolio.pairs.itertuples()])
    return tabulate(pairs, {"correlation": ("correlation", "+.2f"), "since before": ("change", "+.2f")})


def remarks(portfolio: PortfolioToday) -> list[str]:
    """Return one line per limit of the forecast: an old model, doubtful prices, missing forecasts, fallbacks."""
    known = portfolio.forecast.diagnostics
    return [
        *([known["stale"]] if known.get("stale") else []),
        *(f"prices of {asset} are suspect: {why}" for asset, why in portfolio.suspect.items()),
        *(f"no forecast for {asset}: {why}" for asset, why in known["excluded"].items()),
        *(f"{part}: {why}" for part, why in known["fallbacks"].items()),
    ]


def points(change: float) -> str:
    """Format a difference of annual volatilities in percentage points, with a sign."""
    return show(100 * change, "+.2f")


def largest(changes: pd.Series) -> pd.Series:
    """Return the largest changes, in absolute value."""
    return changes.dropna().sort_values(key=abs, ascending=False, kind="stable")[:MAX_CHANGES]


def _changed(portfolio: PortfolioToday) -> list[str]:
    if not np.isfinite(portfolio.before):
        return []
    parts = {name: largest(portfolio.positions[name]) for name in ("change", "volatility_change")}
    named = [", ".join(f"{asset} {points(part)}" for asset, part in found.items()) for found in parts.values()]
    causes = ", ".join(f"{cause} {points(part)}" for cause, part in portfolio.change.items())
    return [
        f"the session before: {percent(portfolio.before, 2)}, "
        f"a change of {points(portfolio.volatility - portfolio.before)} points: {causes}",
        f"  contributions: {named[0]}",
        f"  volatilities: {named[1]}",
    ]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _row(values: pd.Series) -> dict[str, float | None]:
    return {str(name): _number(value) for name, value in values.items()}


def _rows(table: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    return {str(name): _row(row) for name, row in table.iterrows()}
