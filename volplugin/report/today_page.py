"""The page "risk today": the answer, its causes, and where the risk is; one self-contained HTML file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from volplugin.report.format import number, percent
from volplugin.report.theme import DARK, LIGHT
from volplugin.report.today import PortfolioToday, remarks
from volplugin.storage.atomic import write_atomically

MAX_STOCKS = 15
"""Positions shown before the others are folded."""
MAX_TRIMS = 5
LINE_SESSIONS = 252
"""Sessions of the line of past forecasts."""


@dataclass(frozen=True)
class Tile:
    """A number of the head of the page, with its name and a note."""

    label: str
    value: str
    note: str = ""


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
    environment = Environment(
        loader=PackageLoader("volplugin.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("today.html.j2").render(
        light=LIGHT,
        dark=DARK,
        title=title,
        portfolio=portfolio,
        headline=headline(portfolio),
        lede=list(sentences(portfolio, value)),
        tiles=list(tiles(portfolio, value)),
        causes=causes(portfolio),
        movers=_movers(portfolio),
        line=line(portfolio.history.iloc[-LINE_SESSIONS:]),
        groups=weight_bars(portfolio.groups),
        stocks=weight_bars(portfolio.positions),
        shown=MAX_STOCKS,
        factors=_factors(portfolio),
        trims=_trims(portfolio),
        losses=_losses(portfolio, value),
        events=_events(portfolio),
        remarks=remarks(portfolio),
        percent=percent,
        points=points,
        number=number,
    )


def points(change: float) -> str:
    """Format a difference of annual volatilities in percentage points, with a sign."""
    return number(100 * change, 2, "", "+")


def headline(portfolio: PortfolioToday) -> str:
    """Return the answer: the volatility, and its change."""
    text = f"Volatility {percent(portfolio.volatility)} a year"
    change = portfolio.volatility - portfolio.before
    if not np.isfinite(change):
        return text
    if abs(change) < 0.5e-4:
        return f"{text}, as at the close before"
    return f"{text}, {number(100 * abs(change), 2)} points {'up' if change > 0 else 'down'} since the close before"


def sentences(portfolio: PortfolioToday, value: float | None = None) -> Iterator[str]:
    """Yield what a reader needs first: the causes of the change, the loss to expect, the trim that helps most."""
    if np.isfinite(portfolio.before):
        parts = ", ".join(f"{name} {points(part)}" for name, part in portfolio.change.items())
        yield f"The change of {points(portfolio.volatility - portfolio.before)} points by cause: {parts}."
    session = portfolio.losses.columns[0]
    loss = portfolio.losses.loc["VaR 99%", session]
    yield f"On one session in a hundred the loss is more than {money(loss, value)}."
    best = portfolio.positions["trim"].idxmin()
    effect = portfolio.positions.at[best, "trim"]
    if effect < 0:
        verb = "Selling" if portfolio.weights[best] > 0 else "Buying back"
        size = min(0.01, abs(float(portfolio.weights[best])))
        yield (
            f"{verb} {best} worth {money(size, value)} of the portfolio lowers the volatility most, "
            f"by {number(-100 * effect, 2)} points."
        )


def money(share: float, value: float | None) -> str:
    """Format a fraction of the portfolio's value as a percentage, and in money if the value is known."""
    return percent(share, 2) + ("" if value is None else f" ({amount(share * value)})")


def amount(value: float) -> str:
    """Format money without decimals, in groups of three digits."""
    return f"{value:,.0f}".replace("-", "−")


