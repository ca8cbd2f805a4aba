"""volplugin forecast: forecast the risk of a portfolio."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pandas as pd

from volplugin.cli.config import settings
from volplugin.cli.options import (
    DATE,
    NamedPath,
    Number,
    bundle_option,
    end_of,
    market_option,
    vintages_option,
    weights_option,
)


@click.command(short_help="Forecast the risk of a portfolio.")
@bundle_option
@market_option
@vintages_option
@weights_option
@click.option("--asof", type=DATE, default=None, help="Last session used.  [default: the bundle's last]")
@click.option(
    "--horizon", type=click.IntRange(1, 252), default=21, show_default=True, help="Sessions that the forecast covers."
)
@click.option(
    "--groups",
    type=NamedPath(dir_okay=False),
    help="CSV file with columns symbol, group.  [default: sectors for dow30, none for other bundles]",
)
@click.option(
    "--weights-before",
    type=NamedPath(dir_okay=False),
    help="Weights of the session before.  [default: the same shares]",
)
@click.option("--value", type=Number(min=0, min_open=True), help="Value of the portfolio, in money.")
@click.option("--html", type=NamedPath(dir_okay=False), help="Write a page, such as today.html, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def forecast(
    bundle: str,
    market: str | None,
    store: str,
    weights: str | None,
    asof: pd.Timestamp | None,
    horizon: int,
    groups: str | None,
    weights_before: str | None,
    value: float | None,
    html: str | None,
    as_json: bool,
) -> None:
    """Forecast the volatility of a portfolio, the risk contributions, and their change since the previous session."""
    from volplugin._bundles.dow30 import NAME, SECTORS
    from volplugin.adapters.zipline.bundles import read_bundle, with_named_market
    from volplugin.risk.defaults import default_correlation
    from volplugin.risk.model import RiskModel
    from volplugin.volatility.pretrained import require_trained
    from volplugin.workflows import portfolio_text, portfolio_today, read_groups, read_weights

    panel = with_named_market(read_bundle(bundle), market)
    panel = panel.asof(end_of(bundle, panel.sessions[0], asof))
    held, before = (None if file is None else read_weights(file, panel.assets) for file in (weights, weights_before))
    grouped = groups or (SECTORS if bundle == NAME else None)
    model = RiskModel(require_trained(store, panel.last_session, panel), default_correlation())
    portfolio = portfolio_today(
        model,
        panel,
        held,
        horizon,
        groups=None if grouped is None else read_groups(grouped, panel.assets),
        weights_before=before,
    )
    click.echo(
        json.dumps(portfolio.as_dict() | {"configuration": settings()}, indent=2)
        if as_json
        else portfolio_text(portfolio, value)
    )
    if html is not None:
        from volplugin.report.today import write_today

        name = Path(weights).stem if weights else "equal weights"
        write_today(portfolio, html, title=f"{name} on {bundle}", value=value)
        click.echo(f"page: {html}", err=True)
