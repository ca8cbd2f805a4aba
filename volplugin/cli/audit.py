"""volplugin audit: check whether a strategy uses its future."""

from __future__ import annotations

from typing import Any

import click
import pandas as pd

from volplugin.cli.logging import log
from volplugin.cli.options import (
    DATE,
    bundle_option,
    end_option,
    jobs_option,
    range_of,
    start_option,
    strategy_parameters,
    vintages_option,
)
from volplugin.errors import VolpluginError


class NoVerdict(click.ClickException):
    """The audit could not be made; 1, the exit status of other commands' errors, means a leak here."""

    exit_code = 2


@click.command(short_help="Check whether a strategy uses future prices.")
@click.argument("strategy")
@bundle_option
@start_option
@end_option
@vintages_option
@click.option("-x", "given", multiple=True, metavar="NAME=VALUE", help="Any parameter that the strategy reads.")
@click.option(
    "--cuts",
    default=3,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of sessions after which prices are replaced.",
)
@click.option(
    "--cut", "cut_dates", multiple=True, type=DATE, help="First session to replace, instead of --cuts; can be repeated."
)
@click.option("--seed", default=0, show_default=True, help="Seed of the replaced prices.")
@click.option(
    "--trained-on",
    multiple=True,
    help="Prices that models were trained on, if not the bundle's: Parquet or CSV file, folder of CSV files or bundle. "
    "Can be repeated.",
)
@click.option(
    "--trust",
    "trusted",
    multiple=True,
    metavar="MODULE",
    help="Imported module that reads no files; can be repeated.",
)
@jobs_option
@click.pass_context
def audit(
    context: click.Context,
    strategy: str,
    bundle: str,
    start: pd.Timestamp | None,
    end: pd.Timestamp | None,
    store: str,
    given: tuple[str, ...],
    trained_on: tuple[str, ...],
    **settings: Any,
) -> None:
    """Audit STRATEGY (a file, or a gallery name such as vol_target) for look-ahead.

    The strategy runs on the bundle, and again on copies with other prices, splits, dividends and delistings from some
    session on. All decisions before that session's close must be the same: orders, recorded values, and the values
    that before_trading_start stores. Models must have been trained on the bundle's prices, or on the prices of
    --trained-on, and be used after the end of their training; the models of the package are trusted. A run that reads
    a file, uses the network or starts a process that is not listed as harmless makes the strategy not auditable, and
    so does an imported module that may read files undetected (--trust lists exceptions).

    In zipline's daily mode every function but before_trading_start runs at the close, whatever its time rule, and
    orders fill at the next close: a function that uses today's close there does not look ahead. In
    before_trading_start it does.

    \b
    Exit status:
      0  clean: no decision used the future
      1  a leak
      2  no verdict: the strategy could not be audited
    """  # noqa: D301 - click reads the backslash
    from volplugin.adapters.zipline.audit import Audit, audit_strategy, audit_text
    from volplugin.adapters.zipline.bundles import read_prices

    try:
        first, last = range_of(bundle, start, end)
        wanted = Audit(
            strategy=strategy,
            bundle=bundle,
            start=first,
            end=last,
            parameters={"store": store, **strategy_parameters(given, {})},
            **settings,
        )
        report = audit_strategy(wanted, trained_on=[read_prices(name) for name in trained_on], log=log)
    except (VolpluginError, OSError) as error:
        raise NoVerdict(str(error)) from error
    click.echo(audit_text(report))
    context.exit(report.exit_code)
