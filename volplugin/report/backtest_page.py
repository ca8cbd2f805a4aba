"""The page of a backtest; captions and order of its parts are in ``templates/backtest.html.j2``."""

from __future__ import annotations

import os
from pathlib import Path

from volplugin.report import summary, tables
from volplugin.report.folder import read_result
from volplugin.report.measures import ReportData
from volplugin.report.page import Picture, render, write_page
from volplugin.report.plots import PlotAccessor
from volplugin.report.result import BacktestResult


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
    return write_page(*render_page(result), Path(out_dir) / "report.html")


def render_page(result: BacktestResult) -> tuple[str, list[Picture]]:
    """Return the page as HTML, and its pictures."""
    data, run = ReportData(result), result.details
    plots, headline = PlotAccessor(data), summary.headline(data)
    return render(
        "backtest.html.j2",
        {name: getattr(plots, name) for name in dir(plots)},
        title=f"{run.strategy}: {headline}",
        eyebrow=f"{run.strategy} on {run.bundle}{f', rebalanced {run.frequency}' if run.frequency else ''}",
        headline=headline,
        lede=summary.warnings(data),
        answers=summary.answers(data),
        data=data,
        tables=tables,
        summary=summary,
    )
