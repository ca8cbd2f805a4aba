"""volplugin report: the page of a backtest, drawn again."""

from __future__ import annotations

import time

import click


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path())
def report(folder: str) -> None:
    """Draw report.html again from the files that volplugin backtest or demo wrote into DIR, without a new run."""
    from volplugin.report.backtest_page import report_folder

    began = time.perf_counter()
    page = report_folder(folder)
    size = page.stat().st_size / 1e6
    click.echo(f"report: {page} ({size:.1f} MB, {time.perf_counter() - began:.1f} s)")
