"""volplugin report: write the page of a backtest again."""

from __future__ import annotations

import click

from volplugin.cli.options import NamedPath


@click.command(short_help="Write the page of a finished backtest again.")
@click.argument("folder", metavar="DIR", type=NamedPath())
def report(folder: str) -> None:
    """Write report.html again from the result folder DIR of volplugin backtest or demo, without a new run."""
    from volplugin.report.backtest_page import report_folder
    from volplugin.report.summary import report_lines

    click.echo(report_lines(report_folder(folder)))
