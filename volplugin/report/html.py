"""Write a backtest's result as one self-contained page, with its plots as PNG files beside it."""

from __future__ import annotations

import os
from pathlib import Path

from volplugin.report import words
from volplugin.report.folder import read_result
from volplugin.report.page import Section, render, write_page
from volplugin.report.result import BacktestResult
from volplugin.report.sections import sections

PAGE = "report.html"


def report_folder(folder: str | os.PathLike[str]) -> Path:
    """Write the page of a folder that `write_result` wrote, from its files alone.

    Raises
    ------
    ResultFolderError
        If it holds no results, or damaged ones.
    """
    return write_report(read_result(folder), folder)


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
    chapters = sections(result)
    return write_page(render_page(result, chapters), chapters, Path(out_dir) / PAGE)


def render_page(result: BacktestResult, chapters: list[Section] | None = None) -> str:
    """Return the page as text."""
    run = result.details
    rebalanced = f", rebalanced {run.frequency}" if run.frequency else ""
    headline = words.headline(result)
    return render(
        title=f"{run.strategy}: {headline}",
        eyebrow=f"{run.strategy} on {run.bundle}{rebalanced}",
        headline=headline,
        lede=(),
        answers=words.answers(result),
        tiles=words.tiles(result),
        sections=sections(result) if chapters is None else chapters,
    )
