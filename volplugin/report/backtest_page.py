"""The page of a backtest: the order of its parts; captions are in the docstrings of the plots."""

from __future__ import annotations

import os
from collections.abc import Iterator
from inspect import getdoc
from pathlib import Path

from volplugin.report import plots, summary, tables
from volplugin.report.folder import read_result
from volplugin.report.format import Page, Section
from volplugin.report.measures import ReportData
from volplugin.report.page import Picture, Plot, render, write_page
from volplugin.report.plots import PlotAccessor
from volplugin.report.result import BacktestResult

STATISTICS = (
    "Bias statistic: below 1 forecasts were too high, above 1 too low; ▲ and ▼ are outside the 95% band. QLIKE, a loss "
    "of variance forecasts: lower is better. The last row of the first table is the weighted Mincer-Zarnowitz test: a "
    "small p means that the forecasts could have been better."
)
SCORES = (
    "QLIKE against squared returns, and against the range proxy; lower is better. t: Diebold-Mariano, negative where "
    "the model's loss is lower, and beyond 2 unlikely to be chance. MCS p: 0.10 or more (*) is inside the 90% "
    "confidence set, which holds the best model nine times in ten. Bias: realised over forecast, above 1 where "
    "forecasts were too low."
)


def report_folder(folder: str | os.PathLike[str]) -> Path:
    """Write the page of a result folder, from the files of `write_result` alone.

    Raises
    ------
    ResultFolderError
        If the folder has no results, or damaged ones.
    """
    return write_report(read_result(folder), folder)


def write_report(result: BacktestResult, out_dir: str | os.PathLike[str]) -> Path:
    """Write ``report.html`` and ``plots/*.png`` into a folder, which is created; return the path of the page.

    Each write is atomic; the page refers to no other file and no network address.
    """
    data = ReportData(result)
    return write_page(page(data), plots_of(data), Path(out_dir) / "report.html")


def render_page(result: BacktestResult) -> tuple[str, list[Picture]]:
    """Return the page as HTML, and its pictures."""
    data = ReportData(result)
    return render(page(data), plots_of(data))


def plots_of(data: ReportData) -> dict[str, Plot]:
    """Return the plots of the page by name; the split by source is shown if a part of the risk is specific."""
    names = set(dir(drawings := PlotAccessor(data))) - ({"factors"} if (data.market_share or 0) >= 0.99 else set())
    return {name: getattr(drawings, name) for name in names}


def page(data: ReportData) -> Page:
    """Return the words and tables of the page; the answer first."""
    run, headline = data.result.details, summary.headline(data)
    return Page(
        headline,
        f"{run.strategy} on {run.bundle}{f', rebalanced {run.frequency}' if run.frequency else ''}",
        summary.warnings(data),
        summary.answers(data),
        list(sections(data)),
        title=f"{run.strategy}: {headline}",
        figures=captions("volatility", "tenths"),
    )


def captions(*names: str) -> dict[str, str]:
    """Return the captions of plots, the second paragraphs of their docstrings."""
    docs = {name: (getdoc(getattr(plots, f"plot_{name}")) or "").split("\n\n") for name in names}
    return {name: " ".join("".join(parts[1:2]).split()) for name, parts in docs.items()}


def sections(data: ReportData) -> Iterator[Section]:
    """Yield the sections in the order of the page."""
    shown, scored, own = captions, tables.models(data), data.result.portfolios
    yield Section(
        "What did it do to the money?", figures=shown("growth", "drawdown"), beside=[tables.money(data)], id="money"
    )
    statistics = Section("Statistics of the run and of each year", [tables.runs(data), tables.years(data)], STATISTICS)
    words, figures = summary.years(data) + summary.errors(data), shown("predicted_realized", "calibration")
    yield Section("Was risk predicted?", words=words, figures=figures, folds=[statistics], id="risk")
    tests, words = Section("Tests of the number of losses", [tables.exceedances(data)]), summary.odds(data)
    yield Section("Were the odds right?", words=words, figures=shown("exceedances", "pit"), folds=[tests], id="odds")
    yield Section("How much was held and traded?", figures=shown("leverage", "turnover"), id="trading")
    figures = shown("risk_contributions", "average_correlation", "factors")
    yield Section("Where did the risk come from?", words=summary.sources(data), figures=figures, id="sources")
    figures = shown("stress")
    yield Section("What happened under stress?", figures=figures, beside=[tables.stress(data)], id="stress")
    more = Section("Scores, tests and stocks", [*scored, tables.portfolios(own), tables.stocks(data)], SCORES)
    words, figures = summary.models(data), shown("forecast_scores")
    yield Section("Which model forecasts best?", words=words, figures=figures, folds=[more], id="models")
    yield Section("Assumptions and limits", points=summary.notes(data), id="believing")
    settings = [tables.details(data), tables.vintages(data)]
    note = "A vintage is used only from its last training session on."
    again = Section("Settings, versions and models", settings, note)
    yield Section("How to run it again", folds=[again], id="again")
