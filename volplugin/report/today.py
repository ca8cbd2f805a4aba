"""The page "risk today": a portfolio's risk at the last close, also as text and as plain values."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from volplugin.evaluation.model_comparison import as_numbers, nested
from volplugin.report.format import Answer, Page, Section, Table, columns, percent, sessions, show, tabulate
from volplugin.risk.covariance import CovarianceForecast
from volplugin.storage.atomic import write_atomically
from volplugin.units import deannualize

MAX_STOCKS = 15
"""Positions shown before the others are folded."""
LAWS = {"historical": "from past returns of these weights over their forecast volatility", "student": "Student-t law"}
UNITS = {
    "volatility": "annual standard deviation, decimals",
    "contribution": "annual, the sum is the volatility of the portfolio",
    "daily": "daily standard deviation, decimals",
    "losses": "fraction of the portfolio's value",
}
MEASURES = ["beta", "effective_bets", "diversification_ratio", "average_correlation", "average_correlation_before"]
WEIGHTS = columns("weight weight .1% | risk share .1% | volatility volatility .1%")
LINE_SESSIONS = 252
"""Sessions of the line of past forecasts."""
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
            "portfolio_volatility_before": self.before if np.isfinite(self.before) else None,
            "change": as_numbers(self.change),
            "losses": nested(self.losses),
            "tail_methods": dict(self.tail_methods),
            **as_numbers(pd.Series([getattr(self, name) for name in MEASURES], MEASURES)),
            "model": dict(known["model"]),
            "data_fingerprint": known["data_fingerprint"],
            "stale": known["stale"],
            "fallbacks": dict(known["fallbacks"]),
            "event_variance": {str(asset): share for asset, share in known["event_variance"].items()},
            "events": [str(asset) for asset in self.forecast.events],
            "suspect": self.suspect,
            "excluded": {str(asset): why for asset, why in known["excluded"].items()},
            "assets": nested(self.positions),
            "groups": nested(self.groups),
            "factors": nested(self.factors),
            "pairs": [as_numbers(row) for _, row in self.pairs.astype({"one": str, "other": str}).iterrows()],
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


def portfolio_text(portfolio: PortfolioToday, value: float | None = None) -> str:
    """Return the page as text: the answer and its causes, a table per part, and limits."""
    return today_page(portfolio, "Portfolio", value).text()


def write_today(
    portfolio: PortfolioToday, path: str | os.PathLike[str], title: str = "Portfolio", value: float | None = None
) -> Path:
    """Write the page of a portfolio's risk; the write is atomic.

    Parameters
    ----------
    portfolio : PortfolioToday
    path : str or Path
    title : str
        Name of the portfolio.
    value : float, optional
        Value of the portfolio, for losses in money.
    """
    from volplugin.report.axes import plot_lines
    from volplugin.report.page import render

    history = portfolio.history.iloc[-LINE_SESSIONS:].to_frame("volatility")
    looks = {"volatility": ("forecast", "predicted")}
    plots = {"history": partial(plot_lines, history, looks, "Volatility of these weights")}
    page, _ = render(today_page(portfolio, title, value), plots if len(history) > 1 else {})
    return write_atomically(Path(path), page.encode())


def today_page(portfolio: PortfolioToday, title: str = "Portfolio", value: float | None = None) -> Page:
    """Return the words and tables of the page; parameters as in `write_today`."""
    forecast = portfolio.forecast
    return Page(
        headline(portfolio),
        f"{title}, close of {forecast.asof.date()}; forecast of the next {sessions(forecast.horizon)}",
        list(sentences(portfolio, value)),
        list(tiles(portfolio, value)),
        list(parts(portfolio, value)),
        title=f"{title}: {headline(portfolio)}",
        layout="columns",
    )


def headline(portfolio: PortfolioToday) -> str:
    """Return the answer: the volatility, and its change."""
    text = f"Volatility {percent(portfolio.volatility)} a year"
    change = portfolio.volatility - portfolio.before
    if not np.isfinite(change):
        return text
    if abs(change) < 0.5e-4:
        return f"{text}, as at the close before"
    return f"{text}, {100 * abs(change):.2f} points {'up' if change > 0 else 'down'} since the close before"


def sentences(portfolio: PortfolioToday, value: float | None = None) -> Iterator[str]:
    """Yield the causes of the change, and the trim that helps most."""
    if np.isfinite(portfolio.before):
        causes = ", ".join(f"{name} {points(part)}" for name, part in portfolio.change.items())
        yield f"The change of {points(portfolio.volatility - portfolio.before)} points by cause: {causes}."
    best = portfolio.positions["trim"].idxmin()
    effect, weight = portfolio.positions.at[best, "trim"], float(portfolio.weights[best])
    if effect < 0:
        yield (
            f"{'Selling' if weight > 0 else 'Buying back'} {best} worth {money(min(0.01, abs(weight)), value)} of the "
            f"portfolio lowers the volatility most, by {-100 * effect:.2f} points."
        )


def money(share: float, value: float | None) -> str:
    """Format a fraction of the portfolio's value as a percentage, and in money if the value is known."""
    return percent(share, 2) + ("" if value is None else f" ({amount(share * value)})")


