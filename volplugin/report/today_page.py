"""The page "risk today": the answer, its causes, and where the risk is; one self-contained HTML file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from volplugin.report.axes import plot_lines
from volplugin.report.format import Table, percent, show, tabulate
from volplugin.report.page import Plot, render
from volplugin.report.summary import Answer
from volplugin.report.today import MAX_CHANGES, PortfolioToday, largest, pairs_table, points, remarks
from volplugin.storage.atomic import write_atomically

MAX_STOCKS = 15
"""Positions shown before the others are folded."""
LINE_SESSIONS = 252
"""Sessions of the line of past forecasts."""
LAWS = {"historical": "from past returns of these weights over their forecast volatility", "student": "Student-t law"}


class Part(NamedTuple):
    """A part of the page: title, tables, a note, and a table that is folded."""

    title: str
    tables: list[Table]
    note: str = ""
    folded: Table | None = None


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
    history, plots = portfolio.history.iloc[-LINE_SESSIONS:].to_frame("volatility"), dict[str, Plot]()
    if len(history) > 1:
        looks = {"volatility": ("forecast", "predicted")}
        plots["history"] = partial(plot_lines, history, looks, "Volatility of these weights")
    page, _ = render(
        "today.html.j2",
        plots,
        title=f"{title}: {headline(portfolio)}",
        eyebrow=f"{title}, close of {asof}; forecast of the next {horizon} sessions",
        headline=headline(portfolio),
        lede=list(sentences(portfolio, value)),
        answers=list(tiles(portfolio, value)),
        parts=[part for part in parts(portfolio, value) if part.tables[0].rows],
        stocks=stocks(portfolio),
        remarks=remarks(portfolio),
        known=portfolio.forecast.diagnostics,
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


def parts(portfolio: PortfolioToday, value: float | None = None) -> Iterator[Part]:
    """Yield the parts of the page; parts without rows are not shown."""
    rows, factors = portfolio.positions, portfolio.factors
    change = (
        (portfolio.change if np.isfinite(portfolio.before) else portfolio.change[:0])
        .to_frame("points")
        .rename(index=str.capitalize)
    )
    trimmed, moved = rows.sort_values("trim")[:MAX_CHANGES], rows.loc[largest(rows["change"]).index]
    movers: dict[str, Any] = {
        "contribution": (100 * moved["contribution"], ".2f"),
        "change": ("change", points),
        "change of its volatility": ("volatility_change", points),
    }
    yield Part(
        "Why it changed",
        [
            _barred(tabulate(change, {"points": ("points", points)}), change, "signed bars", room=50),
            tabulate(moved, movers, "Largest changes"),
        ],
        f"From {percent(portfolio.before, 2)} to {percent(portfolio.volatility, 2)} of annual volatility; the parts "
        "add up. Weights: drift of the prices, or trades.",
    )
    laws = " ".join(f"{span.capitalize()}: {LAWS[law]}." for span, law in portfolio.tail_methods.items())
    yield Part(
        "Loss to expect",
        [tabulate(portfolio.losses, {span: (span, lambda share: money(share, value)) for span in portfolio.losses})],
        f"VaR 99%: exceeded once in a hundred cases. ES 97.5%: mean of the worst 2.5%. {laws}",
    )
    trims: dict[str, Any] = {
        "weight": ("weight", ".1%"),
        "change in points": ("trim", points),
        "volatility after": (portfolio.volatility + trimmed["trim"], ".2%"),
    }
    yield Part(
        "What one trim does",
        [tabulate(trimmed, trims)],
        "Each row is one trade alone, of 1% of the portfolio's value, with the proceeds in cash.",
    )
    yield Part("Weight and share of risk by group", [_weights(portfolio.groups.reindex(columns=["weight", "share"]))])
    split = tabulate(
        factors.rename(index=str.capitalize), {"risk": ("share", ".1%"), "volatility": ("exposure", percent)}
    )
    yield Part(
        "Risk by factor",
        [_barred(split, factors[["share"]], "bars")],
        "Market: the equal-weight portfolio of all stocks with a forecast. Components: the largest common moves that "
        "the market leaves. Specific: the rest. Risk: share of the variance. Volatility: annual, from the factor "
        "alone; its sign is the direction.",
    )
    events = rows.loc[portfolio.events.index].assign(event=portfolio.events)
    moves = {
        "weight": ("weight", ".1%"),
        "volatility": ("volatility", ".1%"),
        "share of the variance": ("event", ".0%"),
    }
    yield Part(
        "Moves of their own expected",
        [tabulate(events, moves)],
        "Stocks that are likely to move alone within the horizon, mostly on earnings: the season is estimated from "
        "the moves of past quarters, not read from a calendar.",
    )
    yield Part("Most correlated", [pairs_table(portfolio)])


def stocks(portfolio: PortfolioToday) -> Part:
    """Return weight and share of risk by stock; of many stocks, the smaller shares are folded."""
    table = _weights(portfolio.positions)
    halves = slice(MAX_STOCKS), slice(MAX_STOCKS, None)
    first, more = (replace(table, rows=table.rows[half], bars=table.bars[half]) for half in halves)
    note = "Risk above weight: the stock adds more risk than money. Hatched: a hedge, which lowers the risk."
    return Part("Weight and share of risk by stock", [first], note, more if more.rows else None)


def _weights(frame: pd.DataFrame) -> Table:
    """Tabulate weight and share of risk, with a bar of each."""
    table = tabulate(frame, {"weight": ("weight", ".1%"), "risk": ("share", ".1%")})
    return _barred(table, frame[["weight", "share"]], "pair bars")


def _barred(table: Table, lengths: pd.DataFrame, kind: str, room: float = 100) -> Table:
    """Add bars to the rows of a table; the longest one fills `room` percent of their column."""
    scale = room / max(float(lengths.abs().max().max()), 1e-12)
    return replace(table, bars=(scale * lengths).to_numpy().tolist(), kind=kind)
