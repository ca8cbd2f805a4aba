"""Training on processes of this machine and on a local dask cluster: seconds, and what more processes give.

    python benchmarks/bench_cluster.py [--rounds 2]

The same vintages, on simulated prices, by one process, by joblib's processes (loky), and by dask workers on
this machine, in turn; each has been warmed up, so that loading libraries is not in the seconds. Processor seconds
are summed over all processes. A cluster on one machine has no advantage: the table shows the cost of dask.
"""

import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import click
import psutil
from dask.distributed import LocalCluster
from machine import describe_machine

from volplugin import LSTMVolatility, PricePanel, WalkForward
from volplugin.data.simulated import simulated_panel
from volplugin.parallel import on_cluster

BEGIN, START, END = "2004-01-02", "2010-01-04", "2013-12-31"


def train(panel: PricePanel, jobs: int, place: Callable[[], AbstractContextManager], **changes: int) -> None:
    """Train four vintages of three seeds into memory."""
    with place():
        WalkForward(LSTMVolatility(**changes)).train(panel, START, END, n_jobs=jobs, progress=False)


def processors() -> float:
    """Seconds of this process and of those that it started and that still live."""
    each = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return sum(sum(process.cpu_times()[:2]) for process in each)


def measured(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds on the clock, and of the processors."""
    began, before = time.perf_counter(), processors()
    work()
    return time.perf_counter() - began, processors() - before


@click.command()
@click.option("--rounds", default=2, show_default=True, help="Of all places in turn; the best of each counts.")
@click.option("--stocks", default=40, show_default=True, help="Simulated.")
def main(rounds: int, stocks: int) -> None:
    """Print the table."""
    panel = simulated_panel(stocks, BEGIN, END)
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
    places: dict[str, tuple[int, Callable[[], AbstractContextManager]]] = {
        "this process alone": (1, nullcontext),
        "loky, 2 processes": (2, nullcontext),
        "dask, 2 processes": (2, lambda: on_cluster(cluster.scheduler_address, panel)),
    }
    few = simulated_panel(3, BEGIN, END)
    for jobs, place in places.values():
        train(few, jobs, place, steps=1)
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in places}
    for _ in range(rounds):
        for name, (jobs, place) in places.items():
            spent[name].append(measured(lambda jobs=jobs, place=place: train(panel, jobs, place)))
    cluster.close()
    best = {name: min(pairs) for name, pairs in spent.items()}
    alone = best["this process alone"][0]
    print(describe_machine())
    print(f"{panel!r}, 4 vintages of 3 seeds, best of {rounds}; load average {os.getloadavg()[0]:.1f}\n")
    print("| where | clock | processors | times as fast |\n|---|---|---|---|")
    for name, (clock, all_of_them) in best.items():
        print(f"| {name} | {clock:.1f} s | {all_of_them:.1f} s | {alone / clock:.2f} |")


if __name__ == "__main__":
    main()
