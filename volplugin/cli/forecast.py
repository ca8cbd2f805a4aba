"""volplugin forecast: the risk of a book today."""

from __future__ import annotations

import click
import pandas as pd

from volplugin.cli.options import DATE, bundle_option, end_of, vintages_option


@click.command()
@bundle_option
@vintages_option
@click.option(
    "--weights",
    type=click.Path(dir_okay=False),
    help="CSV file with columns symbol, weight.  [default: equal]",
)
@click.option("--asof", type=DATE, default=None, help="Last session to know of.  [default: the bundle's last]")
@click.option("--horizon", type=click.IntRange(1, 252), default=21, show_default=True, help="Sessions ahead.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def forecast(
    bundle: str, store: str, weights: str | None, asof: pd.Timestamp | None, horizon: int, as_json: bool
) -> None:
    """Forecast the volatility of a portfolio, and what each stock contributes to it."""
    from volplugin.adapters.zipline.bundles import read_bundle
    from volplugin.defaults import default_correlation
    from volplugin.pretrained import require_trained
    from volplugin.report.text import forecast_table, read_weights
    from volplugin.risk_model import RiskModel

    panel = read_bundle(bundle)
    panel = panel.asof(end_of(bundle, panel.sessions[0], asof))
    model = RiskModel(require_trained(store, panel.last_session), default_correlation())
    sigma = model.forecast(panel, horizon)
    book = pd.Series(1 / len(sigma.assets), index=sigma.assets) if weights is None else read_weights(weights)
    click.echo(forecast_table(sigma, book, as_json=as_json))
