"""What the inputs of the earnings season do where there is no season: next to no harm with these seeds.

    python benchmarks/bench_season.py

Simulated stocks, which do not report; and the same with a large overnight move of each stock every 126 sessions, as
of companies that report twice a year. Models are fitted on the first half of the sessions, with the inputs and
without, and evaluated on the second half: mean QLIKE against squared returns, and the Diebold-Mariano t of the
difference (negative: better with them).
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import pandas as pd
from machine import describe_machine

from volplugin import HARVolatility, LSTMVolatility, PricePanel
from volplugin.data.simulated import simulated_panel
from volplugin.evaluation import forecast_table, volatility_scorecard

HORIZONS = (1, 5, 21)
SEEDS = (1, 2, 3)
PAIRS = {
    "log-linear": (HARVolatility("season"), HARVolatility("lstm")),
    "LSTM, one seed": (LSTMVolatility(seeds=(0,)), LSTMVolatility(seeds=(0,), inputs="all")),
    "LSTM on closes, one seed": (
        LSTMVolatility(seeds=(0,), inputs="season-closes"),
        LSTMVolatility(seeds=(0,), inputs="closes"),
    ),
}


def with_moves(panel: PricePanel, every: int, size: float = 0.06) -> PricePanel:
    """Add an overnight move to each stock, at its own place in a cycle of so many sessions."""
    random = np.random.default_rng(0)
    moves = np.zeros(panel.close.shape)
    for column in range(moves.shape[1]):
        days = np.arange(random.integers(every), len(moves), every)
        moves[days, column] = size * random.standard_normal(len(days))
    factor = np.exp(np.cumsum(moves, axis=0))
    prices = {field: getattr(panel, field) * factor for field in ("open", "high", "low", "close")}
    return PricePanel(**prices, volume=panel.volume)


def judge(name: str, panel: PricePanel) -> None:
    """Fit each pair on the first half of a panel, and print a row for each of both."""
    half = panel.sessions[len(panel.sessions) // 2]
    start, end = panel.sessions[len(panel.sessions) // 2 + 1], panel.sessions[-22]
    for kind, (with_season, without) in PAIRS.items():
        models = {"with": with_season.fit(panel.asof(half)), "without": without.fit(panel.asof(half))}
        scores = volatility_scorecard(
            forecast_table(models, panel, str(start.date()), str(end.date()), HORIZONS),
            panel,
            HORIZONS,
            benchmarks=("without",),
            calibrated_through=pd.Timestamp(half),
        )
        cells = [f"{scores.table.loc[(h, each)].qlike:.4f}" for each in ("with", "without") for h in HORIZONS]
        cells += [f"{scores.table.loc[(h, 'with'), 'dm_without']:+.1f}" for h in HORIZONS]
        print(f"| {name} | {kind} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Simulate, evaluate and print."""
    print(describe_machine(), "\n")
    heads = [f"{each}, h={h}" for each in ("with", "without", "t") for h in HORIZONS]
    print(f"| panel | model | {' | '.join(heads)} |\n{'|---' * (len(heads) + 2)}|")
    for seed in SEEDS:
        panel = simulated_panel(24, "2000-01-03", "2013-12-31", seed=seed)
        judge(f"no season, seed {seed}", panel)
        judge(f"moves every 126 sessions, seed {seed}", with_moves(panel, 126))


if __name__ == "__main__":
    main()