def tiles(portfolio: PortfolioToday, value: float | None = None) -> Iterator[Tile]:
    """Yield the numbers of the head of the page."""

    def loss(name: str) -> Tile:
        share = float(portfolio.losses.at[name, portfolio.losses.columns[0]])
        text = percent(share, 2)
        label = f"{name}, next session"
        return Tile(label, text) if value is None else Tile(label, amount(share * value), text)

    daily = portfolio.daily_volatility
    a_day = f"{percent(daily, 2)} per session" + ("" if value is None else f", {amount(daily * value)}")
    yield Tile("Volatility, annual", percent(portfolio.volatility), a_day)
    yield loss("VaR 99%")
    yield loss("ES 97.5%")
    yield Tile("Beta", number(portfolio.beta, 2), f"to {len(portfolio.forecast.assets)} stocks, equally weighted")
    held = f"of {len(portfolio.weights)} positions"
    yield Tile("Effective bets", number(portfolio.effective_bets, 1), held)
    was = portfolio.average_correlation_before
    before = f"{number(was, 2)} at the close before" if np.isfinite(was) else "of the stocks held"
    yield Tile("Average correlation", number(portfolio.average_correlation, 2), before)
    share = float(portfolio.factors.at["market", "share"])
    yield Tile(
        "Risk from the market",
        percent(share, 0),
        f"{percent(float(portfolio.factors.at['specific', 'share']), 0)} specific",
    )
    events = portfolio.events
    yield Tile("Moves of their own expected", str(len(events)), ", ".join(map(str, events.index[:4])) or "none")
    if portfolio.suspect:
        yield Tile("Suspect prices", str(len(portfolio.suspect)), ", ".join(list(portfolio.suspect)[:4]))


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
    scale = max(table[["weight", "share"]].abs().to_numpy().max(), 1e-12)
    return [
        Bar(
            str(name),
            (100 * abs(row["weight"]) / scale, 100 * abs(row["share"]) / scale),
            (percent(row["weight"]), percent(row["share"])),
            row["share"] < 0,
        )
        for name, row in table.iterrows()
    ]


def line(history: pd.Series) -> dict[str, str] | None:
    """Return the line of past volatilities in a box of 1000 by 200, its ends and its range; None for one session."""
    if len(history) < 2:
        return None
    top = 1.08 * float(history.max())
    x = np.linspace(0, 1000, len(history))
    y = 200 * (1 - history.to_numpy() / top)
    return {
        "path": " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)),
        "sessions": str(len(history)),
        "first": str(history.index[0].date()),
        "last": str(history.index[-1].date()),
        "now": percent(float(history.iloc[-1])),
        "low": percent(float(history.min())),
        "high": percent(float(history.max())),
    }


def _movers(portfolio: PortfolioToday) -> list[tuple[str, ...]]:
    """Largest changes of contribution: stock, contribution, its change, change of the stock's volatility."""
    table = portfolio.positions.dropna(subset=["change"])
    table = table.reindex(table["change"].abs().sort_values(ascending=False).index)[:MAX_TRIMS]
    return [
        (str(name), points(row["contribution"]).lstrip("+"), points(row["change"]), points(row["volatility_change"]))
        for name, row in table.iterrows()
    ]


def _factors(portfolio: PortfolioToday) -> list[Bar]:
    return [
        Bar(str(name).capitalize(), (100 * row["share"],), (percent(row["share"]), percent(row["exposure"])))
        for name, row in portfolio.factors.iterrows()
    ]


def _trims(portfolio: PortfolioToday) -> list[tuple[str, ...]]:
    """Positions whose reduction lowers the volatility most: stock, weight, effect, volatility after."""
    table = portfolio.positions.sort_values("trim")[:MAX_TRIMS]
    return [
        (str(name), percent(row["weight"]), points(row["trim"]), percent(portfolio.volatility + row["trim"], 2))
        for name, row in table.iterrows()
    ]


def _losses(portfolio: PortfolioToday, value: float | None) -> list[tuple[str, ...]]:
    return [(str(name), *(money(share, value) for share in row)) for name, row in portfolio.losses.iterrows()]


def _events(portfolio: PortfolioToday) -> list[tuple[str, ...]]:
    rows = portfolio.positions
    return [
        (str(name), percent(rows.at[name, "weight"]), percent(rows.at[name, "volatility"]), percent(share, 0))
        for name, share in portfolio.events.items()
    ]
