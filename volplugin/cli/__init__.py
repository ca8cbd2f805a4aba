"""The command line."""

from __future__ import annotations

import os
from concurrent.futures import BrokenExecutor
from typing import Any

import click

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded: small steps lose by more threads

from volplugin.cli.audit import audit
from volplugin.cli.backtest import backtest
from volplugin.cli.config import add_config_option
from volplugin.cli.demo import demo
from volplugin.cli.evaluate import evaluate
from volplugin.cli.forecast import forecast
from volplugin.cli.ingest import ingest
from volplugin.cli.logging import NORMAL, QUIET, VERBOSE, configure_logging
from volplugin.cli.monitor import monitor
from volplugin.cli.pretrain import pretrain
from volplugin.cli.report import report
from volplugin.cli.study import study
from volplugin.cli.train import train
from volplugin.cli.transfer import transfer
from volplugin.cli.vintages import vintages
from volplugin.errors import VolpluginError

SECTIONS = {
    "First steps": (ingest, demo),
    "Backtest a strategy": (backtest, report, audit),
    "Every day": (forecast, monitor),
    "Train models": (train, vintages, transfer, pretrain),
    "Compare models": (evaluate, study),
}
"""Commands by task, in the order of the help."""


class Commands(click.Group):
    """Commands by task in the help; errors of the package as one line, without a traceback."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section per task."""
        width = max(map(len, self.commands))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                rows = [(f"{each.name:<{width}}", each.get_short_help_str(formatter.width)) for each in commands]
                formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a named error becomes one line and exit status 1."""
        try:
            return super().invoke(ctx)
        except VolpluginError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{where}{error.strerror or error}") from error
        except (MemoryError, RuntimeError) as error:  # torch raises RuntimeError
            ended, text = isinstance(error, BrokenExecutor), str(error).partition("\n")[0].strip("()")
            if not (ended or isinstance(error, MemoryError) or "allocate memory" in text):
                raise
            what = "a worker process ended, probably for lack of memory" if ended else f"out of memory ({text or '?'})"
            raise click.ClickException(f"{what}; use fewer assets, sessions or --jobs") from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="volplugin")
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
@click.option("-q", "--quiet", is_flag=True, help="Log warnings and errors only.")
def main(verbose: bool, quiet: bool) -> None:
    """Forecast the risk of a portfolio inside a zipline backtest, and evaluate the forecast afterwards.

    \b
    A first round, on the prices that come with the package:
      volplugin ingest dow30
      volplugin backtest vol_target --target 0.10 --out results
      open results/report.html

    Volatilities are annual wherever this program takes or prints them. Bundles are under $ZIPLINE_ROOT
    (~/.zipline if it is not set). Every command takes its options from a TOML file too: --config FILE.
    """  # noqa: D301 - click reads the backslash
    configure_logging(VERBOSE if verbose else QUIET if quiet else NORMAL)


for command in (command for commands in SECTIONS.values() for command in commands):
    add_config_option(command)
    main.add_command(command)
