"""volplugin monitor: whether forecasts can be trusted today."""

from __future__ import annotations

import json
from typing import Any

import click
import pandas as pd

from volplugin.cli.config import settings
from volplugin.cli.options import DATE, bundle_option, end_of, vintages_option, weights_option

FAILED = 3
"""Exit status where a check fails; 1 is for other errors, 2 for a command that is not understood."""


@click.command()
@bundle_option
@vintages_option
@weights_option
@click.option("--asof", type=DATE, default=None, help="Last session used.  [default: the bundle's last]")
@click.option("--today", type=DATE, default=None, help="Date by which prices are old.  [default: the clock's]")
@click.option("--calendar", default="XNYS", show_default=True, help="Exchange whose sessions there should be.")
@click.option("--window", type=click.IntRange(min=21), default=63, show_default=True, help="Sessions to evaluate.")
@click.option("--confidence", type=click.FloatRange(0.5, 0.9999), default=0.99, show_default=True, help="Of the bias.")
@click.option("--loss", type=click.FloatRange(min=1), default=2.0, show_default=True, help="Times the usual loss.")
@click.option("--model-age", type=click.IntRange(min=1), default=400, show_default=True, help="Days since training.")
@click.option("--price-age", type=click.IntRange(min=0), default=3, show_default=True, help="Sessions without prices.")
@click.option("--coverage", type=click.FloatRange(0, 1), default=0.95, show_default=True, help="Share with a forecast.")
@click.option("--missing", type=click.FloatRange(0, 1), default=0.02, show_default=True, help="Share of bars missing.")
@click.option("--still", type=click.IntRange(min=2), default=5, show_default=True, help="Sessions at one price.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def monitor(
    bundle: str,
    store: str,
    weights: str | None,
    asof: pd.Timestamp | None,
    today: pd.Timestamp | None,
    calendar: str,
    as_json: bool,
    **limits: Any,
) -> None:
    """Check prices, models and the calibration of the last forecasts, for cron: exit status 3 if a check fails.

    Each line shows the finding and, in brackets, its limit. Failures are repeated on standard error.
    """
    from volplugin.adapters.zipline.bundles import read_bundle
    from volplugin.risk.defaults import default_correlation
    from volplugin.risk.model import RiskModel
    from volplugin.volatility.pretrained import require_trained
    from volplugin.workflows import Limits, check_health, read_weights
    from volplugin.workflows.portfolio_risk import health_text

    panel = read_bundle(bundle)
    panel = panel.asof(end_of(bundle, panel.sessions[0], asof))
    held = None if weights is None else read_weights(weights, panel.assets)
    model = RiskModel(require_trained(store, panel.last_session), default_correlation())
    now = pd.Timestamp.now().normalize() if today is None else today
    checks = check_health(model, panel, now, held, Limits(**limits), calendar)
    failed = [check for check in checks if check.state == "FAIL"]
    metadata = {
        "asof": str(panel.last_session.date()),
        "ok": not failed,
        "checks": [check.as_dict() for check in checks],
    }
    click.echo(json.dumps(metadata | {"configuration": settings()}, indent=2) if as_json else health_text(checks))
    if failed:
        click.echo(f"{failed[0].name}: {failed[0].found} ({failed[0].limit})", err=True)
        click.get_current_context().exit(FAILED)
