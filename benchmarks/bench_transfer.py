"""Whether `volplugin transfer` recommends the choice that is best out of sample, on other markets.

Seven simulated markets of other dynamics than the US (no earnings season, other leverage, memory, tails and noise), a
long one of many stocks, and two like the US: the Dow's own prices under other names, with three years of history. The
choice is made on the years to 2014 and measured on 2015 to 2017.

    volplugin ingest dow30
    python benchmarks/bench_transfer.py
"""

from __future__ import annotations

from collections import Counter
from unittest import mock

import click
import numpy as np
import pandas as pd

from volplugin import PricePanel, read_bundle, simulated_panel
from volplugin.data import simulated
from volplugin.workflows.transfer import CHOICES, TIE, choose, local_models, measure_transfer, transfer_losses

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


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(MARKETS)), help="A market. Can be repeated.")
def main(only: tuple[str, ...]) -> None:
    """Print one line per market, and the totals."""
    right, strictly, excess, regret, recommended = 0, 0, [], [], Counter()
    for name in only or MARKETS:
        panel = MARKETS[name]()
        found = measure_transfer(panel.asof(KNOWN))
        after = transfer_losses(panel, local_models("pretrained"), "pretrained", pd.Timestamp(KNOWN))
        relative = (after / after.loc["EWMA94"]).mean(axis=1)
        best = min(CHOICES, key=lambda choice: relative[CHOICES[choice]])
        strictly += found.choice == best
        recommended[found.choice] += 1
        right += found.choice == choose(after)
        regret.append(relative[CHOICES[found.choice]] / relative[CHOICES[best]] - 1)
        excess.append((after.loc["recalibrated"] / np.minimum(after.loc["stored"], after.loc["local HAR"]) - 1).max())
        past = (found.losses / found.losses.loc["EWMA94"]).mean(axis=1)
        print(
            f"{name}: recommended {found.choice}, best {best}, regret {regret[-1]:.2%}, "
            f"recalibrated over the better of stored and HAR {excess[-1]:+.2%} | past "
            + ", ".join(f"{model} {value:.4f}" for model, value in past.items())
            + " | after "
            + ", ".join(f"{model} {value:.4f}" for model, value in relative.items()),
            flush=True,
        )
    print(
        f"the least loss in {strictly} of {len(regret)}, with losses within {TIE:.1%} as equal in {right}; "
        f"recommended: {', '.join(f'{choice} {count}' for choice, count in recommended.items())}; "
        f"largest regret {max(regret):.2%}; recalibrated at most {max(excess):+.2%}"
    )


if __name__ == "__main__":
    main()
