"""Runs of small strategies, for the tests beside this file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
from zipline import run_algorithm
from zipline.api import date_rules, order_target_percent, schedule_function

from volplugin.adapters.zipline import register_metrics


def run(
    bundle: str,
    start: str,
    end: str,
    initialize: Callable[[Any], None],
    *,
    metrics_set: str = "volplugin",
    **hooks: Callable[..., None],
) -> pd.DataFrame:
    """Run hooks on a bundle with one of our metrics sets."""
    register_metrics()
    return run_algorithm(
        start=pd.Timestamp(start),
        end=pd.Timestamp(end),
        initialize=initialize,
        capital_base=1e6,
        bundle=bundle,
        metrics_set=metrics_set,
        **hooks,
    )


def universe(context: Any) -> list[Any]:
    finder = context.asset_finder
    return list(finder.retrieve_all(finder.equities_sids))


def buy_equal_weight_monthly(context: Any) -> None:
    """Set `context.universe` and hold it in equal parts."""

    def rebalance(context: Any, data: Any) -> None:
        alive = [asset for asset in context.universe if data.can_trade(asset)]
        for asset in alive:
            order_target_percent(asset, 0.9 / len(alive))

    context.universe = universe(context)
    schedule_function(rebalance, date_rules.month_start())
