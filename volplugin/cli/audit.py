"""volplugin audit: check whether a strategy uses its future."""

from __future__ import annotations

from typing import Any

import click
import pandas as pd

from volplugin.cli.logging import log
from volplugin.cli.options import (
    DATE,
    bundle_option,
    end_of,
    end_option,
    jobs_option,
    read_prices,
    start_option,
    strategy_parameters,
    vintages_option,
)
from volplugin.errors import VolpluginError


class NoVerdict(click.ClickException):
    """The audit could not be made; 1, the exit status of other commands' errors, means a leak here."""

    exit_code = 2


@click.command()
@click.argument("strategy")
@bundle_option
@start_option
@end_option
@vintages_option
@click.option("-x", "given", multiple=True, metavar="NAME=VALUE", help="A parameter of the strategy, as backtest has.")
@click.option("--cuts", default=3, show_default=True, type=click.IntRange(min=1), help="Sessions with orders to test.")
@click.option("--cut", "cut_dates", multiple=True, type=DATE, help="A first session to replace, instead of --cuts.")
@click.option("--seed", default=0, show_default=True, help="Of the replaced prices.")
@click.option(
    "--trained-on",
    multiple=True,
    help="Prices that models were trained on, where not the bundle's: a Parquet or CSV file, a folder of CSV files, "
    "or a bundle.",
)
@click.option(
    "--trust",
    "trusted",
    multiple=True,
    metavar="MODULE",
    help="A module that the strategy imports and that reads no files.",
)
@jobs_option
@click.pass_context
def audit(
    context: click.Context,
    strategy: str,
    bundle: str,
    start: pd.Timestamp,
    end: pd.Timestamp | None,
    store: str,
    given: tuple[str, ...],
    trained_on: tuple[str, ...],
    **settings: Any,
) -> None:
    """Audit STRATEGY (a file, or a gallery name such as vol_target) for look-ahead.

    The strategy runs on the bundle, and again on copies whose prices, splits, dividends and delistings are
    others from some session on. All that it decides before that session's close must be the same: orders,
    recorded values, and what before_trading_start keeps. Trained models must have been trained on the bundle's
    own prices, or on the prices of --trained-on, and be used after the end of their training; models that come with the
    package are trusted. A file, network or process access of any run that is not known to be harmless makes the
    strategy not auditable, and so does an imported module that may read files unseen (--trust names exceptions).

    In zipline's daily mode everything but before_trading_start runs at the close, whatever its time rule,
    and orders fill at the next close: using today's close there is no leak. In before_trading_start it is.

    \b
    Exit status:
      0  clean: no decision used the future
      1  a leak
      2  no verdict: something could not be audited, or the audit could not be made
    """  # noqa: D301 - click reads the backslash
    from volplugin.adapters.zipline.audit import Audit, audit_strategy, audit_text

    try:
        wanted = Audit(
            strategy=strategy,
            bundle=bundle,
            start=start,
            end=end_of(bundle, start, end),
            parameters={"store": store, **strategy_parameters(given, {})},
            **settings,
        )
        report = audit_strategy(wanted, trained_on=[read_prices(name) for name in trained_on], log=log)
    except (VolpluginError, OSError) as error:
        raise NoVerdict(f"{type(error).__name__}: {error}") from error
    click.echo(audit_text(report))
    context.exit(report.exit_code)
