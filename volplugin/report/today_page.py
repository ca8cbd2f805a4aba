"""The page "risk today": the answer, its causes, and where the risk is; one self-contained HTML file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from volplugin.report import today
from volplugin.report.format import Table, percent, show, tabulate
from volplugin.report.page import render
from volplugin.report.plots import series
from volplugin.report.summary import Answer
from volplugin.report.today import MAX_CHANGES, PortfolioToday, largest, points
from volplugin.storage.atomic import write_atomically

MAX_STOCKS = 15
"""Positions shown before the others are folded."""
LINE_SESSIONS = 252
"""Sessions of the line of past forecasts."""


@dataclass(frozen=True)
class Bar:
    """A row of bars: the label, the widths in percent of the room, and the texts beside them."""

    label: str
    widths: tuple[float, ...]
    texts: tuple[str, ...]
    negative: bool = False


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
    return write_atomically(Path(path), render_today(portfolio, title, value).encode())


def render_today(portfolio: PortfolioToday, title: str = "Portfolio", value: float | None = None) -> str:
    """Return the page as HTML; parameters as in `write_today`."""
    asof, horizon = portfolio.forecast.asof.date(), portfolio.forecast.horizon
    page, _ = render(
        "today.html.j2",
        series,
        portfolio.history.iloc[-LINE_SESSIONS:],
        title=f"{title}: {headline(portfolio)}",
        eyebrow=f"{title}, close of {asof}; forecast of the next {horizon} sessions",
        headline=headline(portfolio),
        lede=list(sentences(portfolio, value)),
        answers=list(tiles(portfolio, value)),
        portfolio=portfolio,
        causes=causes(portfolio),
        movers=_movers(portfolio),
        groups=weight_bars(portfolio.groups),
        stocks=weight_bars(portfolio.positions),
        shown=MAX_STOCKS,
        factors=_factors(portfolio),
        trims=_trims(portfolio),
        losses=_losses(portfolio, value),
        events=_events(portfolio),
        percent=percent,
        today=today,
    )
    return page


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
    """Yield what a reader needs first: the causes of the change, the loss to expect, the trim that helps most."""
    if np.isfinite(portfolio.before):
        parts = ", ".join(f"{name} {points(part)}" for name, part in portfolio.change.items())
        yield f"The change of {points(portfolio.volatility - portfolio.before)} points by cause: {parts}."
    loss = portfolio.losses.loc["VaR 99%", portfolio.losses.columns[0]]
    yield f"On one session in a hundred the loss is more than {money(loss, value)}."
    best = portfolio.positions["trim"].idxmin()
    effect = portfolio.positions.at[best, "trim"]
    if effect < 0:
        verb = "Selling" if portfolio.weights[best] > 0 else "Buying back"
        size = min(0.01, abs(float(portfolio.weights[best])))
        yield (
            f"{verb} {best} worth {money(size, value)} of the portfolio lowers the volatility most, "
            f"by {-100 * effect:.2f} points."
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


def causes(portfolio: PortfolioToday) -> list[Bar]:
    """Return one bar per cause of the change, with its sign."""
    if not np.isfinite(portfolio.before):
        return []
    scale = max(portfolio.change.abs().max(), 1e-12)
    return [
        Bar(str(name).capitalize(), (50 * abs(part) / scale,), (points(part),), part < 0)
        for name, part in portfolio.change.items()
    ]


def weight_bars(table: pd.DataFrame) -> list[Bar]:
    """Return one row per position or group: its weight and its share of the volatility."""
    if table.empty:
        return []
    both = table[["weight", "share"]]
    widths = 100 * both.abs() / max(both.abs().to_numpy().max(), 1e-12)
    return [
        Bar(str(name), tuple(widths.loc[name]), tuple(map(percent, row)), row["share"] < 0)
        for name, row in both.iterrows()
    ]


def _factors(portfolio: PortfolioToday) -> list[Bar]:
    return [
        Bar(str(name).capitalize(), (100 * row["share"],), (percent(row["share"]), percent(row["exposure"])))
        for name, row in portfolio.factors.iterrows()
    ]


def _movers(portfolio: PortfolioToday) -> Table:
    """Tabulate the largest changes of contribution."""
    rows = portfolio.positions.loc[largest(portfolio.positions["change"]).index]
    columns: dict[str, Any] = {
        "contribution": (100 * rows["contribution"], ".2f"),
        "change": ("change", points),
        "change of its volatility": ("volatility_change", points),
    }
    return tabulate(rows, columns, "Largest changes")


def _trims(portfolio: PortfolioToday) -> Table:
    """Tabulate the positions whose reduction lowers the volatility most."""
    rows = portfolio.positions.sort_values("trim")[:MAX_CHANGES]
    columns: dict[str, Any] = {
        "weight": ("weight", ".1%"),
        "change in points": ("trim", points),
        "volatility after": (portfolio.volatility + rows["trim"], ".2%"),
    }
    return tabulate(rows, columns)


def _losses(portfolio: PortfolioToday, value: float | None) -> Table:
    return tabulate(portfolio.losses, {span: (span, lambda share: money(share, value)) for span in portfolio.losses})


def _events(portfolio: PortfolioToday) -> Table:
    rows = portfolio.positions.loc[portfolio.events.index].assign(event=portfolio.events)
    columns = {
        "weight": ("weight", ".1%"),
        "volatility": ("volatility", ".1%"),
        "share of the variance": ("event", ".0%"),
    }
    return tabulate(rows, columns)
