"""Write a result as one self-contained page, with its plots as PNG files beside it."""

from __future__ import annotations

import base64
import io
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from volplugin.files import write_atomically
from volplugin.report import plots, tables, words
from volplugin.report.measures import QUARTER, contributions, quarters
from volplugin.report.plots.axes import NARROW, WIDE, new_figure
from volplugin.report.result import BacktestResult
from volplugin.report.theme import DARK, LIGHT, Theme, style

Plot = Callable[..., Any]
Size = tuple[float, float]
PATH = re.compile(rb'(?<= d=")[^"]+')
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
NUMBER = re.compile(rb"-?\d+\.\d{2,}")


@dataclass(frozen=True)
class Picture:
    """A plot and what is said under it."""

    name: str
    plot: Plot
    caption: str
    drawable: Callable[[BacktestResult], bool]
    wide: Size = WIDE
    narrow: Size = NARROW


PICTURES = (
    Picture(
        "predicted_realized",
        plots.plot_predicted_realized,
        "Both thick lines are of the same 63 sessions and drawn at the middle of them: the volatility "
        "that came true, and the root mean square of the forecasts made before each of these sessions "
        "for the book then held. The grey line is the single forecasts.",
        lambda result: not quarters(result.perf).empty,
    ),
    Picture(
        "target",
        plots.plot_target,
        f"Volatility of the {QUARTER} sessions up to each date. Even a perfect forecast leaves the band "
        "one time in twenty, by chance.",
        lambda result: result.target is not None and not quarters(result.perf).empty,
    ),
    Picture(
        "calibration",
        plots.plot_calibration,
        "Standard deviation of each day's return divided by the volatility forecast for it. Above the "
        "band risk was under-predicted, below it over-predicted.",
        lambda result: not quarters(result.perf).empty,
    ),
    Picture(
        "leverage",
        plots.plot_leverage,
        "Sum of absolute positions over the portfolio's value, at each close.",
        lambda result: "gross_leverage" in result.perf,
    ),
    Picture(
        "risk_contributions",
        plots.plot_risk_contributions,
        "Share of each asset in the predicted volatility of the book held, averaged over neighbouring "
        "sessions; the shares add up to all of it.",
        lambda result: not contributions(result.perf).empty,
    ),
    Picture(
        "forecast_scores",
        plots.plot_forecast_scores,
        "Mean QLIKE over all stock-days against squared returns: percent by which it is lower than the "
        "benchmark's. More is better.",
        lambda result: result.volatility is not None and len(result.volatility.models) > 1,
    ),
    Picture(
        "book_forecast",
        plots.plot_book_forecast,
        "Forecasts of the unlevered book, and what the sessions they cover then brought, both drawn at "
        "the date of the forecast: a gap between the lines is a forecast error.",
        lambda result: bool(result.books),
    ),
    Picture(
        "correlation",
        plots.plot_correlation,
        "Assets are ordered so that those that move together are neighbours.",
        lambda result: result.correlation is not None,
        wide=(7.4, 6.5),
        narrow=(4.0, 3.9),
    ),
)


def write_report(result: BacktestResult, out_dir: str | os.PathLike[str]) -> Path:
    """Write ``report.html`` and ``plots/*.png`` into a folder, each file whole or not at all.

    Parameters
    ----------
    result : BacktestResult
        The numbers.
    out_dir : path
        Made if it is not there.

    Returns
    -------
    Path
        Of the page, which needs no other file and no network.
    """
    folder = Path(out_dir)
    drawn = [picture for picture in PICTURES if picture.drawable(result)]
    page = render_page(result, drawn)
    for picture in drawn:
        png = draw(picture, result, LIGHT, picture.wide, "png")
        write_atomically(folder / "plots" / f"{picture.name}.png", png)
    return write_atomically(folder / "report.html", page.encode())


def render_page(result: BacktestResult, drawn: list[Picture]) -> str:
    """Return the page as text."""
    environment = Environment(
        loader=PackageLoader("volplugin.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["dates"] = _unbroken_dates
    return environment.get_template("report.html.j2").render(
        result=result,
        title=words.headline(result),
        sentences=words.sentences(result),
        tiles=words.tiles(result),
        notes=words.notes(result),
        pictures={picture.name: _sources(picture, result) for picture in drawn},
        runs=tables.runs(result),
        years=tables.years(result),
        exceedances=tables.exceedances(result),
        models=tables.models(result),
        books=tables.books(result),
        details=tables.details(result),
        vintages=tables.vintages(result),
        light=LIGHT,
        dark=DARK,
    )


def draw(picture: Picture, result: BacktestResult, theme: Theme, size: Size, kind: str) -> bytes:
    """Draw one plot as a file of some kind, in the page's own style whatever the caller's is."""
    with matplotlib.rc_context(style()):
        figure = new_figure(size)
        picture.plot(result, figure.add_subplot(), theme)
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return _slim(buffer.getvalue()) if kind == "svg" else buffer.getvalue()


def _slim(svg: bytes) -> bytes:
    """Round the coordinates of an SVG's paths to a tenth of a point, which no screen shows."""
    return PATH.sub(lambda path: NUMBER.sub(lambda n: b"%.1f" % float(n[0]), path[0]), svg)


def _unbroken_dates(text: str) -> Markup:
    """Escape a text, and keep lines from breaking inside its dates."""
    return Markup(DATE.sub(r'<span class="date">\g<0></span>', str(escape(text))))


def _sources(picture: Picture, result: BacktestResult) -> dict[str, str]:
    """Caption, and the plot as data URLs for two widths and two themes."""
    found = {"caption": picture.caption}
    for width, size in (("wide", picture.wide), ("narrow", picture.narrow)):
        for theme in (LIGHT, DARK):
            encoded = base64.b64encode(draw(picture, result, theme, size, "svg")).decode()
            found[f"{width}_{theme.name}"] = f"data:image/svg+xml;base64,{encoded}"
        found[f"{width}_size"] = f'width="{size[0] * 96:.0f}" height="{size[1] * 96:.0f}"'
    return found
