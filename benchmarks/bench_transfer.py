"""Whether `volplugin transfer` recommends the choice that is best out of sample, on simulated foreign markets.

Ten markets of other dynamics than the US: no earnings season, other leverage, memory, tails and noise. The choice is
made on the years to 2014 and measured on 2015 to 2017.

    python benchmarks/bench_transfer.py
"""

from __future__ import annotations

from unittest import mock

import click
import numpy as np
import pandas as pd

from volplugin import simulated_panel
from volplugin.data import simulated
from volplugin.workflows.transfer import CHOICES, TIE, choose, local_models, measure_transfer, transfer_losses

KNOWN, FIRST, LAST = "2014-12-31", "2006-01-03", "2017-12-29"


def foreign_market(number: int, stocks: int):
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
        return simulated_panel(stocks, FIRST, LAST, seed=1000 + number)


@click.command()
@click.option("--markets", default=10, show_default=True)
@click.option("--stocks", default=12, show_default=True, help="Of each market.")
def main(markets: int, stocks: int) -> None:
    """Print one line per market, and the totals."""
    right, strictly, excess, regret = 0, 0, [], []
    for number in range(markets):
        panel = foreign_market(number, stocks)
        found = measure_transfer(panel.asof(KNOWN))
        after = transfer_losses(panel, local_models("pretrained"), "pretrained", pd.Timestamp(KNOWN))
        relative = (after / after.loc["EWMA94"]).mean(axis=1)
        best = min(CHOICES, key=lambda choice: relative[CHOICES[choice]])
        strictly += found.choice == best
        right += found.choice == choose(after)
        regret.append(relative[CHOICES[found.choice]] / relative[CHOICES[best]] - 1)
        excess.append((after.loc["recalibrated"] / np.minimum(after.loc["stored"], after.loc["local HAR"]) - 1).max())
        past = (found.losses / found.losses.loc["EWMA94"]).mean(axis=1)
        print(
            f"{number}: recommended {found.choice}, best {best}, regret {regret[-1]:.2%}, "
            f"recalibrated over the better of stored and HAR {excess[-1]:+.2%} | past "
            + ", ".join(f"{name} {value:.4f}" for name, value in past.items())
            + " | after "
            + ", ".join(f"{name} {value:.4f}" for name, value in relative.items()),
            flush=True,
        )
    print(
        f"the least loss in {strictly} of {markets}, with losses within {TIE:.1%} as equal in {right} of {markets}; "
        f"largest regret {max(regret):.2%}; recalibrated at most {max(excess):+.2%}"
    )


if __name__ == "__main__":
    main()
