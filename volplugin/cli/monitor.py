"""volplugin monitor: check prices, models and recent forecasts."""

from __future__ import annotations

import json
from typing import Any

import click
import pandas as pd

from volplugin.cli.config import settings
from volplugin.cli.options import DATE, Number, bundle_option, end_of, vintages_option, weights_option
from volplugin.units import QUARTER_SESSIONS

FAILED = 3
"""Exit status if a check fails; 1 is for other errors, 2 for wrong usage."""


@click.command(short_help="Check prices, models and recent forecasts.")
@bundle_option
@vintages_option
@weights_option
@click.option("--asof", type=DATE, default=None, help="Last session used.  [default: the bundle's last]")
@click.option("--today", type=DATE, default=None, help="Date at which the age of prices is measured.  [default: today]")
@click.option("--calendar", help="Exchange calendar whose sessions the prices must cover.  [default: the bundle's]")
@click.option(
    "--window",
    type=click.IntRange(min=21),
    default=QUARTER_SESSIONS,
    show_default=True,
    help="Sessions over which calibration is evaluated.",
)
@click.option(
    "--confidence",
    type=Number(0.5, 0.9999),
    default=0.99,
    show_default=True,
    help="Probability of the bias statistic's band.",
)
@click.option(
    "--loss",
    type=Number(min=1),
    default=2.0,
    show_default=True,
    help="Largest loss, as a multiple of the usual one.",
)
@click.option(
    "--model-age",
    type=click.IntRange(min=1),
    default=400,
    show_default=True,
    help="Largest number of days since training.",
)
@click.option(
    "--price-age",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="Largest number of sessions since the last close.",
)
@click.option(
    "--coverage",
    type=Number(0, 1),
    default=0.95,
    show_default=True,
    help="Smallest share of assets or weight with a forecast.",
)
@click.option("--missing", type=Number(0, 1), default=0.02, show_default=True, help="Largest share of missing bars.")
@click.option(
    "--still",
    type=click.IntRange(min=2),
    default=5,
    show_default=True,
    help="Sessions with an unchanged close that make a price stale.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def monitor(
    bundle: str,
    store: str,
    weights: str | None,
    asof: pd.Timestamp | None,
    today: pd.Timestamp | None,
    calendar: str | None,
    as_json: bool,
    **limits: Any,
) -> None:
    """Check prices, models and the calibration of the last forecasts; the exit status is 3 if a check fails.

    Suitable for cron. Each line shows a finding and, in brackets, its limit. Every failure is also written to
    standard error.
    """
    from volplugin.adapters.zipline.bundles import read_bundle
    from volplugin.risk.defaults import default_correlation
    from volplugin.risk.model import RiskModel
    from volplugin.volatility.pretrained import require_trained
    from volplugin.workflows import Limits, check_health, read_weights
    from volplugin.workflows.monitor import health_text

    panel = read_bundle(bundle)
    panel = panel.asof(end_of(bundle, panel.sessions[0], asof))
    held = None if weights is None else read_weights(weights, panel.assets)
    model = RiskModel(require_trained(store, panel.last_session, panel), default_correlation())
    now = pd.Timestamp.now().normalize() if today is None else today
    checks = check_health(model, panel, now, held, Limits(**limits), calendar)
    failed = [check for check in checks if check.state == "FAIL"]
    if as_json:
        report = {"asof": str(panel.last_session.date()), "ok": not failed}
        report |= {"checks": [check.as_dict() for check in checks], "configuration": settings()}
        click.echo(json.dumps(report, indent=2))
    else:
        click.echo(health_text(checks))
    if failed:
        for check in failed:
            click.echo(f"{check.name}: {check.found} ({check.limit})", err=True)
        click.get_current_context().exit(FAILED)