def amount(value: float) -> str:
    """Format money without decimals, in groups of three digits."""
    return f"{value:,.0f}"


def tiles(portfolio: PortfolioToday, value: float | None = None) -> Iterator[Answer]:
    """Yield the numbers of the head of the page."""
    daily, session = portfolio.daily_volatility, portfolio.losses.columns[0]
    per_session = f"{percent(daily, 2)} per session" + ("" if value is None else f", {amount(daily * value)}")
    yield Answer("Volatility, annual", percent(portfolio.volatility), per_session)
    for name in ("VaR 99%", "ES 97.5%"):
        share = float(portfolio.losses.at[name, session])
        texts = (percent(share, 2),) if value is None else (amount(share * value), percent(share, 2))
        yield Answer(f"{name}, next session", *texts)
    yield Answer("Beta", show(portfolio.beta), f"to {len(portfolio.forecast.assets)} stocks, equally weighted")
    yield Answer("Effective bets", show(portfolio.effective_bets, ".1f"), f"of {len(portfolio.weights)} positions")
    was = portfolio.average_correlation_before
    before = f"{show(was)} at the close before" if np.isfinite(was) else "of the stocks held"
    yield Answer("Average correlation", show(portfolio.average_correlation), before)
    market, specific = portfolio.factors.loc[["market", "specific"], "share"]
    yield Answer("Risk from the market", percent(market, 0), f"{percent(specific, 0)} specific")
    events = portfolio.events
    yield Answer("Moves of their own expected", str(len(events)), ", ".join(map(str, events.index[:4])) or "none")
    if portfolio.suspect:
        yield Answer("Suspect prices", str(len(portfolio.suspect)), ", ".join(list(portfolio.suspect)[:4]))


