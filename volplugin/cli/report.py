"""volplugin report: write the page of a backtest again."""

from __future__ import annotations

import time

import click


@click.command(short_help="Write the page of a finished backtest again.")
@click.argument("folder", metavar="DIR", type=click.Path())
def report(folder: str) -> None:
    """Write report.html again from the result folder DIR of volplugin backtest or demo, without a new run."""
    from volplugin.report.backtest_page import report_folder

    began = time.perf_counter()
    page = report_folder(folder)
    size = page.stat().st_size / 1e6
    click.echo(f"report: {page} ({size:.1f} MB, {time.perf_counter() - began:.1f} s)")
