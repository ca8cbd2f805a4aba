"""Whether `volplugin transfer` recommends the choice that is best out of sample, on other markets.

Seven simulated markets of other dynamics than the US (no earnings season, other leverage, memory, tails and noise), a
long one of many stocks, and two like the US: the Dow's own prices under other names, with three years of history. The
choice is made on the years to 2014 and measured on 2015 to 2017. The settings of the recalibration were chosen on other
markets: `foreign_market` of the numbers from 100 on, and the Dow's stocks in other years.

    volplugin ingest dow30
    python benchmarks/bench_transfer.py
"""

from __future__ import annotations

import time
from collections import Counter
from unittest import mock

import click
import numpy as np
import pandas as pd

from volplugin import PricePanel, read_bundle, simulated_panel
from volplugin.data import simulated
from volplugin.workflows.transfer import CHOICES, TIE, local_models, measure_transfer, transfer_losses

KNOWN, FIRST, LAST = "2014-12-31", "2006-01-03", "2017-12-29"
MARKETS = {
    **{f"foreign {number}": lambda number=number: foreign_market(number) for number in range(7)},
    "long": lambda: foreign_market(7, 40, "1999-01-04"),
    "like the US, 30 stocks": lambda: like_us(30),
    "like the US, 12 stocks": lambda: like_us(12),
}
"""Functions that return a market's prices, by name."""


def foreign_market(number: int, stocks: int = 12, first: str = FIRST) -> PricePanel:
    """Simulate a market whose dynamics are drawn by its number."""
    random = np.random.default_rng([2026, number])
    dynamics = {
        "LEVERAGE": float(random.uniform(-0.4, 0.4)),
        "SLOW": (float(random.uniform(0.96, 0.995)), float(random.uniform(0.2, 0.6))),
        "FAST": (float(random.uniform(0.3, 0.9)), float(random.uniform(0.2, 0.6))),
        "SHARED": float(random.uniform(0.2, 0.9)),
        "OVERNIGHT": float(random.uniform(0.1, 0.5)),
        "MARKET_VOLATILITY": float(random.uniform(0.008, 0.02)),
        "OWN_VOLATILITY": float(random.uniform(0.012, 0.03)),
        "TAILS": {name: float(random.uniform(3.5, 8.0)) for name in ("market", "sector", "own")},
    }
    with mock.patch.multiple(simulated, **dynamics):
        return simulated_panel(stocks, first, LAST, seed=1000 + number)


def like_us(stocks: int, first: str = "2012-01-03") -> PricePanel:
    """Return the last three years before the choice of the Dow's stocks, under names that the models do not know."""
    panel = read_bundle("dow30")
    names = np.random.default_rng(stocks).permutation(list(panel.assets))[:stocks]
    return PricePanel(
        **{field: getattr(panel, field).loc[first:LAST, names].add_prefix("X") for field in panel.fields},
        calendar=panel.calendar,
    )


def relative(losses: pd.DataFrame) -> pd.Series:
    """Return each model's mean loss relative to EWMA94."""
    return (losses / losses.loc["EWMA94"]).mean(axis=1)


def listed(values: pd.Series) -> str:
    """Return names and values on one line."""
    return ", ".join(f"{name} {value:.4f}" for name, value in values.items())


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(MARKETS)), help="A market. Can be repeated.")
def main(only: tuple[str, ...]) -> None:
    """Print one line per market, and the totals.

    A recommendation has the least loss, or a loss within 0.2% of it; both counts are printed.
    """
    regrets, excess, recommended = {}, {}, Counter()
    for name in only or MARKETS:
        began, panel = time.process_time(), MARKETS[name]()
        found = measure_transfer(panel.asof(KNOWN))
        after = transfer_losses(panel, local_models("pretrained"), "pretrained", pd.Timestamp(KNOWN))
        scores = relative(after)[list(CHOICES.values())].set_axis(list(CHOICES))
        recommended[found.choice] += 1
        regrets[name] = scores[found.choice] / scores.min() - 1
        excess[name] = after.loc["recalibrated"] / np.minimum(after.loc["stored"], after.loc["local HAR"]) - 1
        print(
            f"{name}: recommended {found.choice}, best {scores.idxmin()}, regret {regrets[name]:.2%}; recalibrated "
            f"over the better of stored and HAR, percent: {listed(100 * excess[name])} | past "
            f"{listed(relative(found.losses))} | after {listed(relative(after))} | {time.process_time() - began:.0f} s",
            flush=True,
        )
    regret, table = pd.Series(regrets), pd.DataFrame(excess)
    counts = ", ".join(f"{choice} {count}" for choice, count in recommended.items())
    print(
        f"of {len(regret)} recommendations {(regret == 0).sum()} have the least loss, {(regret <= TIE).sum()} a loss "
        f"within {TIE:.1%} of it; {counts}; largest regret {regret.max():.2%}\n"
        "recalibrated over the better of stored and local HAR, percent: "
        + "; ".join(
            f"{horizon} sessions: mean {100 * row.mean():+.2f}, largest {100 * row.max():+.2f}, "
            f"above 1 in {(row > 0.01).sum()}"
            for horizon, row in table.iterrows()
        )
    )


if __name__ == "__main__":
    main()
