"""volplugin forecast: forecast the risk of a portfolio."""

from __future__ import annotations

import json

import click
import pandas as pd

from volplugin.cli.config import settings
from volplugin.cli.options import DATE, bundle_option, end_of, vintages_option, weights_option


@click.command(short_help="Forecast the risk of a portfolio.")
@bundle_option
@vintages_option
@weights_option
@click.option("--asof", type=DATE, default=None, help="Last session used.  [default: the bundle's last]")
@click.option(
    "--horizon", type=click.IntRange(1, 252), default=21, show_default=True, help="Sessions that the forecast covers."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def forecast(
    bundle: str, store: str, weights: str | None, asof: pd.Timestamp | None, horizon: int, as_json: bool
) -> None:
    """Forecast the volatility of a portfolio, the risk contributions, and their change since the previous session."""
    from volplugin.adapters.zipline.bundles import read_bundle
    from volplugin.risk.defaults import default_correlation
    from volplugin.risk.model import RiskModel
    from volplugin.volatility.pretrained import require_trained
    from volplugin.workflows import portfolio_today, read_weights
    from volplugin.workflows.portfolio_risk import portfolio_text

    panel = read_bundle(bundle)
    panel = panel.asof(end_of(bundle, panel.sessions[0], asof))
    held = None if weights is None else read_weights(weights, panel.assets)
    model = RiskModel(require_trained(store, panel.last_session, panel), default_correlation())
    portfolio = portfolio_today(model, panel, held, horizon)
    click.echo(
        json.dumps(portfolio.as_dict() | {"configuration": settings()}, indent=2)
        if as_json
        else portfolio_text(portfolio)
    )
