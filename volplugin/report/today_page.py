"""The page "risk today": the answer, its causes, and where the risk is; one self-contained HTML file."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from volplugin.report.axes import plot_lines
from volplugin.report.page import Plot, render
from volplugin.report.today import PortfolioToday, headline, parts, remarks, sentences, stocks, tiles
from volplugin.storage.atomic import write_atomically

LINE_SESSIONS = 252
"""Sessions of the line of past forecasts."""


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
