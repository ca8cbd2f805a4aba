"""Hundreds of stocks over two decades, from files to evaluated forecasts, and the growth of cost.

    python benchmarks/bench_scale.py [--stocks 500] [--growth 30,100,300,500]

On simulated prices (SIM0001, ...), so that anyone can run it; it does not measure forecasts on real
prices. In one run: write and ingest a bundle, train every yearly vintage for 2010 to 2021 with three seeds,
forecast a covariance each week, and evaluate the forecasts. Each line has seconds on the clock, seconds of all
processors together, and the peak memory of the whole tree of processes, in which shared pages count once. Then the cost
of one vintage by number of stocks and by years of history, in processor seconds of one process.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import click
import pandas as pd
from machine import describe_machine
from processes import Spent, spending

from volplugin import LSTMVolatility, PricePanel, RiskModel, WalkForward, read_bundle
from volplugin._bundles import ingest_bundle, register_csv_folder
from volplugin.data.simulated import simulated_market, simulated_panel
from volplugin.risk.defaults import default_correlation, default_walk_forward
from volplugin.workflows.evaluate_volatility import evaluate_volatility

BEGIN, START, END = "2000-01-03", pd.Timestamp("2010-01-04"), pd.Timestamp("2021-04-20")
GOAL_SECONDS, GOAL_GIB = 600, 4.0
HORIZON = 21
NAME = "simulated"


class Lines:
    """Stages, each printed with its cost when it ends."""

    def __init__(self) -> None:
        self.spent: dict[str, Spent] = {}
        print(f"{'':<44}{'clock':>10}{'processors':>10}{'peak':>10}")

    def __call__(self, name: str, work: Callable[[], object]) -> object:
        """Run a stage and print its line."""
        with spending() as spent:
            result = work()
        self.spent[name] = spent
        print(f"{name:<44}{spent}", flush=True)
        return result


def whole_run(stocks: int, jobs: int, folder: Path) -> None:
    """Run all stages, from simulated files to evaluated forecasts."""
    os.environ["ZIPLINE_ROOT"] = str(folder / "zipline")
    lines = Lines()
    lines(
        "simulate, and write CSV files",
        lambda: simulated_market(stocks, BEGIN, str(END.date())).write_csv(folder / NAME),
    )
    register_csv_folder(NAME, folder / NAME)
    lines("ingest them as a zipline bundle", lambda: ingest_bundle(NAME))
    panel = lines("read the bundle", lambda: read_bundle(NAME))
    walk_forward = default_walk_forward(folder / "models")
    training = f"train the vintages on {jobs} processes"
    lines(training, lambda: walk_forward.train(panel, START, END, n_jobs=jobs, progress=False))
    model = RiskModel(walk_forward, default_correlation())
    weeks = panel.sessions[panel.sessions >= START].to_series().resample("W").last().dropna()
    sigma = lines(f"Sigma each week ({len(weeks)})", lambda: weekly(model, panel, pd.DatetimeIndex(weeks)))
    scores = lines("score every session, h=21, against EWMA94", lambda: evaluated(panel, walk_forward))
    spent = lines.spent[training]
    count = len(walk_forward.store.vintages())
    print(f"{panel!r}; {count} vintages of {len(walk_forward.forecaster.seeds)} seeds; last Sigma of {sigma} stocks")
    print(f"QLIKE on these simulated prices, h=21: {scores}")
    print(
        f"training: {spent.wall:.0f} s on the clock (goal: at most {GOAL_SECONDS}), {spent.processors / jobs:.0f} s if "
        f"{jobs} processors had been free throughout; {spent.peak:.2f} GiB at most (goal: {GOAL_GIB:.0f})"
    )
    print(f"whole run: {max(one.peak for one in lines.spent.values()):.2f} GiB at most")


def weekly(model: RiskModel, panel: PricePanel, weeks: pd.DatetimeIndex) -> int:
    """Forecast at each week's end; returns the number of assets of the last."""
    count = 0
    for forecast in model.forecast_path(panel, weeks, HORIZON):
        count = len(forecast.assets)
    return count


def evaluated(panel: PricePanel, walk_forward: WalkForward) -> str:
    """Mean QLIKE by model."""
    scores = evaluate_volatility(panel, walk_forward, START, END, models=("LSTM", "EWMA94"), horizons=(HORIZON,))
    means = scores.losses.mean()
    return ", ".join(f"{name} {means[name, HORIZON]:.3f}" for name in scores.models)


def vintage_seconds(panel: PricePanel) -> float:
    """Processor seconds of one vintage, all seeds, in this process."""
    began = time.process_time()
    LSTMVolatility().fit(panel)
    return time.process_time() - began


def growth(numbers: Sequence[int]) -> None:
    """Cost of one vintage by stocks, and by years of history."""
    wide = simulated_panel(max(numbers), BEGIN, str(END.date()))
    vintage_seconds(cut(wide, 5))  # to warm up
    print(f"\none vintage, three seeds, one process; {len(wide.sessions)} sessions, by number of stocks")
    print_growth("stocks", {number: cut(wide, number) for number in numbers})
    few = cut(wide, min(100, max(numbers)))
    print(f"one vintage, {len(few.assets)} stocks, by years of history")
    print_growth("years", {years: few.asof(f"{1999 + years}-12-31") for years in (5, 10, 15, 20)})


def cut(panel: PricePanel, number: int) -> PricePanel:
    """Return the first assets, which are also the market."""
    fields = ("open", "high", "low", "close", "volume")
    return PricePanel(**{field: getattr(panel, field).iloc[:, :number] for field in fields})


def print_growth(unit: str, panels: dict[int, PricePanel]) -> None:
    """Processor seconds by size, and their ratio to what a cost in proportion to the first would be."""
    first: tuple[int, float] | None = None
    for size, panel in panels.items():
        took = vintage_seconds(panel)
        first = first or (size, took)
        ratio = took / size / (first[1] / first[0])
        print(
            f"  {size:4d} {unit:<7}{took:8.1f} s{took / size:8.3f} s each{ratio:8.2f} of growth in proportion",
            flush=True,
        )


@click.command()
@click.option("--stocks", default=500, show_default=True, help="Of the whole run; 0 to leave it out.")
@click.option("--growth", "numbers", default="30,100,300,500", show_default=True, help="Numbers of stocks.")
@click.option("--jobs", default=2, show_default=True, help="Processes.")
def main(stocks: int, numbers: str, jobs: int) -> None:
    """Print the figures."""
    print(describe_machine())
    print(f"load average before: {os.getloadavg()[0]:.1f}")
    if stocks:
        with tempfile.TemporaryDirectory() as folder:
            whole_run(stocks, jobs, Path(folder))
    if numbers:
        growth([int(number) for number in numbers.split(",")])
    print(f"load average after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
