"""The page of a backtest: one self-contained HTML file, and its plots as PNG files in the same folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from volplugin.errors import VolpluginError
from volplugin.report import measures, plots, summary, tables
from volplugin.report.figures import Picture, Size, png
from volplugin.report.folder import read_result
from volplugin.report.format import Table
from volplugin.report.plots.axes import NARROW, WIDE
from volplugin.report.plots.models import MAX_STOCKS
from volplugin.report.result import BacktestResult
from volplugin.report.theme import DARK, LIGHT
from volplugin.storage.atomic import write_atomically
from volplugin.units import QUARTER_SESSIONS

DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Pair:
    """Parts shown side by side; on a narrow page, one below the other."""

    parts: Sequence[Picture | Table]


@dataclass(frozen=True)
class Points:
    """A bulleted list of sentences."""

    sentences: Sequence[str]


Part: TypeAlias = Picture | Table | Pair | Points


@dataclass(frozen=True)
class Section:
    """A section of a page.

    Attributes
    ----------
    id : str
        Anchor of links to the section.
    title : str
    sentences : sequence of str
        Text below the title.
    parts : sequence of Part
    missing : sequence of str
        Names of the parts that could not be made, with the reason.
    """

    id: str
    title: str
    sentences: Sequence[str] = ()
    parts: Sequence[Part] = ()
    missing: Sequence[str] = ()

    @property
    def pictures(self) -> Iterator[Picture]:
        """The pictures of the section, including both pictures of each pair."""
        for part in self.parts:
            yield from (one for one in (part.parts if isinstance(part, Pair) else [part]) if isinstance(one, Picture))


def render(**values: Any) -> str:
    """Render the page template; return HTML.

    Parameters
    ----------
    title : str
        Title of the browser window.
    eyebrow, headline : str
        Line above the headline, and the headline.
    lede : sequence of str
        Sentences below the headline.
    answers : sequence of Answer
    tiles : sequence of Tile
    sections : sequence of Section
    """
    environment = Environment(
        loader=PackageLoader("volplugin.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["dates"] = _unbroken_dates
    return environment.get_template("page.html.j2").render(light=LIGHT, dark=DARK, **values)


def write_page(page: str, sections: Sequence[Section], path: str | os.PathLike[str]) -> Path:
    """Write a page, and the pictures of its sections as ``plots/*.png`` in the same folder; each write is atomic.

    Returns
    -------
    Path
        The page. It refers to no other file and no network address.
    """
    file = Path(path)
    for picture in (picture for section in sections for picture in section.pictures):
        write_atomically(file.parent / "plots" / f"{picture.name}.png", png(picture))
    return write_atomically(file, page.encode())


def _unbroken_dates(text: str) -> Markup:
    """Escape a text, and forbid line breaks inside dates."""
    return Markup(DATE.sub(r'<span class="date">\g<0></span>', str(escape(text))))


HALF = (4.85, 4.3)
"""Size of one of two pictures side by side, inches."""
FLAT = ((10.0, 3.2), (4.0, 3.2))
"""Wide and narrow size of a picture of one short line or bar series, inches."""
ROW = 0.215
"""Height of a row of a dot plot, inches."""


@dataclass(frozen=True)
class Missing:
    """A part of the page that could not be made, and the reason."""

    title: str
    reason: str


@dataclass(frozen=True)
class Spec:
    """Title, plot, caption and sizes of a picture."""

    title: str
    plot: Callable[..., Any]
    caption: str
    wide: Size = WIDE
    narrow: Size = NARROW
    rows: Callable[[BacktestResult], int] | None = None
    """Returns the number of rows of a dot plot, which sets its height."""


def picture(result: BacktestResult, name: str, **keywords: Any) -> Picture | Missing:
    """Return a picture by name, or the reason that it cannot be drawn."""
    spec = SPECS[name]
    plot = partial(spec.plot, result, **keywords)
    try:
        # A trial without rendering: the plot raises if the result lacks its numbers.
        plot()
    except VolpluginError as error:
        return Missing(spec.title, str(error))
    wide, narrow = spec.wide, spec.narrow
    if spec.rows is not None:
        height = ROW * spec.rows(result) + 1.5
        wide, narrow = (wide[0], height), (narrow[0], height)
    ends = keywords.values() or result.perf.index[[0, -1]]
    span = " to ".join(str(date.date()) for date in ends)
    file_name = "_".join([name, *(str(value.date()) for value in keywords.values())])
    return Picture(file_name, plot, spec.caption, f"Plot, {spec.title.lower()}, {span}. {spec.caption}", wide, narrow)


SPECS = {
    "predicted_realized": Spec(
        "Predicted and realised volatility",
        plots.plot_predicted_realized,
        "Both thick lines are of the same 63 sessions and drawn at the middle of them: the realised "
        "volatility, and the root mean square of the forecasts made before each of these sessions "
        "for the portfolio then held. The grey line is the single forecasts.",
    ),
    "calibration": Spec(
        "Calibration over time",
        plots.plot_calibration,
        "Standard deviation of each day's return divided by the volatility forecast for it. Above the "
        "band risk was under-predicted, below it over-predicted.",
    ),
    "pit": Spec(
        "Forecast distribution",
        plots.plot_pit,
        "Each return's place in the normal distribution that was forecast for it. Right forecasts fill all bars alike. "
        "A hump in the middle: calmer than forecast on most days; high ends: tails fatter than normal.",
        wide=HALF,
        narrow=(4.0, 3.9),
    ),
    "exceedances": Spec(
        "Losses beyond value at risk",
        plots.plot_exceedances,
        "Days on which the loss went beyond the quantile that the forecast, taken as normal, puts to it. Right "
        "forecasts are exceeded on 5% and 1% of days, scattered; crowds of marks are storms that came too fast.",
    ),
    "target": Spec(
        "Realised volatility against the target",
        plots.plot_target,
        f"Volatility of the {QUARTER_SESSIONS} sessions up to each date. Even a perfect forecast leaves the band "
        "one time in twenty, by chance.",
    ),
    "leverage": Spec(
        "Gross leverage",
        plots.plot_leverage,
        "Sum of absolute positions over the portfolio's value, at each close.",
        *FLAT,
    ),
    "turnover": Spec(
        "Turnover",
        plots.plot_turnover,
        "Value bought and sold in each month over the portfolio's value.",
        *FLAT,
    ),
    "risk_contributions": Spec(
        "Risk contributions over time",
        plots.plot_risk_contributions,
        "Share of each asset in the predicted volatility of the portfolio held, averaged over neighbouring "
        "sessions; the shares add up to all of it.",
    ),
    "contribution_dates": Spec(
        "Risk contributions at chosen dates",
        plots.plot_contribution_dates,
        "The stocks with the largest shares at any of the dates, by their share at the last. A short bar: the stock's "
        "part hardly changed.",
        rows=lambda result: len(measures.contribution_shares(result)),
    ),
    "correlation": Spec(
        "Forecast correlation",
        plots.plot_correlation,
        "Assets are in the same order at both dates: assets that move together at the last date are neighbours.",
        wide=(4.85, 4.5),
        narrow=(4.0, 3.8),
    ),
    "stress": Spec(
        "Stress periods",
        plots.plot_stress,
        "A dot above its bar: the period was wilder than forecasts made day by day within it.",
    ),
    "stock_errors": Spec(
        "Forecast errors by stock",
        plots.plot_stock_errors,
        "The stock that was hardest to forecast is on top; a line joins the models.",
        rows=lambda result: min(MAX_STOCKS, len(measures.stock_errors(result))),
    ),
    "forecast_scores": Spec(
        "Forecast loss by model",
        plots.plot_forecast_scores,
        "Mean QLIKE over all stock-days against squared returns: percent by which it is lower than the "
        "benchmark's. More is better.",
        wide=(10.0, 3.4),
    ),
    "book_forecast": Spec(
        "Forecasts of the unlevered portfolio",
        plots.plot_portfolio_forecast,
        "Forecasts of the unlevered portfolio, and the volatility of the sessions they cover, both drawn at "
        "the date of the forecast: a gap between the lines is a forecast error.",
    ),
}


def sections(result: BacktestResult) -> list[Section]:
    """Return the sections of a backtest's page, in order."""

    def drawn(*names: str) -> list[Given]:
        return [picture(result, name) for name in names]

    aim = "Was the target held?" if result.target is not None else "How much was held?"
    return [
        _section(
            "risk", "Was risk predicted?", summary.years(result),
            [*drawn("predicted_realized", "calibration"), [tables.runs(result), tables.years(result)]],
        ),
        _section(
            "odds", "Were the odds right?", summary.odds(result),
            [*drawn("exceedances"), [*drawn("pit"), tables.exceedances(result)]],
        ),
        _section("target", aim, summary.portfolio(result), drawn("target", "leverage", "turnover")),
        _section(
            "sources", "Where did the risk come from?", summary.sources(result),
            [*drawn("risk_contributions", "contribution_dates"), _correlations(result)],
        ),
        _section("stress", "What happened under stress?", (), [*drawn("stress"), tables.stress(result)]),
        _section(
            "stocks", "Which stocks were hardest to forecast?", summary.stocks(result),
            [*drawn("stock_errors"), tables.stocks(result)],
        ),
        _section(
            "models", "Which model forecasts best?", summary.models(result),
            [
                *drawn("forecast_scores"), tables.models(result), tables.model_stress(result),
                *drawn("book_forecast"), tables.portfolios(result),
            ],
        ),
        Section("believing", "Assumptions and limits", parts=[Points(summary.notes(result))]),
        _section("again", "How to run it again", (), [tables.details(result), tables.vintages(result)]),
    ]  # fmt: skip


def _correlations(result: BacktestResult) -> list[Given]:
    """Return the correlations of the first and the last date, side by side."""
    dates = sorted(result.correlations)
    if not dates:
        return [picture(result, "correlation")]
    return [picture(result, "correlation", date=date) for date in dict.fromkeys((dates[0], dates[-1]))]


Given: TypeAlias = Picture | Table | Missing | None


def _section(id_: str, title: str, sentences: Sequence[str], given: Iterable[Given | list[Given]]) -> Section:
    """Return a section with the parts that could be made, and a line for each missing one."""
    parts: list[Part] = []
    missing: list[str] = []
    for one in given:
        found = [part for part in (one if isinstance(one, list) else [one]) if part is not None]
        missing += [f"{part.title}: left out, as {part.reason}." for part in found if isinstance(part, Missing)]
        made = [part for part in found if isinstance(part, Picture) or (isinstance(part, Table) and part.rows)]
        parts += [Pair(made)] if len(made) > 1 else made
    return Section(id_, title, sentences, parts, missing)


PAGE = "report.html"


def report_folder(folder: str | os.PathLike[str]) -> Path:
    """Write the page of a result folder, from the files of `write_result` alone.

    Raises
    ------
    ResultFolderError
        If the folder has no results, or damaged ones.
    """
    return write_report(read_result(folder), folder)


def write_report(result: BacktestResult, out_dir: str | os.PathLike[str]) -> Path:
    """Write ``report.html`` and ``plots/*.png`` into a folder; the folder is created, each write is atomic.

    Returns
    -------
    Path
        The page. It refers to no other file and no network address.
    """
    chapters = sections(result)
    return write_page(render_page(result, chapters), chapters, Path(out_dir) / PAGE)


def render_page(result: BacktestResult, chapters: list[Section] | None = None) -> str:
    """Return the page as HTML."""
    run = result.details
    rebalanced = f", rebalanced {run.frequency}" if run.frequency else ""
    headline = summary.headline(result)
    return render(
        title=f"{run.strategy}: {headline}",
        eyebrow=f"{run.strategy} on {run.bundle}{rebalanced}",
        headline=headline,
        lede=(),
        answers=summary.answers(result),
        tiles=summary.tiles(result),
        sections=sections(result) if chapters is None else chapters,
    )
