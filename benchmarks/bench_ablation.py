"""What each part of the LSTM forecaster is worth: one part changed at a time, all judged on the same stock-days.

    python benchmarks/bench_ablation.py --start 2010-01-04 --end 2021-03-15 --store build/ablation

Needs the bundle dow30 (`volplugin ingest dow30`). Variants are refitted at each year's end; vintages are kept in the
store, so that an interrupted run goes on where it stopped. Prints a Markdown table: mean QLIKE against squared
returns, lower is better; how far QLIKE is above that of the first row, in percent; the Diebold-Mariano t of the
difference (positive: worse than the first row); and how many assets kept something of their own, over the vintages.
"""

import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import click
import pandas as pd
from machine import describe_machine

from volplugin import LSTMVolatility, ModelStore, PricePanel, WalkForward, read_bundle
from volplugin.evaluation import forecast_table, volatility_scorecard
from volplugin.evaluation.ranking import VolatilityScores

HORIZONS = (1, 5, 21)
DEFAULT = "default: fine-tuned, 3 seeds"

VARIANTS = {
    DEFAULT: LSTMVolatility(),
    "shared by all assets": LSTMVolatility(mode="shared"),
    "fine-tuned: all weights an asset": LSTMVolatility(tuned="network"),
    "independent: one network an asset, one seed": LSTMVolatility(mode="independent", seeds=(0,), steps=50),
    "without the linear blend": LSTMVolatility(linear_share=0.0),
    "one seed": LSTMVolatility(seeds=(0,)),
    "without market inputs": LSTMVolatility(inputs="own"),
    "closes only": LSTMVolatility(inputs="closes"),
    "QLIKE loss": LSTMVolatility(loss="qlike"),
    "squared error of volatility": LSTMVolatility(loss="volatility_mse"),
    "one layer of 32": LSTMVolatility(units=(32,)),
    "GRU, one seed": LSTMVolatility(network="gru", seeds=(0,)),
    "attention pooling, one seed": LSTMVolatility(network="attention", seeds=(0,)),
    "bidirectional within the window, one seed": LSTMVolatility(network="bidirectional", seeds=(0,)),
}


def trained(
    name: str, model: LSTMVolatility, panel: PricePanel, start: str, end: str, store: Path, jobs: int
) -> tuple[WalkForward, float]:
    """Train a variant's vintages, those that its folder lacks; return the walk and the seconds that it took."""
    folder = "".join(letter if letter.isalnum() else "-" for letter in name)
    walk = WalkForward(model, store=ModelStore(store / folder))
    began = time.perf_counter()
    walk.train(panel, start, end, n_jobs=jobs)
    return walk, time.perf_counter() - began


def kept(walk: WalkForward, panel: PricePanel, start: str, end: str) -> str:
    """Share of assets, over the vintages, that kept a readout or network of their own."""
    owns = [model.vintage.get("own", "") for model, _ in walk.spans(panel, start, end)]
    pairs = [[int(part) for part in own.removesuffix(" assets").split(" of ")] for own in owns if own]
    return f"{sum(own for own, _ in pairs) / sum(total for _, total in pairs):.0%}" if pairs else ""


def markdown(scores: VolatilityScores, shares: dict[str, str], seconds: dict[str, float]) -> str:
    """Lay the scores out, one row a variant."""
    heads = [*(f"h={h}" for h in HORIZONS), *(f"above, h={h}" for h in HORIZONS), "t, h=5", "kept", "trained in"]
    lines = [f"| variant | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for name in scores.models:
        rows = [scores.table.loc[(h, name)] for h in HORIZONS]
        cells = [f"{row['qlike']:.4f}" for row in rows]
        if name == DEFAULT:
            cells += [""] * (len(HORIZONS) + 1)
        else:
            cells += [f"{-row[f'below_{DEFAULT}']:+.1f}%" for row in rows]
            cells += [f"{rows[HORIZONS.index(5)][f'dm_{DEFAULT}']:+.1f}"]
        cells += [shares[name], f"{seconds[name]:.0f} s" if seconds[name] > 1 else "kept from before"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


@click.command()
@click.option("--start", default="2010-01-04", show_default=True)
@click.option("--end", default="2021-03-15", show_default=True)
@click.option("--store", default="build/ablation", show_default=True, type=click.Path(path_type=Path))
@click.option("--jobs", default=2, show_default=True)
@click.option("--only", default="", help="Comma-separated beginnings of variants' names; all if empty.")
def main(start: str, end: str, store: Path, jobs: int, only: str) -> None:
    """Train and judge the variants, and print the table."""
    panel = read_bundle("dow30").asof(end)
    wanted = tuple(part for part in only.split(",") if part)
    variants = {
        name: model for name, model in VARIANTS.items() if name == DEFAULT or not wanted or name.startswith(wanted)
    }
    walks, seconds = {}, {}
    for name, model in variants.items():
        walks[name], seconds[name] = trained(name, model, panel, start, end, store, jobs)
        click.echo(f"{name}: {seconds[name]:.0f} s", err=True)
    scores = volatility_scorecard(
        forecast_table(walks, panel, start, end, HORIZONS),
        panel,
        HORIZONS,
        benchmarks=(DEFAULT,),
        calibrated_through=pd.Timestamp(start) - pd.Timedelta(days=1),
    )
    shares = {name: kept(walk, panel, start, end) for name, walk in walks.items()}
    print(describe_machine())
    print(f"\n{start} to {end}, {int(scores.table['stock_days'].max()):,} stock-days\n")
    print(markdown(scores, shares, seconds))


if __name__ == "__main__":
    main()