def parts(portfolio: PortfolioToday, value: float | None = None) -> Iterator[Section]:
    """Yield the parts of the page; parts without rows are not shown."""
    rows, factors, known = portfolio.positions, portfolio.factors, portfolio.forecast.diagnostics
    yield Section("Past forecasts", figures={"history": "Volatility that each session's forecast gives these weights."})
    if np.isfinite(portfolio.before):
        yield _changes(portfolio)
    laws = " ".join(f"{span.capitalize()}: {LAWS[law]}." for span, law in portfolio.tail_methods.items())
    yield Section(
        "Loss to expect",
        [tabulate(portfolio.losses, {span: (span, partial(money, value=value)) for span in portfolio.losses})],
        f"VaR 99%: exceeded once in a hundred cases. ES 97.5%: mean of the worst 2.5%. {laws}",
    )
    trimmed = rows.sort_values("trim")[:MAX_CHANGES].assign(after=lambda frame: portfolio.volatility + frame["trim"])
    trims = (
        columns("weight weight .1%") | {"change in points": ("trim", points)} | columns("volatility after after .2%")
    )
    yield Section(
        "What one trim does",
        [tabulate(trimmed, trims)],
        "Each row is one trade alone, of 1% of the portfolio's value, with the proceeds in cash.",
    )
    if len(portfolio.groups):
        yield Section("Weight and share of risk by group", [_weights(portfolio.groups)])
    split = columns("risk share .1%") | {"volatility": ("exposure", percent)}
    yield Section(
        "Risk by factor",
        [tabulate(factors.rename(index=str.capitalize), split, **_bars(factors[["share"]], "bars"))],
        "Market: the equal-weight portfolio of all stocks with a forecast. Components: the largest common moves that "
        "the market leaves. Specific: the rest. Risk: share of the variance. Volatility: annual, from the factor "
        "alone; its sign is the direction.",
    )
    events = rows.loc[portfolio.events.index].assign(event=portfolio.events)
    yield Section(
        "Moves of their own expected",
        [tabulate(events, columns("weight weight .1% | volatility volatility .1% | share of the variance event .0%"))],
        "Stocks that are likely to move alone within the horizon, mostly on earnings: the season is estimated from "
        "the moves of past quarters, not read from a calendar.",
    )
    pairs = portfolio.pairs.set_axis([f"{row.one} and {row.other}" for row in portfolio.pairs.itertuples()])
    correlated = columns("correlation correlation +.2f | since before change +.2f")
    yield Section("Most correlated", [tabulate(pairs, correlated)])
    yield stocks(portfolio)
    model = ", ".join(f"{key} {text}".replace("_", " ") for key, text in known["model"].items())
    source = f"{model}; prices {known['data_fingerprint'][:12]}"
    yield Section("Model and limits", points=[source, *remarks(portfolio)])


def _changes(portfolio: PortfolioToday) -> Section:
    """Return the causes of the change, and the positions that changed most."""
    rows, causes = portfolio.positions, portfolio.change.to_frame("points").rename(index=str.capitalize)
    moved = rows.loc[rows["change"].dropna().sort_values(key=abs, ascending=False, kind="stable").index[:MAX_CHANGES]]
    movers: dict[str, Any] = {
        "contribution": (100 * moved["contribution"], ".2f"),
        "change": ("change", points),
        "change of its volatility": ("volatility_change", points),
    }
    return Section(
        "Why it changed",
        [
            tabulate(causes, {"points": ("points", points)}, **_bars(causes, "signed bars", room=50)),
            tabulate(moved, movers, "Largest changes"),
        ],
        f"From {percent(portfolio.before, 2)} to {percent(portfolio.volatility, 2)} of annual volatility; the parts "
        "add up. Weights: drift of the prices, or trades.",
    )


def stocks(portfolio: PortfolioToday) -> Section:
    """Return weight and share of risk by stock; of many stocks, the smaller shares are folded."""
    table = _weights(portfolio.positions)
    first, more = (
        replace(table, frame=table.frame[part], bars=table.bars[part])
        for part in (slice(MAX_STOCKS), slice(MAX_STOCKS, None))
    )
    note = "Risk above weight: the stock adds more risk than money. Hatched: a hedge, which lowers the risk."
    folded = Section(f"{len(more.frame)} more", [more])
    return Section("Weight and share of risk by stock", [first], note, folds=[folded])


def _weights(frame: pd.DataFrame) -> Table:
    """Tabulate weight and share of risk, with a bar of each."""
    known = {title: given for title, given in WEIGHTS.items() if given[0] in frame}
    return tabulate(frame, known, **_bars(frame[["weight", "share"]], "pair bars"))


def _bars(lengths: pd.DataFrame, kind: str, room: float = 100) -> dict[str, Any]:
    """Return the bars of a table; the longest one fills `room` percent of their column."""
    scale = room / max(float(lengths.abs().max().max()), 1e-12)
    return {"bars": (scale * lengths).to_numpy().tolist(), "kind": kind}


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
