"""What each part of the LSTM forecaster is worth: one part changed at a time, one seed each, on the same stock-days.

    python benchmarks/bench_ablation.py --start 2010-01-04 --end 2021-03-15 --store build/ablation
    python benchmarks/bench_ablation.py --every 3
    python benchmarks/bench_ablation.py --inputs

Needs the bundle dow30 (`volplugin ingest dow30`). Variants are refitted at each year's end, or at each `--every`-th;
vintages are stored, so that an interrupted run continues. `--inputs` takes the log-linear model instead, with the eight
inputs of the earnings season, without each of them, and without all. Prints a Markdown table: mean QLIKE against
squared returns, lower is better; how far QLIKE is above the first row's, in percent; the Diebold-Mariano t of the
difference (positive: worse than the first row); and the share of assets with a readout or network of their own, over
the vintages. The last line is the processor time of the run.
"""

import os
import resource
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import click
import pandas as pd
from machine import describe_machine

from volplugin import HARVolatility, LSTMVolatility, ModelStore, PricePanel, RefitSchedule, WalkForward, read_bundle
from volplugin.evaluation import forecast_table, volatility_scorecard
from volplugin.evaluation.model_comparison import VolatilityScores
from volplugin.volatility.har import TERMS
from volplugin.volatility.season import SEASON

HORIZONS = (1, 5, 21)
REFERENCE, ALL_INPUTS = "one seed", "all eight inputs"


def one_seed(**changes: object) -> LSTMVolatility:
    """Return the default forecaster with one seed and other changes."""
    return LSTMVolatility(seeds=(0,)).set_params(**changes)


VARIANTS = {
    REFERENCE: one_seed(),
    "three seeds: the default": LSTMVolatility(),
    "shared by all assets, not tuned to each": one_seed(mode="shared"),
    "all weights tuned to each asset": one_seed(tuned="network"),
    "independent: one network an asset": one_seed(mode="independent", steps=50),
    "without the linear blend": one_seed(linear_share=0.0),
    "without market inputs": one_seed(inputs="own"),
    "without the earnings season": one_seed(inputs="all"),
    "closes only": one_seed(inputs="season-closes"),
    "QLIKE loss": one_seed(loss="qlike"),
    "squared error of volatility": one_seed(loss="volatility_mse"),
    "one layer of 32": one_seed(units=(32,)),
    "GRU": one_seed(network="gru"),
    "attention pooling": one_seed(network="attention"),
    "bidirectional within the window": one_seed(network="bidirectional"),
}


def trained(
    name: str, model: LSTMVolatility, panel: PricePanel, dates: list[pd.Timestamp], store: Path, jobs: int
) -> WalkForward:
    """Train a variant's vintages, those that its folder lacks."""
    folder = "".join(letter if letter.isalnum() else "-" for letter in name)
    return WalkForward(model, store=ModelStore(store / folder)).train_through(panel, dates, n_jobs=jobs)


def kept(walk_forward: WalkForward, panel: PricePanel, start: str, end: str) -> str:
    """Share of assets, over the vintages, with a readout or network of their own."""
    owns = [model.vintage.get("own", "") for model, _ in walk_forward.iter_vintages(panel, start, end)]
    pairs = [[int(part) for part in own.removesuffix(" assets").split(" of ")] for own in owns if own]
    return f"{sum(own for own, _ in pairs) / sum(total for _, total in pairs):.0%}" if pairs else ""


def without_inputs(panel: PricePanel, dates: list[pd.Timestamp]) -> dict[str, WalkForward]:
    """Return the log-linear model without each input of the season, and without all of them, trained in memory."""
    every = TERMS["season"]
    TERMS.update({f"without {name}": tuple(other for other in every if other != name) for name in SEASON})
    terms = {ALL_INPUTS: "season", "without all eight": "lstm"} | {
        f"without {name}": f"without {name}" for name in SEASON
    }
    return {
        name: WalkForward(HARVolatility(key)).train_through(panel, dates, progress=False) for name, key in terms.items()
    }


def markdown(scores: VolatilityScores, shares: dict[str, str]) -> str:
    """Lay out the scores, one row per variant."""
    reference = scores.benchmarks[0]
    heads = [*(f"h={h}" for h in HORIZONS), *(f"above, h={h}" for h in HORIZONS), "t, h=5", "kept"]
    lines = [f"| variant | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for name in scores.models:
        rows = [scores.table.loc[(h, name)] for h in HORIZONS]
        cells = [f"{row['qlike']:.4f}" for row in rows]
        if name == reference:
            cells += [""] * (len(HORIZONS) + 1)
        else:
            cells += [f"{-row[f'below_{reference}']:+.1f}%" for row in rows]
            cells += [f"{rows[HORIZONS.index(5)][f'dm_{reference}']:+.1f}"]
        lines.append(f"| {name} | {' | '.join([*cells, shares[name]])} |")
    return "\n".join(lines)


@click.command()
@click.option("--start", default="2010-01-04", show_default=True)
@click.option("--end", default="2021-03-15", show_default=True)
@click.option("--store", default="build/ablation", show_default=True, type=click.Path(path_type=Path))
@click.option("--jobs", default=2, show_default=True)
@click.option("--every", default=1, show_default=True, help="Years between two refits.")
@click.option("--only", default="", help="Comma-separated beginnings of variants' names; all if empty.")
@click.option("--inputs", "by_input", is_flag=True, help="The log-linear model without each input of the season.")
def main(start: str, end: str, store: Path, jobs: int, every: int, only: str, by_input: bool) -> None:
    """Train and evaluate the variants, and print the table."""
    panel = read_bundle("dow30").asof(end)
    dates = RefitSchedule().dates(panel.sessions, start, end)[::every]
    wanted = tuple(part for part in only.split(",") if part)
    variants = {
        name: model for name, model in VARIANTS.items() if name == REFERENCE or not wanted or name.startswith(wanted)
    }
    walk_forwards = {}
    if by_input:
        variants, walk_forwards = {}, without_inputs(panel, dates)
    for name, model in variants.items():
        click.echo(name, err=True)
        walk_forwards[name] = trained(name, model, panel, dates, store, jobs)
    scores = volatility_scorecard(
        forecast_table(walk_forwards, panel, start, end, HORIZONS),
        panel,
        HORIZONS,
        benchmarks=(ALL_INPUTS if by_input else REFERENCE,),
        calibrated_through=pd.Timestamp(start) - pd.Timedelta(days=1),
    )
    shares = {name: kept(walk_forward, panel, start, end) for name, walk_forward in walk_forwards.items()}
    print(describe_machine())
    print(f"\n{start} to {end}, {int(scores.table['stock_days'].max()):,} stock-days\n")
    print(markdown(scores, shares))
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(f"\n{len(dates)} refits; {sum(part.ru_utime + part.ru_stime for part in used):.0f} s of a processor")


if __name__ == "__main__":
    main()
